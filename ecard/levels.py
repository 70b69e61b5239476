from sqlalchemy.engine import Connection

from ecard.cards import get_card


def card_level(connection: Connection, card: str) -> str:
    """Tell ``auth`` at which assurance level a card stands; its tokens carry it as ``acr``."""
    return get_card(connection, card).level
