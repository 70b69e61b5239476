"""Show a code: ask the database how card and phone stand now, then mint. Minting a signed code writes nothing."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from auth.errors import DeviceEnded
from auth.guard import Phone
from core.clock import to_millis
from core.database import Statement
from core.errors import Missing, Unavailable
from core.ids import Randomness
from ecard.cards import require_active
from ecard.policy import POLICIES, require_use
from qr.code_class import CodeClass
from qr.counter_code import mint_counter_code, read_counter_code
from qr.desk import CodeDesk, minting_key
from qr.faces import face_number
from qr.signed_code import Flag, mint_signed_code
from sm.digest import hmac_sm3

COUNTER_TOMBSTONE_SECONDS = 600
"""How long a dead counter code is still told apart from one that never was."""

_STANDING = Statement(
    "SELECT c.standing, c.level, c.card_class, c.card_index, d.standing"
    " FROM electronic_cards c JOIN devices d ON d.card = c.id WHERE c.id = :card AND d.id = :device"
)
_CLASS_FLAGS = {"2": Flag.STUDENT, "4": Flag.SENIOR}
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Presented:
    """A code to be shown, and when it dies."""

    digits: str
    kind: str
    expires_at: datetime
    life_seconds: int


@dataclass(frozen=True, slots=True)
class ShownFace:
    """What of a card's face, by its ``index``, and of the card goes into a code."""

    index: int
    level: str
    card_class: str


@dataclass(frozen=True, slots=True)
class _Standing:
    level: str
    card_class: str
    card_index: int


def present_code(
    desk: CodeDesk, phone: Phone, card: str, *, kind: str, use: str, audience: int, randomness: Randomness
) -> Presented:
    """Mint a signed code (222 digits) or a counter code (20 digits) for the caller's own card.

    Raises ``Missing``, ``DeviceEnded``, ``ElectronicCardSuspended``, ``CardEnded`` or ``LevelTooLow``.
    """
    if card != phone.card:
        raise Missing
    standing = _require_showable(desk, phone, use)
    return _mint(desk, standing, {"card": card}, kind=kind, use=use, audience=audience, randomness=randomness)


def present_face(
    desk: CodeDesk,
    shown: ShownFace,
    *,
    kind: str,
    use: str,
    audience: int,
    randomness: Randomness,
    at: datetime | None = None,
) -> Presented:
    """Mint a code for a card inside a partner's app; that card, face and link stand the caller has asked.

    ``at`` is the time from which it lives, where that is not now: the sandbox has its own. Raises ``LevelTooLow``.
    """
    require_use(shown.level, use)
    standing = _Standing(shown.level, shown.card_class, face_number(shown.index))
    named: dict[str, str | int] = {"face": shown.index}
    return _mint(desk, standing, named, kind=kind, use=use, audience=audience, randomness=randomness, at=at)


def _mint(
    desk: CodeDesk,
    standing: _Standing,
    named: dict[str, str | int],
    *,
    kind: str,
    use: str,
    audience: int,
    randomness: Randomness,
    at: datetime | None = None,
) -> Presented:
    """Mint either kind; ``named`` is how a counter code's entry names the card."""
    life = desk.ground.settings.code_life_seconds
    # a code's clock counts whole seconds; the phone is told the very moment that terminals compute
    issued_at = (at or desk.ground.clock()).replace(microsecond=0)
    code_class = CodeClass[use.upper()]
    if kind == "signed":
        digits = mint_signed_code(
            minting_key(desk),
            randomness,
            card_index=standing.card_index,
            code_class=code_class,
            issued_at=issued_at,
            life_seconds=life,
            flags=_flags(standing, code_class),
            audience=audience,
        )
    else:
        digits = _mint_counter(desk, named, code_class, issued_at, audience, randomness)
    return Presented(digits, kind, issued_at + timedelta(seconds=life), life)


def _require_showable(desk: CodeDesk, phone: Phone, use: str) -> _Standing:
    rows = desk.ground.database.look(_STANDING, {"card": phone.card, "device": phone.device})
    if not rows:
        raise Missing
    card_standing, level, card_class, card_index, device_standing = rows[0]
    if device_standing != "active":
        raise DeviceEnded
    require_active(card_standing)
    require_use(level, use)
    return _Standing(level, card_class, card_index)


def _flags(standing: _Standing, code_class: CodeClass) -> Flag:
    uses = POLICIES[standing.level].uses
    flags = _CLASS_FLAGS.get(standing.card_class, Flag(0))
    if "medical" in uses:
        flags |= Flag.MEDICAL_ELIGIBLE
    if "merchant" in uses:
        flags |= Flag.MERCHANT_ELIGIBLE
    return flags | Flag.TEST if code_class is CodeClass.TEST else flags


def _mint_counter(
    desk: CodeDesk,
    named: dict[str, str | int],
    code_class: CodeClass,
    issued_at: datetime,
    audience: int,
    randomness: Randomness,
) -> str:
    """Keep the token's meaning for the code's life, and its death a while longer, so that late scans learn why."""
    life = desk.ground.settings.code_life_seconds
    kept = {
        **named,
        "class": int(code_class),
        "handle": secrets.token_hex(16),
        "issued_at": to_millis(issued_at),
        "life": life,
        "audience": audience,
    }
    for _ in range(_TRIES):
        digits = mint_counter_code(code_class, randomness)
        name = counter_name(desk, read_counter_code(digits).token)
        if desk.ground.ephemeral.put(name, json.dumps(kept).encode(), life + COUNTER_TOMBSTONE_SECONDS):
            return digits
    raise Unavailable("no free counter code", retry_after=1)


def counter_name(desk: CodeDesk, token: str) -> str:
    """Name a counter code's entry in the short memory, so that whoever reads that memory learns no living code."""
    return f"counter:{hmac_sm3(desk.visit_key, b'counter', token.encode()).hex()}"
