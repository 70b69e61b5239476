"""The card HSM as the service sees it: it checks and makes the symmetric proofs of cards, and keeps the root keys.

Nothing here can ask for a key. A card's keys are named by what they are derived from (`CardKeyReference`).
"""

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol

from physical.chip.atr import HISTORICAL_LENGTH
from physical.hsm_wire import ANSWER_BIT, HostCommand, Link, LinkBroken, Message, Outcome, open_link

_REGION = re.compile(r"\d{6}", re.ASCII)
_GENERATION = re.compile(r"\d\.\d", re.ASCII)
_AUTHENTICATION_LENGTH = 8
_ABSENT = "no card HSM is named: set ECARD_CARD_HSM"
_MAX_IDLE_LINKS = 8


class HsmError(Exception):
    """The root of what the HSM interface raises."""

    code: ClassVar[str] = "hsm_error"


class HsmUnavailable(HsmError):
    """No answer after all tries; the enrollment cannot go on, and trying later may help."""

    code = "hsm_unavailable"


class HsmRefused(HsmError):
    """The HSM answered that it will not do this; trying again does not help. The message is the HSM's reason."""

    code = "hsm_refused"


class CardNotAuthentic(HsmError):
    """The answer was not made by the card whose keys were named."""

    code = "card_not_authentic"


@dataclass(frozen=True, slots=True)
class CardKeyReference:
    """Names the keys of one card: specification generation ("3.0"), issuing region, the 13 historical bytes.

    Raises:
        ValueError: not of these shapes
    """

    generation: str
    region: str
    historical_bytes: bytes

    def __post_init__(self) -> None:
        if not _GENERATION.fullmatch(self.generation) or not _REGION.fullmatch(self.region):
            raise ValueError("a generation like 3.0 and six digits of a region are needed")
        if len(self.historical_bytes) != HISTORICAL_LENGTH:
            raise ValueError(f"a card has {HISTORICAL_LENGTH} historical bytes")


class ExternalAuthentication(NamedTuple):
    """What opens one card once: 8 bytes of proof over its challenge, and the 8 bytes of ours that went in."""

    authentication: bytes
    data: bytes


class HsmHealth(NamedTuple):
    """Which HSM answers, and for which environment its keys are."""

    name: str
    environment: str


class CardHsm(Protocol):
    """What the service asks of an HSM; every method may raise HsmUnavailable."""

    def verify_internal_authentication(
        self, card: CardKeyReference, challenge: bytes, unverified_answer: bytes
    ) -> None:
        """Return when `unverified_answer` is what this card answers to the 16 bytes of `challenge`.

        Raises:
            CardNotAuthentic: it is not
            HsmRefused: no such keys
        """
        ...

    def external_authentication(self, card: CardKeyReference, card_random: bytes) -> ExternalAuthentication:
        """Prove RK(SSSE) over the 8 random bytes of this card.

        Raises:
            HsmRefused: no such keys, or not 8 bytes
        """
        ...

    def health(self) -> HsmHealth:
        """Tell that the HSM is there and ready."""
        ...


@dataclass(slots=True)
class _Idle:
    """Open links that wait for the next command."""

    links: list[Link] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Link | None:
        with self.lock:
            return self.links.pop() if self.links else None

    def give_back(self, link: Link) -> None:
        with self.lock:
            if len(self.links) < _MAX_IDLE_LINKS:
                self.links.append(link)
                return
        link.close()

    def close_all(self) -> None:
        with self.lock:
            links, self.links = self.links, []
        for link in links:
            link.close()


