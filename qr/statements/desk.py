"""What the flows of statements are handed by ``web.runtime``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from core.ground import Ground
from qr.statements.owner import Owner
from sm.sm2 import Signer


@dataclass(frozen=True)
class StatementDesk:
    """What statements need; ``certificates`` gives the signer's chain, DER, leaf first.

    ``owners`` lists who has a statement of a day, by its end; ``sector_of`` tells in which sector a channel has its
    names of cards, None where it has none, and raises ``Missing`` for a channel that there is not; ``name`` names a
    card (second) to a sector (first).
    """

    ground: Ground
    signer: Callable[[], Signer]
    certificates: Callable[[], Sequence[bytes]]
    owners: Callable[[Connection, datetime], Sequence[Owner]]
    sector_of: Callable[[Connection, str], str | None]
    name: Callable[[str, str], str]
