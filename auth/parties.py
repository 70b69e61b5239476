"""Registered parties that sign their requests: readers and scanners of institutions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.models import institutions, parties, party_keys
from auth.published_key import require_unpublished
from core.clock import to_millis
from core.database import Database, Statement, changed_one
from core.errors import Missing
from core.ids import new_id
from sm.sm2 import read_public_key

INSTITUTION_KINDS = ("centre", "hospital", "pharmacy", "merchant", "bank", "public")
PURPOSES = ("identity", "medical", "merchant", "gate", "test")
SCOPES = ("enroll", "redeem", "full_number")

_FIND = Statement(
    "SELECT p.id, p.name, p.standing, p.purposes, i.id, i.name, i.kind, i.audience, i.region, i.scopes,"
    " k.serial, k.public_key, k.not_before, k.not_after, k.withdrawn_at"
    " FROM parties p JOIN institutions i ON i.id = p.institution JOIN party_keys k ON k.party = p.id"
    " WHERE p.id = :party AND k.serial = :serial"
)


@dataclass(frozen=True, slots=True)
class Institution:
    """Where a terminal stands: ``audience`` is its group in codes (0 = none), ``scopes`` what it may be told."""

    id: str
    name: str
    kind: str
    audience: int
    region: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Party:
    """A terminal with the one key that signed."""

    id: str
    name: str
    standing: str
    purposes: frozenset[str]
    institution: Institution
    serial: str
    public_key: bytes
    not_before: int
    not_after: int
    withdrawn_at: int | None

    def is_valid(self, at: datetime) -> bool:
        """Tell whether party and key are good now; a key is good strictly before its end."""
        now = to_millis(at)
        return self.standing == "active" and self.withdrawn_at is None and self.not_before <= now < self.not_after


def find_party(database: Database, party: str, serial: str) -> Party | None:
    """Find a terminal with one of its keys."""
    rows = database.look(_FIND, {"party": party, "serial": serial})
    if not rows:
        return None
    row = rows[0]
    institution = Institution(row[4], row[5], row[6], row[7], row[8], frozenset(_listed(row[9])))
    return Party(
        row[0], row[1], row[2], frozenset(_listed(row[3])), institution, row[10], bytes.fromhex(row[11]), *row[12:15]
    )


def register_institution(
    connection: Connection,
    *,
    name: str,
    kind: str,
    region: str,
    at: datetime,
    audience: int = 0,
    scopes: Sequence[str] = ("redeem",),
    purposes: Sequence[str] = (),
) -> str:
    """Enter an institution into the register and return its id.

    ``purposes`` is what terminals that its own operators enrol may take codes for; the card centre may go beyond it.
    """
    institution = new_id("ins")
    connection.execute(
        institutions.insert().values(
            id=institution,
            name=name,
            kind=kind,
            audience=audience,
            region=region,
            scopes=list(scopes),
            purposes=list(purposes),
            created_at=to_millis(at),
        )
    )
    return institution


def set_purposes(connection: Connection, institution: str, purposes: Sequence[str]) -> None:
    """Change what an institution's operators may enrol terminals for; terminals that are there keep theirs."""
    require_institution(connection, institution)
    changed = institutions.update().where(institutions.c.id == institution)
    connection.execute(changed.values(purposes=list(purposes)))


def register_terminal(
    connection: Connection,
    *,
    name: str,
    site: str,
    institution: str,
    purposes: Sequence[str],
    public_key: bytes,
    at: datetime,
    days: int = 365,
) -> tuple[str, str]:
    """Enter a terminal with its first key and return (terminal id, key serial). Raises ``InvalidKey``."""
    terminal = new_id("trm")
    connection.execute(
        parties.insert().values(
            id=terminal,
            kind="terminal",
            name=name,
            site=site,
            institution=institution,
            purposes=list(purposes),
            standing="active",
            created_at=to_millis(at),
        )
    )
    return terminal, add_key(connection, terminal, public_key, at=at, days=days)


def add_key(connection: Connection, party: str, public_key: bytes, *, at: datetime, days: int = 365) -> str:
    """Give a party one more key, beside those it has, and return its serial; raises ``PublishedKeyRefused``."""
    key = read_public_key(public_key)
    require_unpublished(key)
    serial = new_id("key")
    connection.execute(
        party_keys.insert().values(
            party=party,
            serial=serial,
            public_key=key.hex(),
            not_before=to_millis(at),
            not_after=to_millis(at + timedelta(days=days)),
        )
    )
    return serial


def withdraw_key(connection: Connection, party: str, serial: str, *, at: datetime) -> bool:
    """Withdraw one key for good; False if there is none or it was withdrawn before."""
    withdrawn = (
        party_keys.update()
        .where(party_keys.c.party == party, party_keys.c.serial == serial, party_keys.c.withdrawn_at.is_(None))
        .values(withdrawn_at=to_millis(at))
    )
    return changed_one(connection, withdrawn)


def set_standing(connection: Connection, party: str, standing: str) -> bool:
    """Move a terminal between active, suspended and stolen."""
    moved = parties.update().where(parties.c.id == party, parties.c.standing != standing).values(standing=standing)
    return changed_one(connection, moved)


def require_party(connection: Connection, party: str) -> None:
    """Raise ``Missing`` unless there is such a terminal."""
    if connection.execute(sa.select(parties.c.id).where(parties.c.id == party)).first() is None:
        raise Missing(party)


def require_institution(connection: Connection, institution: str) -> None:
    """Raise ``Missing`` unless there is such an institution."""
    if connection.execute(sa.select(institutions.c.id).where(institutions.c.id == institution)).first() is None:
        raise Missing(institution)


def list_institutions(connection: Connection, *, before: datetime) -> Sequence[str]:
    """List the institutions that were registered before a moment."""
    registered = sa.select(institutions.c.id).where(institutions.c.created_at < to_millis(before))
    return connection.execute(registered.order_by(institutions.c.created_at, institutions.c.id)).scalars().all()


def name_of_party(connection: Connection, party: str) -> str:
    """Give the name that is shown to a holder."""
    name: str = connection.execute(sa.select(parties.c.name).where(parties.c.id == party)).scalar_one()
    return name


def list_terminals(connection: Connection) -> list[sa.Row[tuple[object, ...]]]:
    """List terminals with their institutions and keys for the operator, a row for each key."""
    joined = parties.join(institutions).join(party_keys, party_keys.c.party == parties.c.id)
    columns = (
        parties.c.id,
        parties.c.name,
        parties.c.standing,
        institutions.c.name.label("institution"),
        party_keys.c.serial,
        party_keys.c.not_after,
        party_keys.c.withdrawn_at,
    )
    ordered = sa.select(*columns).select_from(joined).order_by(parties.c.created_at, party_keys.c.not_before)
    return list(connection.execute(ordered))


def _listed(value: Any) -> list[str]:
    """Take a JSON column as a list: psycopg decodes it, sqlite3 hands over its text."""
    return list(json.loads(value) if isinstance(value, str) else value)
