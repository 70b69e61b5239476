"""Requests signed with SM2: one verifier for whoever signs, terminals and channels, in whatever form they do it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import Generic, Protocol, TypeVar

from sqlalchemy.engine import Connection

from auth.errors import NonceSpent, SignatureStale, SignatureWrong
from auth.parties import Party, find_party
from auth.signed_forms.header import read_header_form
from auth.signed_forms.received import UnverifiedRequest
from core.clock import to_millis
from core.database import Statement
from core.errors import Limited
from core.ground import Ground
from core.ids import is_id
from sm.digest import sm3
from sm.errors import SmError
from sm.sm2 import Provider, Verifier

CLOCK_SECONDS = 300
"""How far a signer's clock may be off, both ways."""
_PARTY_SECONDS = 0.5
"""How long a worker trusts what it read of a party: a withdrawn key is refused everywhere within this time."""
_MOST_REMEMBERED = 50_000

REMEMBER = (
    "INSERT INTO signed_requests (party, nonce, serial, algorithm, base_sm3, signature, signed_at, received_at)"
    " VALUES (:proof_party, :proof_nonce, :proof_serial, :proof_algorithm, :proof_sm3, :proof_signature,"
    " :proof_signed, :proof_received) ON CONFLICT DO NOTHING RETURNING 1"
)
_REMEMBER = Statement(REMEMBER)


class SigningParty(Protocol):
    """Whoever signs, with the one key that signed."""

    @property
    def id(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    def is_valid(self, at: datetime) -> bool:
        """Tell whether party and key are good at this moment."""
        ...


Signing = TypeVar("Signing", bound=SigningParty)


class Register(Protocol[Signing]):
    """Where one kind of party is registered, and what it is held to."""

    def find(self, party: str, serial: str) -> Signing | None:
        """Find a party with one of its keys; None also for what has not the shape of their names."""
        ...

    def require_worth_proving(self, party: Signing, nonce: str) -> None:
        """Refuse what can be refused before the signature is looked at; what is said here, anybody may have sent."""
        ...

    def count_proven(self, party: Signing) -> None:
        """Count a request whose signature is right; raises ``Limited`` beyond the party's limit."""
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves later that this party sent this request; the nonce is spent when it is stored."""

    party: str
    nonce: str
    serial: str
    algorithm: str
    base_sm3: str
    signature: str
    signed_at: int
    received_at: int

    def values(self) -> dict[str, object]:
        """Give the values of ``REMEMBER``."""
        return {
            "proof_party": self.party,
            "proof_nonce": self.nonce,
            "proof_serial": self.serial,
            "proof_algorithm": self.algorithm,
            "proof_sm3": self.base_sm3,
            "proof_signature": self.signature,
            "proof_signed": self.signed_at,
            "proof_received": self.received_at,
        }


@dataclass(frozen=True, slots=True)
class Proven(Generic[Signing]):
    """A party that has proven this request."""

    party: Signing
    evidence: Evidence

    @property
    def id(self) -> str:
        return self.party.id


class Terminal(Proven[Party]):
    """A terminal that has proven this request."""


class TerminalRegister:
    """Terminals. The proven requests of each are counted in this process, minute by minute.

    A limit for callers who are known: it is kept in memory, so every worker process has its own.
    """

    def __init__(self, ground: Ground) -> None:
        self._database = ground.database
        self._most = ground.settings.terminal_requests_per_minute
        self._minute = 0
        self._counts: dict[str, int] = {}

    def find(self, party: str, serial: str) -> Party | None:
        """Find a terminal with one of its keys."""
        if not is_id(party, "trm") or not is_id(serial, "key"):
            return None
        return find_party(self._database, party, serial)

    def require_worth_proving(self, party: Party, nonce: str) -> None:
        """Ask nothing: a look for the nonce would cost a terminal at a till more than it spares."""

    def count_proven(self, party: Party) -> None:
        """Count one more; raises ``Limited`` beyond the limit."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        self._counts[party.id] = self._counts.get(party.id, 0) + 1
        if self._counts[party.id] > self._most:
            raise Limited(f"{self._most} requests a minute for each terminal", retry_after=60)


class SignedRequests(Generic[Signing]):
    """Checks signed requests, cheap checks first: grammar, clock, party, limit, nonce, SM2; the nonce is spent last.

    The clock comes before the party, so that a stale signature tells nobody which parties exist. ``ticks`` are seconds
    that never go back: with them a worker measures how long it may trust what it read of a party.
    """

    def __init__(
        self,
        ground: Ground,
        provider: Provider,
        register: Register[Signing],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ground = ground
        self._register = register
        self._ticks = ticks
        self._known: dict[tuple[str, str], tuple[float, Signing]] = {}
        self._lock = Lock()
        self._verifier = lru_cache(maxsize=10_000)(provider.verifier)

    def verify_request(self, given: str | None, method: str, target: str, body: bytes) -> Proven[Signing]:
        """Check a request that is signed in its Authorization header; raises a refusal of ``auth.errors``."""
        return self.verify(read_header_form(given, method, target, body))

    def verify(self, unverified: UnverifiedRequest) -> Proven[Signing]:
        """Check a request in whatever form it was signed; raises a refusal of ``auth.errors``, or ``Limited``."""
        now = self._ground.clock()
        if abs(now.timestamp() - unverified.timestamp) > CLOCK_SECONDS:
            raise SignatureStale(extra={"server_time": int(now.timestamp())})
        party = self._get_party(unverified, now)
        self._register.require_worth_proving(party, unverified.nonce)
        self._verify_signature(party, unverified)
        self._register.count_proven(party)
        return Proven(party, _evidence(unverified, now))

    def _verify_signature(self, party: Signing, unverified: UnverifiedRequest) -> None:
        verifier: Verifier = self._verifier(party.public_key)
        try:
            verifier.verify(unverified.base, unverified.signature)
        except SmError as error:
            raise SignatureWrong from error

    def _get_party(self, unverified: UnverifiedRequest, now: datetime) -> Signing:
        party = self._find_party(unverified.app, unverified.serial)
        if party is None or not party.is_valid(now):
            # one answer for unknown, suspended and withdrawn: nobody learns which ids exist
            raise SignatureWrong
        return party

    def _find_party(self, party_id: str, serial: str) -> Signing | None:
        known = self._known.get((party_id, serial))
        if known and self._ticks() < known[0]:
            return known[1]
        party = self._register.find(party_id, serial)
        if party is not None:
            self._keep(party_id, serial, party)
        return party

    def _keep(self, party_id: str, serial: str, party: Signing) -> None:
        with self._lock:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            self._known[party_id, serial] = (self._ticks() + _PARTY_SECONDS, party)


def spend_nonce(connection: Connection, evidence: Evidence) -> None:
    """Store the evidence in the running transaction; raises ``NonceSpent`` for a request that was seen before."""
    if not _REMEMBER.run(connection, evidence.values()):
        raise NonceSpent


def _evidence(unverified: UnverifiedRequest, now: datetime) -> Evidence:
    return Evidence(
        party=unverified.app,
        nonce=unverified.nonce,
        serial=unverified.serial,
        algorithm=unverified.algorithm,
        base_sm3=sm3(unverified.base).hex(),
        signature=unverified.signature.hex(),
        signed_at=unverified.timestamp * 1000,
        received_at=to_millis(now),
    )
