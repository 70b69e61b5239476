from sqlalchemy.engine import Connection

from auth.oauth.desk import CardState
from core.errors import Missing
from ecard.cards import get_card


def card_level(connection: Connection, card: str) -> str:
    """Tell ``auth`` at which assurance level a card stands; its tokens carry it as ``acr``."""
    return get_card(connection, card).level


def card_state(connection: Connection, card: str) -> CardState | None:
    """Tell ``auth`` how a card stands; None for one that does not exist."""
    try:
        found = get_card(connection, card)
    except Missing:
        return None
    return CardState(found.level, found.standing == "active")
