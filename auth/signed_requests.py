"""Requests signed with SM2 (ESSC-SM2-SM3): terminals today, partners later."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from sqlalchemy.engine import Connection

from auth.errors import NonceSpent, SignatureMissing, SignatureStale, SignatureWrong
from auth.parties import Party, find_party
from core.clock import to_millis
from core.database import Statement
from core.errors import Limited
from core.ground import Ground
from core.ids import is_id
from sm.digest import sm3
from sm.errors import SmError
from sm.signed_request import SignedHeader, base_string, read_header
from sm.sm2 import Provider, Verifier

CLOCK_SECONDS = 300
"""How far a signer's clock may be off, both ways."""
_PARTY_SECONDS = 0.5
"""How long a worker trusts what it read of a party: a withdrawn key is refused everywhere within this time."""

REMEMBER = (
    "INSERT INTO signed_requests (party, nonce, serial, base_sm3, signature, signed_at, received_at)"
    " VALUES (:proof_party, :proof_nonce, :proof_serial, :proof_sm3, :proof_signature, :proof_signed, :proof_received)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
_REMEMBER = Statement(REMEMBER)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves later that this party sent this request; the nonce is spent when it is stored."""

    party: str
    nonce: str
    serial: str
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
            "proof_sm3": self.base_sm3,
            "proof_signature": self.signature,
            "proof_signed": self.signed_at,
            "proof_received": self.received_at,
        }


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal that has proven this request."""

    party: Party
    evidence: Evidence

    @property
    def id(self) -> str:
        return self.party.id


class _Windows:
    """Counts the proven requests of each terminal in this process, minute by minute.

    A limit for callers who are known: it is kept in memory, so every worker process has its own.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, party: str) -> None:
        """Count one more; raises ``Limited`` beyond the limit."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        self._counts[party] = self._counts.get(party, 0) + 1
        if self._counts[party] > self._most:
            raise Limited(f"{self._most} requests a minute for each terminal", retry_after=60)


class SignedRequests:
    """Checks signed requests, cheap checks first: grammar, clock, party, SM2; the nonce is spent last.

    The clock comes before the party, so that a stale signature tells nobody which parties exist. ``ticks`` are seconds
    that never go back: with them a worker measures how long it may trust what it read of a party.
    """

    def __init__(self, ground: Ground, provider: Provider, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ground = ground
        self._ticks = ticks
        self._known: dict[tuple[str, str], tuple[float, Party]] = {}
        self._lock = Lock()
        self._windows = _Windows(ground.settings.terminal_requests_per_minute)
        self._verifier = lru_cache(maxsize=10_000)(provider.verifier)

    def verify_request(self, given: str | None, method: str, target: str, body: bytes) -> Terminal:
        """Check a request's Authorization header; raises a refusal of ``auth.errors``."""
        header = _read(given)
        now = self._ground.clock()
        if abs(now.timestamp() - header.timestamp) > CLOCK_SECONDS:
            raise SignatureStale(extra={"server_time": int(now.timestamp())})
        party = self._get_party(header)
        base = _base(header, method, target, body)
        self._verify(party, base, header.signature)
        self._windows.count(party.id)
        evidence = Evidence(
            party=party.id,
            nonce=header.nonce,
            serial=header.serial_no,
            base_sm3=sm3(base).hex(),
            signature=header.signature.hex(),
            signed_at=header.timestamp * 1000,
            received_at=to_millis(now),
        )
        return Terminal(party, evidence)

    def _verify(self, party: Party, base: bytes, signature: bytes) -> None:
        verifier: Verifier = self._verifier(party.public_key)
        try:
            verifier.verify(base, signature)
        except SmError as error:
            raise SignatureWrong from error

    def _get_party(self, header: SignedHeader) -> Party:
        party = self._find_party(header.app_id, header.serial_no)
        if party is None or not party.is_valid(self._ground.clock()):
            # one answer for unknown, suspended and withdrawn: nobody learns which ids exist
            raise SignatureWrong
        return party

    def _find_party(self, party_id: str, serial: str) -> Party | None:
        if not is_id(party_id, "trm") or not is_id(serial, "key"):
            return None
        known = self._known.get((party_id, serial))
        if known and self._ticks() < known[0]:
            return known[1]
        party = find_party(self._ground.database, party_id, serial)
        if party is not None:
            self._keep(party_id, serial, party)
        return party

    def _keep(self, party_id: str, serial: str, party: Party) -> None:
        with self._lock:
            if len(self._known) > 50_000:
                self._known.clear()
            self._known[party_id, serial] = (self._ticks() + _PARTY_SECONDS, party)


def spend_nonce(connection: Connection, evidence: Evidence) -> None:
    """Store the evidence in the running transaction; raises ``NonceSpent`` for a request that was seen before."""
    if not _REMEMBER.run(connection, evidence.values()):
        raise NonceSpent


def _base(header: SignedHeader, method: str, target: str, body: bytes) -> bytes:
    try:
        return base_string(method, target, header.timestamp, header.nonce, body)
    except SmError as error:  # an address that no request line may carry
        raise SignatureWrong(str(error)) from error


def _read(given: str | None) -> SignedHeader:
    if not given:
        raise SignatureMissing
    try:
        return read_header(given)
    except SmError as error:
        raise SignatureMissing(str(error)) from error
