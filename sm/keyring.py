"""Which key signs and which keys verify: rings whose keys go next → current → retired, or withdrawn at any time.

A ring never changes; each act gives a new one. What may be done with a key follows from its state and its dates.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sm.errors import KeyExists, KeyNotFound, KeyNotUsable, Malformed
from sm.sm2 import read_public_key

Kid = int | str


class KeyState(StrEnum):
    """A key's place in its ring."""

    NEXT = "next"  # published so that verifiers know it before anything is signed with it
    CURRENT = "current"  # signs
    RETIRED = "retired"  # signs no more, verifies until its end
    WITHDRAWN = "withdrawn"  # signs and verifies nothing, ever


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key of a ring, valid from `not_before` until strictly before `not_after` (aware times)."""

    kid: Kid
    state: KeyState
    public_key: bytes
    not_before: datetime
    not_after: datetime
    reference: str = ""  # where the private key lies (`file:name`); empty in a ring that only verifies

    def __post_init__(self) -> None:
        if self.not_before.tzinfo is None or self.not_after.tzinfo is None:
            raise Malformed("a key's dates need a time zone")
        if self.not_before >= self.not_after:
            raise Malformed("a key ends before it begins")
        self.require_public_key()

    def require_public_key(self) -> None:
        """Raise InvalidKey unless the public key is a point of the curve that this kind of key is on."""
        read_public_key(self.public_key)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by kid: at most one current and one next; a kid is never used twice, nor a key under two kids."""

    keys: tuple[RingKey, ...] = ()

    def __post_init__(self) -> None:
        if len({key.kid for key in self.keys}) != len(self.keys):
            raise KeyExists("a kid stands twice in the ring")
        if len({key.public_key for key in self.keys}) != len(self.keys):
            raise KeyExists("a key stands under two kids")
        for state in (KeyState.NEXT, KeyState.CURRENT):
            if sum(key.state is state for key in self.keys) > 1:
                raise Malformed(f"more than one {state} key")

    def current(self) -> RingKey:
        """Give the key that signs; raise KeyNotFound when there is none."""
        key = _find_state(self, KeyState.CURRENT)
        if key is None:
            raise KeyNotFound("the ring has no current key")
        return key

    def find(self, kid: Kid) -> RingKey | None:
        """Give the key of this kid in whatever state, or None."""
        return next((key for key in self.keys if key.kid == kid), None)

    def get_for_signing(self, at: datetime) -> RingKey:
        """Give the current key if its dates allow signing now; raise KeyNotFound or KeyNotUsable."""
        return _require_in_dates(self.current(), at)

    def get_for_verifying(self, kid: Kid, at: datetime) -> RingKey:
        """Give the key under which something signed may still be believed; raise KeyNotFound or KeyNotUsable.

        A next key counts too: another process may have rotated a moment before this one heard of it.
        """
        key = self.find(kid)
        if key is None:
            raise KeyNotFound("the ring has no key of this kid")
        if key.state is KeyState.WITHDRAWN:
            raise KeyNotUsable("the key is withdrawn")
        return _require_in_dates(key, at)


def start_ring(key: RingKey) -> KeyRing:
    """Begin a ring with its first key, current at once: there is no verifier yet that must hear of it before."""
    return KeyRing((replace(key, state=KeyState.CURRENT),))


def announce(ring: KeyRing, key: RingKey, at: datetime) -> KeyRing:
    """Publish the next key. Its `not_before` lies ahead: that is the time verifiers have to fetch it.

    Raises KeyExists for a kid or key that the ring knows, KeyNotUsable when one waits already or starts too early.
    """
    if _find_state(ring, KeyState.NEXT) is not None:
        raise KeyNotUsable("a next key waits already")
    if key.not_before <= at:
        raise KeyNotUsable("a key must be published before its first use")
    return KeyRing((*ring.keys, replace(key, state=KeyState.NEXT)))


def rotate(ring: KeyRing, at: datetime, retired_until: datetime) -> KeyRing:
    """Make the next key current and retire the current one, which verifies until `retired_until` and no longer.

    Raises KeyNotFound without a next key, KeyNotUsable when its dates do not allow it yet, or no longer.
    """
    coming = _find_state(ring, KeyState.NEXT)
    if coming is None:
        raise KeyNotFound("the ring has no next key: announce one first")
    _require_in_dates(coming, at)
    return KeyRing(tuple(_rotated(key, retired_until) for key in ring.keys))


def end_current(ring: KeyRing, until: datetime) -> KeyRing:
    """Set the date at which the current key ends; raise KeyNotFound, or Malformed for a date before its beginning."""
    ending = ring.current()
    return KeyRing(tuple(replace(key, not_after=until) if key is ending else key for key in ring.keys))


def turned_by_date(ring: KeyRing, at: datetime, overlap: timedelta) -> KeyRing:
    """Give a ring as it stands at a moment: `overlap` before the current key ends, the next one takes over by itself.

    What was signed last is so believed for `overlap`. A ring without a next key whose time has come stays as it is.
    """
    current, coming = _find_state(ring, KeyState.CURRENT), _find_state(ring, KeyState.NEXT)
    if current is None or coming is None or at < current.not_after - overlap:
        return ring
    if not coming.not_before <= at < coming.not_after:
        return ring
    return rotate(ring, at, current.not_after)


def withdraw(ring: KeyRing, kid: Kid) -> KeyRing:
    """Stop believing a key, whatever its state; raise KeyNotFound. Without a current key nothing is signed."""
    if ring.find(kid) is None:
        raise KeyNotFound("the ring has no key of this kid")
    return KeyRing(tuple(replace(key, state=KeyState.WITHDRAWN) if key.kid == kid else key for key in ring.keys))


def _rotated(key: RingKey, retired_until: datetime) -> RingKey:
    if key.state is KeyState.NEXT:
        return replace(key, state=KeyState.CURRENT)
    if key.state is KeyState.CURRENT:
        return replace(key, state=KeyState.RETIRED, not_after=min(key.not_after, retired_until))
    return key


def _find_state(ring: KeyRing, state: KeyState) -> RingKey | None:
    return next((key for key in ring.keys if key.state is state), None)


def _require_in_dates(key: RingKey, at: datetime) -> RingKey:
    if not key.not_before <= at < key.not_after:
        raise KeyNotUsable("the key is not valid at this time")
    return key
