"""The keys with which the city signs its answers to channels, and news for them: a ring, each key with a certificate.

Channels fetch the certificates before they are used: the next one is published before it signs, a retired one after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sm.canonical import read_time, write_time
from sm.certificates.reading import Certificate, read_certificate
from sm.errors import KeyNotFound, KeyNotUsable
from sm.keyring import KeyRing, KeyState, RingKey, announce, rotate, start_ring, turned_by_date, withdraw
from sm.keystore import KeyStore
from sm.ring_document import read_ring, write_ring
from sm.sm2 import Provider, Signer

ANSWER_RING = "city/answer-ring"
ANSWER_SIGNING = "city/answer-signing/{kid}"
ANSWER_CERTIFICATE = "city/answer-signing/{kid}-certificate"
ANSWER_KEY_LIFE = timedelta(days=398)
RETIRED_LIFE = timedelta(days=7)  # news that could not be delivered is tried for three days

Issue = Callable[[bytes, datetime, datetime], Certificate]
"""Let the city certify an answer key: public key (64 bytes), from when, until when."""


@dataclass(frozen=True)
class AnswerKey:
    """One key of the ring with its certificate; channels know it by the certificate's serial number."""

    ring_key: RingKey
    certificate: Certificate

    @property
    def serial(self) -> str:
        """The certificate's serial number, in small hexadecimal digits."""
        return f"{self.certificate.serial:x}"


@dataclass(frozen=True)
class AnswerKeys:
    """The ring opened: the key that signs now, if one may, and all whose certificates are published."""

    signing: AnswerKey | None
    signer: Signer | None
    published: tuple[AnswerKey, ...]

    def require_signer(self) -> tuple[str, Signer]:
        """Give serial number and signer of the key that signs; raise KeyNotUsable where none may."""
        if self.signing is None or self.signer is None:
            raise KeyNotUsable("no answer key may sign now")
        return self.signing.serial, self.signer


def ensure_answer_ring(store: KeyStore, provider: Provider, now: datetime, lead: timedelta, issue: Issue) -> None:
    """Make the ring if it is missing: key 1 signs at once, key 2 is announced for `lead` from now."""
    if ANSWER_RING not in store.names():
        started = start_ring(_new_key(store, provider, 1, _whole_seconds(now), issue))
        _write(store, _announce_next(store, provider, started, now, lead, issue))


def answer_ring(store: KeyStore, at: datetime) -> KeyRing:
    """Read the ring as it stands at a moment: a current key that ends is followed without the ring being written."""
    return turned_by_date(read_ring(store.document(ANSWER_RING)), at, RETIRED_LIFE)


def answer_edition(store: KeyStore, at: datetime) -> bytes:
    """Name how the ring stands at a moment: dates begin and end without the ring being written."""
    keys = answer_ring(store, at).keys
    return " ".join(f"{key.kid} {key.state} {key.not_before <= at} {at < key.not_after}" for key in keys).encode()


def load_answer_keys(store: KeyStore, provider: Provider, now: datetime) -> AnswerKeys:
    """Open the ring; raise KeyNotFound where the store has none (`ecard keys init` makes it)."""
    ring = answer_ring(store, now)
    believed = [key for key in ring.keys if key.state is not KeyState.WITHDRAWN and now < key.not_after]
    published = tuple(AnswerKey(key, _certificate(store, key)) for key in believed)
    try:
        current = ring.get_for_signing(now)
    except (KeyNotFound, KeyNotUsable):  # withdrawn, and the next one's time has not come
        return AnswerKeys(None, None, published)
    signer = provider.signer(store.private_key(ANSWER_SIGNING.format(kid=current.kid)))
    return AnswerKeys(AnswerKey(current, _certificate(store, current)), signer, published)


def rotate_answer_keys(store: KeyStore, provider: Provider, now: datetime, lead: timedelta, issue: Issue) -> KeyRing:
    """Retire the current key, make the next one current and announce another for `lead` from now.

    Raises KeyNotUsable while the next key's time has not come: channels must have had time to fetch its certificate.
    """
    with store.writing():
        now = _whole_seconds(now)
        known = answer_ring(store, now)
        if any(key.state is KeyState.NEXT for key in known.keys):
            known = rotate(known, now, now + RETIRED_LIFE)
        return _write(store, _announce_next(store, provider, known, now, lead, issue))


def withdraw_answer_key(
    store: KeyStore, provider: Provider, kid: str, now: datetime, lead: timedelta, issue: Issue
) -> KeyRing:
    """Stop signing with a key and publishing its certificate; the next one takes over if its time has come."""
    with store.writing():
        now = _whole_seconds(now)
        left = withdraw(answer_ring(store, now), kid)
        coming = next((key for key in left.keys if key.state is KeyState.NEXT), None)
        if not any(key.state is KeyState.CURRENT for key in left.keys) and coming and coming.not_before <= now:
            left, coming = rotate(left, now, now + RETIRED_LIFE), None
        if coming is None:
            left = _announce_next(store, provider, left, now, lead, issue)
        return _write(store, left)


def _announce_next(
    store: KeyStore, provider: Provider, known: KeyRing, now: datetime, lead: timedelta, issue: Issue
) -> KeyRing:
    number = max(int(str(key.kid).rpartition("-")[2]) for key in known.keys) + 1
    coming = _new_key(store, provider, number, _whole_seconds(now) + lead, issue)
    return announce(known, coming, _whole_seconds(now))


def _new_key(store: KeyStore, provider: Provider, number: int, not_before: datetime, issue: Issue) -> RingKey:
    """Draw a key, unless a crash has left it, and have it certified; what is certified twice is the later one."""
    kid = f"answer-{number}"
    name, ends = ANSWER_SIGNING.format(kid=kid), not_before + ANSWER_KEY_LIFE
    if name not in store.names():
        store.create(name, "city", "sm2")
    public_key = provider.public_key_of(store.private_key(name))
    certificate = issue(public_key, not_before, ends)
    store.write_document(ANSWER_CERTIFICATE.format(kid=kid), "city", certificate.der)
    return RingKey(kid, KeyState.NEXT, public_key, not_before, ends, f"file:{name}")


def _certificate(store: KeyStore, key: RingKey) -> Certificate:
    return read_certificate(store.document(ANSWER_CERTIFICATE.format(kid=key.kid)))


def _write(store: KeyStore, ring: KeyRing) -> KeyRing:
    store.write_document(ANSWER_RING, "city", write_ring(ring))
    return ring


def _whole_seconds(moment: datetime) -> datetime:
    return read_time(write_time(moment))
