"""Which client may meet which card: real ones each other, and made-up ones the client of their own sandbox.

Asked where a holder allows a client something, for that is where every link begins.
"""

from channels.standing import effective_standing
from core.database import Database, Statement

_FIND = Statement(
    "SELECT e.sandbox, c.id, c.standing, a.standing FROM electronic_cards e LEFT JOIN channels c ON c.client = :client"
    " LEFT JOIN channels a ON a.id = c.above WHERE e.id = :card"
)


def may_meet(database: Database, client: str, card: str) -> bool:
    """Tell whether client and card are of one world; a client without a channel is of the real one."""
    rows = database.look(_FIND, {"client": client, "card": card})
    if not rows:
        return False
    sandbox, channel, own, above = rows[0]
    is_trying = channel is not None and own == effective_standing(own, above) == "sandbox"
    return bool(sandbox == (channel if is_trying else None))
