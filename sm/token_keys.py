"""The keys that sign tokens: one ring for each algorithm, its keys named `es256-1`, `sm2-1` and so on.

Both rings are always there: which of them signs is a setting of the deployment, and both are published.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from sm.canonical import read_time, write_time
from sm.errors import InvalidKey, KeyNotUsable
from sm.keyring import KeyRing, KeyState, RingKey, announce, rotate, start_ring, withdraw
from sm.keystore import KeyStore, Kind
from sm.ring_document import read_ring, write_ring
from sm.sm2 import FIELD_SIZE, Provider

TOKEN_KEY_LIFE = timedelta(days=730)
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
    """Where the ring of one algorithm lies and what its keys are."""

    algorithm: str
    prefix: str
    kind: Kind
    key_type: type[RingKey]

    @property
    def document(self) -> str:
        """The name of the ring in the key store."""
        return f"city/token-ring-{self.prefix}"

    def key_name(self, kid: int | str) -> str:
        """Name a private key of the ring in the key store."""
        return f"city/token-signing/{kid}"


ES256 = TokenRing("ES256", "es256", "p256", P256RingKey)
SM2 = TokenRing("SGD_SM3_SM2", "sm2", "sm2", RingKey)  # GM/T 0006, 0x00020201
TOKEN_RINGS = (ES256, SM2)


def ensure_token_rings(store: KeyStore, provider: Provider, now: datetime, lead: timedelta) -> None:
    """Make the rings that are missing: key 1 signs at once, key 2 is announced for `lead` from now."""
    for ring in TOKEN_RINGS:
        if ring.document not in store.names():
            started = start_ring(_new_key(store, provider, ring, 1, _whole_seconds(now)))
            _write(store, ring, _announce_next(store, provider, ring, started, now, lead))


def token_ring(store: KeyStore, ring: TokenRing) -> KeyRing:
    """Read the ring of one algorithm."""
    return read_ring(store.document(ring.document), ring.key_type)


def rotate_token_keys(store: KeyStore, provider: Provider, ring: TokenRing, now: datetime, lead: timedelta) -> KeyRing:
    """Retire the current key, make the next one current and announce another for `lead` from now.

    Raises KeyNotUsable while the next key's time has not come: those who verify must have had time to hear of it.
    """
    with store.writing():
        now = _whole_seconds(now)
        rotated = rotate(token_ring(store, ring), now, now + RETIRED_LIFE)
        return _write(store, ring, _announce_next(store, provider, ring, rotated, now, lead))


def withdraw_token_key(
    store: KeyStore, provider: Provider, ring: TokenRing, kid: str, now: datetime, lead: timedelta
) -> KeyRing:
    """Stop believing a key at once; the next one takes over if its time has come, else none signs until then."""
    with store.writing():
        now = _whole_seconds(now)
        left = withdraw(token_ring(store, ring), kid)
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


def _sm2_public_key(store: KeyStore, provider: Provider, name: str) -> bytes:
    return provider.public_key_of(store.private_key(name))


_PUBLIC_KEYS: dict[str, Callable[[KeyStore, Provider, str], bytes]] = {
    "p256": _p256_public_key,
    "sm2": _sm2_public_key,
}


def _write(store: KeyStore, ring: TokenRing, written: KeyRing) -> KeyRing:
    store.write_document(ring.document, "city", write_ring(written))
    return written


def _whole_seconds(moment: datetime) -> datetime:
    return read_time(write_time(moment))
