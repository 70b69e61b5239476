"""The text in which a key store keeps a key ring."""

from typing import Any

from sm.canonical import Types, canonical_json, read_canonical_json, read_hex, read_members, read_time, write_time
from sm.errors import Malformed
from sm.keyring import KeyRing, KeyState, RingKey

_FORMAT = 1
_RING: Types = {"format": int, "keys": list}
_KEY: Types = {
    "kid": (int, str),
    "state": str,
    "public_key": str,
    "not_before": str,
    "not_after": str,
    "reference": str,
}


def write_ring(ring: KeyRing) -> bytes:
    """Write a ring; times are kept to the second."""
    return canonical_json({"format": _FORMAT, "keys": [_write_key(key) for key in ring.keys]})


def read_ring(given: bytes, kind: type[RingKey] = RingKey) -> KeyRing:
    """Read the text of `write_ring` into keys of one kind; raise Malformed, or what a ring says of its keys."""
    fields = read_canonical_json(given, _RING)
    if fields["format"] != _FORMAT:
        raise Malformed("a key ring of another format")
    return KeyRing(tuple(_read_key(key, kind) for key in fields["keys"]))


def _write_key(key: RingKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "state": str(key.state),
        "public_key": key.public_key.hex(),
        "not_before": write_time(key.not_before),
        "not_after": write_time(key.not_after),
        "reference": key.reference,
    }


def _read_key(given: Any, kind: type[RingKey]) -> RingKey:
    fields = read_members(given, _KEY)
    return kind(
        kid=fields["kid"],
        state=_read_state(fields["state"]),
        public_key=read_hex(fields["public_key"]),
        not_before=read_time(fields["not_before"]),
        not_after=read_time(fields["not_after"]),
        reference=fields["reference"],
    )


def _read_state(given: str) -> KeyState:
    try:
        return KeyState(given)
    except ValueError:
        raise Malformed("a key's state is unknown") from None
