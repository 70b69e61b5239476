"""Where each bank answers what we ask of its core: one https address, set by two operators (docs/decisions/0021)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.destinations import read_destination
from channels.endpoints import destination_rules
from channels.issuance.models import bank_ports
from core.clock import to_millis
from core.database import changed_one, insert_if_new
from core.errors import Malformed, Missing
from core.ground import Ground

BANK_CLASS = "bank"
PAUSE = timedelta(seconds=10)
"""How long a bank is left alone that gave no answer several times in a row: what waits for it keeps its tries."""
PAUSED_FROM = 3


@dataclass(frozen=True, slots=True)
class RegisteredPort:
    """The address of a bank's port; ``failures`` counts tries without an answer since the last one that had one."""

    channel: str
    url: str
    failures: int


def require_new_port(ground: Ground, connection: Connection, channel: str, channel_class: str, given: str) -> str:
    """Read an address that a bank may have as its port; raises ``DestinationNotAllowed`` or ``Malformed``."""
    if channel_class != BANK_CLASS:
        raise Malformed("a bank port is a bank's")
    url = read_destination(given, destination_rules(ground.settings)).url
    standing = find_port(connection, channel)
    if standing is not None and standing.url == url:
        raise Malformed("the bank has this port already")
    return url


def set_port(ground: Ground, connection: Connection, channel: str, url: str) -> None:
    """Enter the address of a bank's port, in the place of the one before it."""
    fresh = {"url": url, "failures": 0, "paused_until": 0, "set_at": to_millis(ground.clock())}
    if not insert_if_new(connection, bank_ports, {"channel": channel, **fresh}):
        connection.execute(bank_ports.update().where(bank_ports.c.channel == channel).values(**fresh))


def require_port(connection: Connection, channel: str, given: str) -> None:
    """Raise ``Missing`` unless this is the port of the bank."""
    standing = find_port(connection, channel)
    if standing is None or standing.url != given:
        raise Missing("the bank has no such port")


def end_port(connection: Connection, channel: str, given: str) -> None:
    """Take a port away; nobody is asked there any more. Raises ``Missing``."""
    table = bank_ports.c
    if not changed_one(connection, bank_ports.delete().where(table.channel == channel, table.url == given)):
        raise Missing("the bank has no such port")


def find_port(connection: Connection, channel: str) -> RegisteredPort | None:
    row = connection.execute(sa.select(bank_ports).where(bank_ports.c.channel == channel)).first()
    return None if row is None else RegisteredPort(row.channel, row.url, row.failures)


def count_answer(connection: Connection, channel: str) -> None:
    """Forget the failures of a bank that answers."""
    table = bank_ports.c
    failed = bank_ports.update().where(table.channel == channel, table.failures > 0)
    connection.execute(failed.values(failures=0, paused_until=0))


def count_silence(connection: Connection, channel: str, at: datetime) -> None:
    """Count a try without an answer, and leave the bank alone for a while after several."""
    table = bank_ports.c
    until = sa.case((table.failures + 1 >= PAUSED_FROM, to_millis(at + PAUSE)), else_=table.paused_until)
    counted = bank_ports.update().where(table.channel == channel)
    connection.execute(counted.values(failures=table.failures + 1, paused_until=until))
