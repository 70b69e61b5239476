"""The persons whose cards these are; their data is sealed at rest and masked everywhere else."""

import re
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import to_millis
from core.database import insert_if_new
from core.errors import Missing
from core.ground import Ground
from core.ids import new_id
from ecard.models import holders

_NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]")  # of ASCII: another spelling would be another person
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999, clause 5
_CHECK = "10X98765432"


@dataclass(frozen=True, slots=True)
class Holder:
    """A person in clear; never printed, logged or put into an error."""

    id: str
    social_security_number: str
    name: str

    def __repr__(self) -> str:
        return f"Holder(id={self.id!r})"


def is_social_security_number(given: str) -> bool:
    """Tell whether 18 characters carry the right check digit (GB 11643-1999, ISO 7064 MOD 11-2)."""
    if not _NUMBER.fullmatch(given):
        return False
    return check_character(given[:17]) == given[17]


def check_character(digits: str) -> str:
    """Compute the eighteenth character of a number from its first 17 digits (GB 11643-1999, ISO 7064 MOD 11-2)."""
    return _CHECK[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11]


def mask_name(name: str) -> str:
    """Show the last character of a name only: enough to recognise one's own."""
    return "*" * (len(name) - 1) + name[-1] if name else ""


def number_index(ground: Ground, social_security_number: str) -> str:
    """Make the blind index under which a holder is found."""
    return ground.fields.index("social_security_number", social_security_number)


def keep_holder(
    ground: Ground,
    connection: Connection,
    social_security_number: str,
    name: str,
    at: datetime,
    *,
    is_signed: bool = True,
) -> str:
    """Find or enter the holder of a number and return the id; a changed name that the chip signed replaces the old."""
    index = number_index(ground, social_security_number)
    fields = ground.fields
    entered = new_id("hld")
    values = {
        "id": entered,
        "number_index": index,
        "social_security_number": fields.seal("holders", "social_security_number", entered, social_security_number),
        "name_index": name_index_of(ground, name),
        "name": fields.seal("holders", "name", entered, name),
        "known_since": to_millis(at),
    }
    insert_if_new(connection, holders, values)
    holder: str = connection.execute(sa.select(holders.c.id).where(holders.c.number_index == index)).scalar_one()
    if holder != entered and is_signed:
        _rename(ground, connection, holder, name)
    return holder


def find_name_index(connection: Connection, number: str) -> str | None:
    """Find the blind index of the name under which a person is known here; ``number`` is the number's blind index."""
    found = sa.select(holders.c.name_index).where(holders.c.number_index == number)
    name_index: str | None = connection.execute(found).scalar()
    return name_index


def name_index_of(ground: Ground, name: str) -> str:
    """Make the blind index of a name."""
    return ground.fields.index("name", name)


def keep_phone(ground: Ground, connection: Connection, holder: str, phone: str) -> None:
    """Keep the telephone number that a bank has vouched for; a newer one replaces it."""
    fields = ground.fields
    kept = {"phone_index": fields.index("phone", phone), "phone": fields.seal("holders", "phone", holder, phone)}
    connection.execute(holders.update().where(holders.c.id == holder).values(**kept))


def get_holder(ground: Ground, connection: Connection, holder: str) -> Holder:
    """Open a holder's record; raises ``Missing``."""
    row = connection.execute(sa.select(holders).where(holders.c.id == holder)).first()
    if row is None:
        raise Missing
    number = ground.fields.open("holders", "social_security_number", row.id, row.social_security_number)
    return Holder(row.id, number, ground.fields.open("holders", "name", row.id, row.name))


def _rename(ground: Ground, connection: Connection, holder: str, name: str) -> None:
    index = name_index_of(ground, name)
    connection.execute(
        holders.update()
        .where(holders.c.id == holder, holders.c.name_index != index)
        .values(name_index=index, name=ground.fields.seal("holders", "name", holder, name))
    )
