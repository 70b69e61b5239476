"""Faces of a card: what codes are minted for that are not shown by the holder's own phone.

A card shown inside a partner's app has a face of its own there: a number that only its codes hold, sealed in their
handle. So a code tells the service, and nobody else, through which channel it was shown, and the codes of a face die
with it and with the link (an OAuth grant) that it rests on, whatever life their own clock still gives them.
"""

import secrets
from datetime import datetime

from sqlalchemy.engine import Connection

from core.clock import to_millis
from qr.models import card_faces

_FACE_BIT = 1 << 63
"""Set in the number that a handle holds where it is a face's: cards have 63 bits, so the two never meet."""


def face_number(index: int) -> int:
    """Give the number that stands in the handles of a face's codes; ``index`` has 63 random bits."""
    return _FACE_BIT | index


def read_number(number: int) -> tuple[int | None, int | None]:
    """Tell (index of a card, index of a face) of the number in a handle; one of them is None."""
    return (None, number ^ _FACE_BIT) if number & _FACE_BIT else (number, None)


def open_face(connection: Connection, *, card: str, channel: str, link: str) -> int:
    """Give a card a face in a channel that lasts as long as the link (grt_…), and return its index."""
    index = secrets.randbits(63)  # random so that it tells no order
    connection.execute(card_faces.insert().values(card_index=index, card=card, channel=channel, link=link))
    return index


def end_face(connection: Connection, index: int, *, at: datetime) -> None:
    """Let the codes of a face die now."""
    open_one = card_faces.update().where(card_faces.c.card_index == index, card_faces.c.ended_at.is_(None))
    connection.execute(open_one.values(ended_at=to_millis(at)))
