"""The keys that sign tokens: one ring for each algorithm and each kind of caller, its keys named `es256-1` and so on.

Clients and phones have rings of their own, so that neither's tokens pass for the other's. All rings are always there:
which algorithm signs is a setting of the deployment. A ring turns when operators say so, or by its dates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sm.canonical import read_time, write_time
from sm.errors import InvalidKey, KeyNotUsable
from sm.keyring import (
    KeyRing,
    KeyState,
    RingKey,
    announce,
    end_current,
    rotate,
    start_ring,
    turned_by_date,
    withdraw,
)
from sm.keystore import KeyStore, Kind
from sm.ring_document import read_ring, write_ring
from sm.sm2 import FIELD_SIZE, Provider

TOKEN_KEY_LIFE = timedelta(days=730)
PUBLISHED_LIFE = timedelta(minutes=5)  # how long others may keep the public keys that they fetched
RETIRED_LIFE = timedelta(minutes=15)  # a token lives for 10 minutes at most; workers and clocks have the rest


@dataclass(frozen=True, slots=True)
class P256RingKey(RingKey):
    """A key of a ring on P-256; 64 bytes x ‖ y as on the SM2 curve."""

    def require_public_key(self) -> None:
        """Raise InvalidKey unless the public key is a point of P-256."""
        try:
            open_p256(self.public_key)
        except ValueError as error:
            raise InvalidKey("the public key is not a point of P-256") from error


@dataclass(frozen=True)
class TokenRing:
    """Where the ring of one algorithm lies and what its keys are; ``family`` is what they sign."""

    algorithm: str
    prefix: str
    kind: Kind
    key_type: type[RingKey]
    family: str = "token"

    @property
    def document(self) -> str:
        """The name of the ring in the key store."""
        return f"city/{self.family}-ring-{self.prefix}"

    def key_name(self, kid: int | str) -> str:
        """Name a private key of the ring in the key store."""
        return f"city/{self.family}-signing/{kid}"


ES256 = TokenRing("ES256", "es256", "p256", P256RingKey)
SM2 = TokenRing("SGD_SM3_SM2", "sm2", "sm2", RingKey)  # GM/T 0006, 0x00020201
CLIENT_RINGS = (ES256, SM2)
PHONE_ES256 = TokenRing("ES256", "phone-es256", "p256", P256RingKey)
PHONE_SM2 = TokenRing("SGD_SM3_SM2", "phone-sm2", "sm2", RingKey)
PHONE_RINGS = (PHONE_ES256, PHONE_SM2)
TOKEN_RINGS = (*CLIENT_RINGS, *PHONE_RINGS)


def ensure_rings(
    store: KeyStore, provider: Provider, rings: Sequence[TokenRing], now: datetime, lead: timedelta
) -> None:
    """Make the rings that are missing: key 1 signs at once, key 2 is announced for `lead` from now."""
    for ring in rings:
        if ring.document not in store.names():
            started = start_ring(_new_key(store, provider, ring, 1, _whole_seconds(now)))
            _write(store, ring, _announce_next(store, provider, ring, started, now, lead))


def token_ring(store: KeyStore, ring: TokenRing) -> KeyRing:
    """Read the ring of one algorithm, as it was written; `as_of` tells how it stands at a moment."""
    return read_ring(store.document(ring.document), ring.key_type)


def as_of(ring: KeyRing, at: datetime) -> KeyRing:
    """Give a ring of tokens as it stands at a moment: what its dates say counts without the ring being written."""
    return turned_by_date(ring, at, RETIRED_LIFE)


def find_token_ring(kid: str, rings: Sequence[TokenRing] = TOKEN_RINGS) -> TokenRing | None:
    """Find the ring to which a kid belongs, by its name."""
    return next((ring for ring in rings if kid.rpartition("-")[0] == ring.prefix), None)


def rotate_token_keys(store: KeyStore, provider: Provider, ring: TokenRing, now: datetime, lead: timedelta) -> KeyRing:
    """Retire the current key, make the next one current and announce another for `lead` from now.

    After a turn by date there is no next key: then one is announced and nothing else happens. Raises KeyNotUsable while
    the next key's time has not come: those who verify must have had time to hear of it.
    """
    with store.writing():
        now = _whole_seconds(now)
        known = as_of(token_ring(store, ring), now)
        if any(key.state is KeyState.NEXT for key in known.keys):
            known = rotate(known, now, now + RETIRED_LIFE)
        return _write(store, ring, _announce_next(store, provider, ring, known, now, lead))


def schedule_token_keys(store: KeyStore, ring: TokenRing, now: datetime, turns_at: datetime) -> KeyRing:
    """Let the next key take over at a date: the current one then ends `RETIRED_LIFE` later.

    Raises KeyNotFound without a next key, KeyNotUsable where one of the two keys' dates does not allow it.
    """
    with store.writing():
        known, turns_at = as_of(token_ring(store, ring), _whole_seconds(now)), _whole_seconds(turns_at)
        current = known.current()
        rotate(known, turns_at, turns_at + RETIRED_LIFE)
        if not now < turns_at <= current.not_before + TOKEN_KEY_LIFE - RETIRED_LIFE:
            raise KeyNotUsable("a ring turns in the future, and while its current key may live")
        return _write(store, ring, end_current(known, turns_at + RETIRED_LIFE))


def withdraw_token_key(
    store: KeyStore, provider: Provider, ring: TokenRing, kid: str, now: datetime, lead: timedelta
) -> KeyRing:
    """Stop believing a key at once; the next one takes over if its time has come, else none signs until then."""
    with store.writing():
        now = _whole_seconds(now)
        left = withdraw(as_of(token_ring(store, ring), now), kid)
        if not any(key.state is KeyState.CURRENT for key in left.keys):
            left = _promote(left, now)
        if not any(key.state is KeyState.NEXT for key in left.keys):
            left = _announce_next(store, provider, ring, left, now, lead)
        return _write(store, ring, left)


def open_p256(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """Open 64 bytes x ‖ y as a key of P-256; raises ValueError."""
    if len(public_key) != 2 * FIELD_SIZE:
        raise ValueError("a public key is 64 bytes x, y")
    x, y = public_key[:FIELD_SIZE], public_key[FIELD_SIZE:]
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    return numbers.public_key()


def open_p256_private(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    """Open the 32 bytes of a private scalar of P-256."""
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def _promote(ring: KeyRing, now: datetime) -> KeyRing:
    try:
        return rotate(ring, now, now + RETIRED_LIFE)
    except KeyNotUsable:
        return ring


def _announce_next(
    store: KeyStore, provider: Provider, ring: TokenRing, known: KeyRing, now: datetime, lead: timedelta
) -> KeyRing:
    number = max(int(str(key.kid).rpartition("-")[2]) for key in known.keys) + 1
    return announce(known, _new_key(store, provider, ring, number, _whole_seconds(now) + lead), _whole_seconds(now))


def _new_key(store: KeyStore, provider: Provider, ring: TokenRing, number: int, not_before: datetime) -> RingKey:
    kid = f"{ring.prefix}-{number}"
    name = ring.key_name(kid)
    if name not in store.names():
        store.create(name, "city", ring.kind)
    public_key = _PUBLIC_KEYS[ring.kind](store, provider, name)
    end = not_before + TOKEN_KEY_LIFE
    return ring.key_type(kid, KeyState.NEXT, public_key, not_before, end, f"file:{name}")


def _p256_public_key(store: KeyStore, _provider: Provider, name: str) -> bytes:
    numbers = open_p256_private(store.p256_scalar(name)).public_key().public_numbers()
    return numbers.x.to_bytes(FIELD_SIZE, "big") + numbers.y.to_bytes(FIELD_SIZE, "big")


def _ed25519_public_key(store: KeyStore, _provider: Provider, name: str) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(store.ed25519_seed(name)).public_key().public_bytes_raw()


def _sm2_public_key(store: KeyStore, provider: Provider, name: str) -> bytes:
    return provider.public_key_of(store.private_key(name))


_PUBLIC_KEYS: dict[str, Callable[[KeyStore, Provider, str], bytes]] = {
    "p256": _p256_public_key,
    "ed25519": _ed25519_public_key,
    "sm2": _sm2_public_key,
}


def _write(store: KeyStore, ring: TokenRing, written: KeyRing) -> KeyRing:
    store.write_document(ring.document, "city", write_ring(written))
    return written


def _whole_seconds(moment: datetime) -> datetime:
    return read_time(write_time(moment))
