"""Turn what a terminal scanned into one thing that can be redeemed, whichever of the two renderings it was."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import from_millis
from core.errors import Limited, Unavailable
from qr.code import read_code
from qr.code_class import CodeClass
from qr.counter_code import UnverifiedCounterCode
from qr.desk import CodeDesk, issuer_keys
from qr.errors import CannotTell, CodeExpired, CodeNotYetValid, CodeUnknown, WrongAudience, WrongClass
from qr.faces import read_number
from qr.presentment import counter_name
from qr.signed_code import (
    ANYONE,
    LEEWAY,
    UnverifiedSignedCode,
    open_handle,
    require_audience,
    require_class,
    require_live,
    verify_signed_code,
)

_GUESSES_PER_MINUTE = 20
_GUESSES_SECONDS = 60


@dataclass(frozen=True, slots=True)
class LiveCode:
    """A code that is genuine, alive and meant for this place; only the card and the single use are left to ask.

    ``handle`` is what it is, 32 hex digits; the card is named by one of the other three: by its id, its index, or the
    index of the face that it has in a partner's app.
    """

    handle: str
    rendering: str
    card: str | None
    card_index: int | None
    face: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code is taken: the terminal, what it takes there, and the audience groups it belongs to."""

    terminal: str
    purpose: CodeClass
    audiences: frozenset[int]


def verify_scanned(desk: CodeDesk, scanned: str, place: Place, *, live_at: datetime | None = None) -> LiveCode:
    """Check everything about a code that needs no card; raises one of the refusals of ``qr.errors``.

    ``live_at`` is the time by which the code's life alone is judged, where that is not now: the sandbox has its own.
    """
    unverified, now = read_code(scanned), desk.ground.clock()
    if isinstance(unverified, UnverifiedCounterCode):
        return _verify_counter(desk, unverified, place, live_at or now)
    return verify_signed(desk, unverified, place, now, live_at=live_at)


def verify_signed(
    desk: CodeDesk, unverified: UnverifiedSignedCode, place: Place, at: datetime, *, live_at: datetime | None = None
) -> LiveCode:
    """Check a signed code as of ``at``: now, or when an offline terminal took it; its life as of ``live_at``."""
    keys = issuer_keys(desk)
    code = verify_signed_code(unverified, keys.verifying, at)
    require_class(code, {place.purpose})
    require_audience(code, place.audiences)
    require_live(code, live_at or at)
    return LiveCode(code.handle.hex(), "signed", None, *read_number(open_handle(code, keys.ciphers)))


def _verify_counter(desk: CodeDesk, unverified: UnverifiedCounterCode, place: Place, at: datetime) -> LiveCode:
    _require_no_guesser(desk, place.terminal)
    meaning = json.loads(_find_meaning(desk, unverified, place.terminal))
    # the class in the digits is only a hint: what was asked for when the code was made decides
    if meaning["class"] != place.purpose or meaning["class"] != unverified.code_class:
        raise WrongClass
    if meaning["audience"] != ANYONE and meaning["audience"] not in place.audiences:
        raise WrongAudience
    _require_counter_live(at, meaning["issued_at"], meaning["life"])
    return LiveCode(meaning["handle"], "counter", meaning.get("card"), None, meaning.get("face"))


def _find_meaning(desk: CodeDesk, unverified: UnverifiedCounterCode, terminal: str) -> bytes:
    """Look a token up; one that is not found counts as a guess, also where it may only be out of reach."""
    memory = desk.ground.ephemeral
    try:
        kept = memory.get(counter_name(desk, unverified.token))
    except Unavailable as away:
        memory.count(_guesses(terminal), _GUESSES_SECONDS)
        raise CannotTell(away.detail, retry_after=2, recorded=True) from away
    if kept is None:
        memory.count(_guesses(terminal), _GUESSES_SECONDS)
        raise CodeUnknown(recorded=True)
    return kept


def _require_counter_live(now: datetime, issued_at: int, life: int) -> None:
    if now < from_millis(issued_at) - LEEWAY:
        raise CodeNotYetValid
    if now >= from_millis(issued_at) + timedelta(seconds=life) + LEEWAY:
        raise CodeExpired


def _require_no_guesser(desk: CodeDesk, terminal: str) -> None:
    """Look nothing up for a terminal that has named too many codes that never were: a hit must not pay either."""
    if desk.ground.ephemeral.counted(_guesses(terminal)) >= _GUESSES_PER_MINUTE:
        raise Limited("too many unknown codes", retry_after=_GUESSES_SECONDS)


def _guesses(terminal: str) -> str:
    return f"guesses:{terminal}"
