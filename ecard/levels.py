from sqlalchemy.engine import Connection

from auth.oauth.desk import CardState
from core.database import Database, Statement
from ecard.cards import get_card

_STATE = Statement(
    "SELECT e.level, e.standing, h.number_index FROM electronic_cards e JOIN holders h ON h.id = e.holder"
    " WHERE e.id = :card"
)


def card_level(connection: Connection, card: str) -> str:
    """Tell ``auth`` at which assurance level a card stands; its tokens carry it as ``acr``."""
    return get_card(connection, card).level


def card_state(database: Database, card: str) -> CardState | None:
    """Tell ``auth`` how a card stands; None for one that does not exist."""
    rows = database.look(_STATE, {"card": card})
    return CardState(rows[0][0], rows[0][1] == "active", rows[0][2]) if rows else None
