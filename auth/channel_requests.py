"""Channels as callers: what the guard must know of one, and the limits that it shares with the one above it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from auth.errors import NonceSpent
from auth.signed_requests import Proven
from core.clock import to_millis
from core.database import Statement
from core.errors import Limited
from core.ground import Ground
from core.ids import is_id

_SEEN = Statement("SELECT 1 FROM signed_requests WHERE party = :party AND nonce = :nonce")
_FULL_SECONDS = 1.0
"""How long a worker refuses a channel that is over its limit without counting anew."""
_log = structlog.get_logger("auth.channels")

Standing = Literal["live", "carrying", "any"]
"""Which channels a route lets in: ``live`` ones; those ``carrying`` cards, made-up ones in the sandbox too; or ``any``
that may call, where nothing is about holders."""


@dataclass(frozen=True, slots=True)
class SigningChannel:
    """A channel with the one key that signed, as the register knows both.

    ``may_call`` and ``is_live`` are how it stands, with the first-tier channel ``above`` it; ``in_sandbox`` whether
    it has a sandbox: it stands there by itself and in effect. ``limits`` are the requests a minute of each channel for
    which its own count: itself, and the one above.
    """

    id: str
    above: str | None
    may_call: bool
    is_live: bool
    scopes: frozenset[str]
    algorithms: frozenset[str]
    limits: tuple[tuple[str, int], ...]
    serial: str
    public_key: bytes
    not_before: int
    not_after: int
    withdrawn_at: int | None
    in_sandbox: bool = False

    def stands(self, wanted: Standing) -> bool:
        """Tell whether it stands so that a route lets it in."""
        return wanted == "any" or self.is_live or (wanted == "carrying" and self.in_sandbox)

    def is_valid(self, at: datetime) -> bool:
        """Tell whether channel and key are good now; a key is good strictly before its end."""
        return self.may_call and self.withdrawn_at is None and self.not_before <= to_millis(at) < self.not_after


FindChannel = Callable[[str, str], SigningChannel | None]
"""Find a channel (id) with one of its certificates (serial); handed in, for the register lies above this package."""
LimitsOfClient = Callable[[str], Sequence[tuple[str, int]]]
"""List the channels for which a call with a token of an OAuth client counts, each with its requests a minute."""


class Channel(Proven[SigningChannel]):
    """A partner app that has proven this request; a second-tier one is told with the first-tier one above it."""

    @property
    def above(self) -> str | None:
        return self.party.above

    @property
    def serial(self) -> str:
        return self.party.serial

    @property
    def scopes(self) -> frozenset[str]:
        return self.party.scopes


class ChannelRegister:
    """Channels. Their requests are counted in the short memory that all workers share.

    The limit fails open as that memory does (trust.md): where it changes its store, counting begins anew. A request
    with a wrong signature counts for nobody, or whoever knows a channel's name could use up its limit.
    """

    def __init__(self, ground: Ground, find: FindChannel, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ground = ground
        self._find = find
        self._ticks = ticks
        self._full: dict[str, float] = {}

    def find(self, party: str, serial: str) -> SigningChannel | None:
        """Find a channel with one of its certificates."""
        return self._find(party, serial) if is_id(party, "chn") else None

    def require_worth_proving(self, party: SigningChannel, nonce: str) -> None:
        """Refuse a channel that is over its limit and a nonce that was seen, before anything is reckoned."""
        for channel, most in party.limits:
            if self._ticks() < self._full.get(channel, 0.0):
                raise _limited(channel, most)
        if self._ground.database.look(_SEEN, {"party": party.id, "nonce": nonce}):
            raise NonceSpent

    def count_proven(self, party: SigningChannel) -> None:
        """Count one more for the channel and for the one above it; raises ``Limited``."""
        for channel, most in party.limits:
            try:
                count_request(self._ground, channel, most)
            except Limited:
                self._full[channel] = self._ticks() + _FULL_SECONDS
                raise


def count_request(ground: Ground, channel: str, most: int) -> None:
    """Count one more request of a channel, signed or with a holder's token; raises ``Limited`` beyond ``most``."""
    if ground.ephemeral.count(f"channel_requests:{channel}", 60) > most:
        _log.warning("channel_over_limit", channel=channel)
        raise _limited(channel, most)


def _limited(channel: str, most: int) -> Limited:
    return Limited(f"{most} requests a minute for {channel}", retry_after=60)