class HostClient:
    """Commands to an HSM, with a time limit for each try and new tries over new links.

    Every command is a computation without effect, so repeating one is safe. Threads may share a client; links are
    opened at the first command, which must come after a fork.
    """

    def __init__(
        self,
        address: tuple[str, int],
        link_key: bytes,
        *,
        timeout: float = 2.0,
        retries: int = 2,
        rest: float = 2.0,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._address = address
        self._link_key = link_key
        self._timeout = timeout
        self._retries = retries
        self._randomness = randomness
        self._idle = _Idle()
        self._rest = rest
        self._away_until = 0.0

    def call(self, command: HostCommand, *fields: bytes) -> tuple[bytes, ...]:
        """Send one command and give the fields of its answer.

        Raises:
            HsmUnavailable: every try failed · HsmRefused · CardNotAuthentic
        """
        if time.monotonic() < self._away_until:
            raise HsmUnavailable("the HSM did not answer a moment ago")
        for _ in range(1 + self._retries):
            try:
                return _require_done(self._try(command, fields))
            except LinkBroken as error:
                failure = error
                self._idle.close_all()  # what broke one link has most often broken the others
        self._away_until = time.monotonic() + self._rest  # a silent HSM costs one caller its time-outs, not everybody
        raise HsmUnavailable(f"the HSM did not answer: {failure}") from failure

    def close(self) -> None:
        """Close all links."""
        self._idle.close_all()

    def _try(self, command: HostCommand, fields: tuple[bytes, ...]) -> tuple[bytes, ...]:
        link = self._idle.take() or open_link(self._address, self._link_key, self._timeout, self._randomness)
        try:
            answer = self._exchange(link, Message(command, self._randomness(8), fields))
        except LinkBroken:
            link.close()
            raise
        self._idle.give_back(link)
        return answer

    def _exchange(self, link: Link, message: Message) -> tuple[bytes, ...]:
        link.send(message)
        answer = link.receive(self._timeout)
        if answer.command != message.command | ANSWER_BIT or answer.request_id != message.request_id:
            raise LinkBroken("the answer belongs to another command")
        return answer.fields


def _require_done(fields: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if not fields:
        raise LinkBroken("an answer without outcome")
    outcome, *rest = fields
    if outcome == bytes((Outcome.DONE,)):
        return tuple(rest)
    if outcome == bytes((Outcome.NOT_AUTHENTIC,)):
        raise CardNotAuthentic("the card did not prove its key")
    if outcome == bytes((Outcome.REFUSED,)):
        raise HsmRefused(b" ".join(rest).decode("ascii", "replace"))
    raise LinkBroken("an answer with an unknown outcome")


class AbsentCardHsm:
    """No HSM was named: whoever needs none can work, enrollment is told that it must wait."""

    def verify_internal_authentication(
        self, _card: CardKeyReference, _challenge: bytes, _unverified_answer: bytes
    ) -> None:
        """Raise HsmUnavailable."""
        raise HsmUnavailable(_ABSENT)

    def external_authentication(self, _card: CardKeyReference, _card_random: bytes) -> ExternalAuthentication:
        """Raise HsmUnavailable."""
        raise HsmUnavailable(_ABSENT)

    def health(self) -> HsmHealth:
        """Raise HsmUnavailable."""
        raise HsmUnavailable(_ABSENT)


class RemoteCardHsm:
    """A `CardHsm` behind a `HostClient`."""

    def __init__(
        self, address: tuple[str, int], link_key: bytes, *, timeout: float = 2.0, retries: int = 2, rest: float = 2.0
    ) -> None:
        self._client = HostClient(address, link_key, timeout=timeout, retries=retries, rest=rest)

    def verify_internal_authentication(
        self, card: CardKeyReference, challenge: bytes, unverified_answer: bytes
    ) -> None:
        """Have the HSM compare; the right answer does not travel."""
        command = HostCommand.VERIFY_INTERNAL_AUTHENTICATION
        self._client.call(command, *_reference_fields(card), challenge, unverified_answer)

    def external_authentication(self, card: CardKeyReference, card_random: bytes) -> ExternalAuthentication:
        """Have the HSM prove RK(SSSE)."""
        command = HostCommand.EXTERNAL_AUTHENTICATION
        answer = self._client.call(command, *_reference_fields(card), card_random)
        if [len(part) for part in answer] != [_AUTHENTICATION_LENGTH, _AUTHENTICATION_LENGTH]:
            raise HsmUnavailable("the HSM gave an answer of another shape")
        return ExternalAuthentication(*answer)

    def health(self) -> HsmHealth:
        """Ask the HSM for its name and environment."""
        answer = self._client.call(HostCommand.HEALTH)
        if len(answer) != len(HsmHealth._fields):
            raise HsmUnavailable("the HSM gave an answer of another shape")
        return HsmHealth(*(part.decode("ascii", "replace") for part in answer))

    def close(self) -> None:
        """Close all links."""
        self._client.close()


def _reference_fields(card: CardKeyReference) -> tuple[bytes, bytes, bytes]:
    return card.generation.encode(), card.region.encode(), card.historical_bytes


def read_reference(unverified_fields: tuple[bytes, ...]) -> CardKeyReference:
    """Read generation, region and historical bytes as they came over the wire; raise ValueError."""
    generation, region, historical = unverified_fields
    return CardKeyReference(generation.decode("ascii"), region.decode("ascii"), historical)
