"""A terminal's own keys: the first one with what its operator allowed, the next one before the last one ends.

Both times the new key signs a text that names for whom it is (SM2 with the user id 1234567812345678): nobody can have a
key entered that he does not hold, and a signature is good for this one entry.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.institution_operators import NotAnOperator, lock_appointment
from auth.models import institutions, parties, party_keys
from auth.oauth.desk import OAuthDesk
from auth.oauth.device_approval import require_purposes
from auth.oauth.models import device_authorizations
from auth.parties import add_key, register_terminal
from auth.signed_requests import Terminal
from core.clock import from_millis, to_millis
from core.database import changed_one
from core.errors import Kind, Missing, Refusal
from sm.errors import SmError
from sm.sm2 import read_public_key

MOST_LIVE = 2
"""Keys a terminal may have at a time by its own doing: the old one and the next one."""
FIRST_KEY, NEXT_KEY = "ESSC-TERMINAL-KEY-1", "ESSC-NEXT-KEY-1"


class KeyUnproven(Refusal):
    kind = Kind.UNPROCESSABLE
    code = "terminal_key_unproven"
    title_en = "The proof is no signature of this key over the text that states what it is for."
    title_zh = "所附证明不是该密钥对指定文本的签名。"
    next_en = "Sign the text described in the API documentation with the new SM2 key."
    next_zh = "请用新的 SM2 密钥对接口文档规定的文本签名。"


class KeyKnown(Refusal):
    kind = Kind.CONFLICT
    code = "terminal_key_known"
    title_en = "This key is or was already a terminal's."
    title_zh = "该密钥已登记给某一终端或曾被使用。"
    next_en = "Make a new key pair."
    next_zh = "请生成新的密钥对。"


class GrantUsed(Refusal):
    kind = Kind.CONFLICT
    code = "terminal_registered_already"
    title_en = "A terminal was registered with this token before, under another key."
    title_zh = "该令牌已用于登记另一密钥的终端。"
    next_en = "Begin again: each terminal needs the operator's own permission."
    next_zh = "请重新发起：每台终端都需经办人单独授权。"


class TooManyTerminalKeys(Refusal):
    kind = Kind.CONFLICT
    code = "too_many_terminal_keys"
    title_en = "A terminal has at most two live keys."
    title_zh = "每台终端最多同时拥有两个有效密钥。"
    next_en = "Wait until the old one has ended, or ask the card centre to withdraw it."
    next_zh = "请等待旧密钥到期，或联系社保卡中心停用。"


@dataclass(frozen=True, slots=True)
class RegisteredTerminal:
    """What a terminal learns when it has registered itself."""

    id: str
    serial: str
    name: str
    site: str
    institution: str
    institution_name: str
    purposes: tuple[str, ...]
    not_after: datetime


@dataclass(frozen=True, slots=True)
class EnteredKey:
    """A key under its serial number, good until strictly before ``not_after``."""

    serial: str
    not_after: datetime


def register_itself(
    desk: OAuthDesk, connection: Connection, grant: str, public_key: bytes, proof: bytes
) -> RegisteredTerminal:
    """Enter the terminal that a grant stands for with its first key; the same key again gets the same answer.

    Raises ``KeyUnproven``, ``KeyKnown``, ``GrantUsed``, ``NotAnOperator`` or ``PurposesNotAllowed`` where the operator
    may not allow it any longer, and ``Missing`` for a grant of another kind.
    """
    columns = device_authorizations.c
    allowed = _get_allowed(connection, grant)
    stated = (desk.issuer, allowed.client, grant, allowed.thumbprint)
    key = _verify_key(desk, FIRST_KEY, stated, public_key, proof)
    if allowed.public_key is None:
        _require_operator(desk, connection, allowed)
    unused = device_authorizations.update().where(columns.grant_id == grant, columns.public_key.is_(None))
    if changed_one(connection, unused.values(public_key=key.hex())):
        _require_unknown(connection, key)
        _register(desk, connection, allowed, key)
    return _registered(connection, grant, key)


def add_next_key(
    desk: OAuthDesk, connection: Connection, terminal: Terminal, public_key: bytes, proof: bytes
) -> EnteredKey:
    """Give a terminal one more key, at its own request; the same key again gets the same answer.

    Raises ``KeyUnproven``, ``KeyKnown`` or ``TooManyTerminalKeys``.
    """
    key = _verify_key(desk, NEXT_KEY, (desk.issuer, terminal.id, terminal.party.serial), public_key, proof)
    connection.execute(sa.select(parties.c.id).where(parties.c.id == terminal.id).with_for_update())
    now = desk.ground.clock()
    live = _live_keys(connection, terminal.id, now)
    if key.hex() in live:
        return live[key.hex()]
    _require_unknown(connection, key)
    if len(live) >= MOST_LIVE:
        raise TooManyTerminalKeys
    serial = add_key(connection, terminal.id, key, at=now)
    detail = {"serial": serial, "by": terminal.party.serial}
    desk.ground.audit.record(
        connection, actor=terminal.id, act="terminal.key_added", subject=terminal.id, detail=detail, at=now
    )
    return _live_keys(connection, terminal.id, now)[key.hex()]


def state_key(label: str, stated: tuple[str, ...], public_key: bytes) -> bytes:
    """Write what a new key signs: label, what it is for and the key in lower-case hex, a line each, without a last end.

    For the first key that is issuer, client id, ``grant_id`` of the token answer, thumbprint of the DPoP key; for a
    next key issuer, terminal id, serial of the key that signs the request.
    """
    return "\n".join((label, *stated, public_key.hex())).encode()


def _verify_key(desk: OAuthDesk, label: str, stated: tuple[str, ...], public_key: bytes, proof: bytes) -> bytes:
    try:
        key = read_public_key(public_key)
        desk.provider.verifier(key).verify(state_key(label, stated, key), proof)
    except SmError as error:
        raise KeyUnproven(error.code) from error
    return key


def _get_allowed(connection: Connection, grant: str) -> sa.Row[Any]:
    row = connection.execute(
        sa.select(device_authorizations).where(
            device_authorizations.c.grant_id == grant, device_authorizations.c.state == "spent"
        )
    ).first()
    if row is None:
        raise Missing
    return row


def _require_operator(desk: OAuthDesk, connection: Connection, allowed: sa.Row[Any]) -> None:
    """Require that who allowed it might still do so, for these purposes; a dismissal waits for this transaction."""
    appointed = lock_appointment(connection, allowed.operator, allowed.institution, desk.ground.clock())
    card = desk.card_states(desk.ground.database, allowed.operator)
    if card is None or not card.active:
        raise NotAnOperator
    require_purposes(appointed, tuple(allowed.purposes))


def _require_unknown(connection: Connection, key: bytes) -> None:
    """Require a key that no terminal has or had: who signed must be beyond doubt."""
    if connection.execute(sa.select(party_keys.c.serial).where(party_keys.c.public_key == key.hex())).first():
        raise KeyKnown


def _register(desk: OAuthDesk, connection: Connection, allowed: sa.Row[Any], key: bytes) -> None:
    now = desk.ground.clock()
    terminal, serial = register_terminal(
        connection,
        name=allowed.name,
        site=allowed.site,
        institution=allowed.institution,
        purposes=allowed.purposes,
        public_key=key,
        at=now,
    )
    columns = device_authorizations.c
    mine = device_authorizations.update().where(columns.id == allowed.id)
    connection.execute(mine.values(terminal=terminal, serial=serial))
    detail = {"institution": allowed.institution, "serial": serial, "client": allowed.client, "grant": allowed.grant_id}
    desk.ground.audit.record(
        connection, actor=allowed.operator, act="terminal.registered", subject=terminal, detail=detail, at=now
    )


def _registered(connection: Connection, grant: str, key: bytes) -> RegisteredTerminal:
    made = device_authorizations.join(institutions, institutions.c.id == device_authorizations.c.institution).join(
        party_keys, party_keys.c.serial == device_authorizations.c.serial
    )
    columns = (device_authorizations, institutions.c.name.label("institution_name"), party_keys.c.not_after)
    row = connection.execute(
        sa.select(*columns).select_from(made).where(device_authorizations.c.grant_id == grant)
    ).one()
    if row.public_key != key.hex():
        raise GrantUsed
    named = (row.name, row.site, row.institution, row.institution_name)
    return RegisteredTerminal(row.terminal, row.serial, *named, tuple(row.purposes), from_millis(row.not_after))


def _live_keys(connection: Connection, terminal: str, at: datetime) -> dict[str, EnteredKey]:
    keys = party_keys.c
    live = sa.and_(keys.party == terminal, keys.withdrawn_at.is_(None), keys.not_after > to_millis(at))
    rows = connection.execute(sa.select(keys.public_key, keys.serial, keys.not_after).where(live))
    return {row.public_key: EnteredKey(row.serial, from_millis(row.not_after)) for row in rows}
