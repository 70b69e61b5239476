"""The key list: which keys sign codes, published so that terminals verify without the service.

The document is canonical JSON; the signature stands beside it, not in it, over exactly its bytes::

    {"certificates": [hex of DER, leaf first, …], "key_list": "{…}", "signature": hex of r ‖ s}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sm.canonical import canonical_json, read_canonical_json, read_hex
from sm.certificates import Trust, read_certificate
from sm.errors import InvalidCertificate, Malformed
from sm.keyring import KeyRing, KeyState, RingKey
from sm.sm2 import PrivateKey, Provider, Signer, Verifier

KEY_LIST_USER_ID = b"ESSC-KEYLIST-1"  # crypto.md, Interface: an own one for each further use
KEY_LIST_PURPOSE = "2.25.44499192356139229311710240007297468253"
"""Extended key usage of the certificate whose key signs key lists: a card's or a terminal's must not."""
FORMAT = "ESSC-KEY-LIST-1"
MAX_SIZE = 256 * 1024
MAX_KEYS = 256
MAX_CERTIFICATES = 4  # leaf, city, province, ministry
MAX_KID = 0xFFFF  # two bytes in a code: qr-code.md, B

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ENVELOPE: dict[str, type] = {"certificates": list, "key_list": str, "signature": str}
_DOCUMENT: dict[str, type] = {"format": str, "issued_at": str, "issuer": str, "keys": list}
_KEY: dict[str, type] = {"kid": int, "not_after": str, "not_before": str, "public_key": str, "state": str}


@dataclass(frozen=True, slots=True)
class UnverifiedKeyList:
    """A key list as it arrived: an envelope of the right form around bytes that nobody has looked at."""

    document: bytes
    signature: bytes
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeyList:
    """The keys of one issuer at one time, signed by it."""

    issuer: str
    issued_at: datetime
    ring: KeyRing


class Authority(Protocol):
    """Whose signature makes a key list good."""

    def get_verifier(self, unverified_certificates: Sequence[bytes], at: datetime) -> tuple[Verifier, str | None]:
        """Get what verifies the list, and the issuer it may speak for (None: any); raise SmError."""


class PinnedKey:
    """An authority whose public key the terminal was given by hand."""

    def __init__(self, provider: Provider, unverified_public_key: bytes, user_id: bytes = KEY_LIST_USER_ID) -> None:
        self._verifier = provider.verifier(unverified_public_key, user_id)

    def get_verifier(self, _unverified_certificates: Sequence[bytes], _at: datetime) -> tuple[Verifier, str | None]:
        """Get the pinned key's verifier, whatever certificates came along."""
        return self._verifier, None


class TrustedChain:
    """An authority proved by the certificates that come with the list; it speaks for its own common name only."""

    def __init__(
        self, provider: Provider, trust: Trust, purpose: str = KEY_LIST_PURPOSE, user_id: bytes = KEY_LIST_USER_ID
    ) -> None:
        self._provider = provider
        self._trust = trust
        self._purpose = purpose
        self._user_id = user_id

    def get_verifier(self, unverified_certificates: Sequence[bytes], at: datetime) -> tuple[Verifier, str | None]:
        """Verify the chain up to a root and get its leaf's verifier; raise InvalidCertificate or Malformed.

        No revocation list reaches a terminal: a credential key that is lost is replaced by pinning another.
        """
        if not unverified_certificates:
            raise InvalidCertificate("certificate_missing", "what was signed came without certificates")
        leaf, *intermediates = [read_certificate(der) for der in unverified_certificates]
        proved = self._trust.verify_chain(leaf, intermediates, at, purpose=self._purpose)
        return self._provider.verifier(proved.public_key, self._user_id), proved.subject_common_name


def open_key_list_signer(provider: Provider, private_key: PrivateKey) -> Signer:
    """Prepare the city's credential key to sign key lists."""
    return provider.signer(private_key, KEY_LIST_USER_ID)


def build_key_list(
    ring: KeyRing, signer: Signer, *, issuer: str, issued_at: datetime, certificates: Sequence[bytes] = ()
) -> bytes:
    """Write and sign the key list, withdrawn keys included; the answer of ``GET /v1/verification-keys``, byte for byte.

    ``issuer`` is the common name of the first of ``certificates`` (DER, leaf first). Times are told in whole seconds.
    """
    keys = [_key_fields(key) for key in ring.keys]
    document = canonical_json({"format": FORMAT, "issued_at": _time(issued_at), "issuer": issuer, "keys": keys})
    envelope = {
        "certificates": [der.hex() for der in certificates],
        "key_list": document.decode("ascii"),
        "signature": signer.sign(document).hex(),
    }
    return canonical_json(envelope)


def read_key_list(given: bytes) -> UnverifiedKeyList:
    """Read the envelope; raise Malformed. Line ends after it are forgiven: editors and shells add them."""
    if len(given) > MAX_SIZE:
        raise Malformed("the key list is too long")
    envelope = read_canonical_json(given.rstrip(b"\r\n"), _ENVELOPE)
    certificates = envelope["certificates"]
    if len(certificates) > MAX_CERTIFICATES or any(type(item) is not str for item in certificates):
        raise Malformed("not a chain of certificates")
    return UnverifiedKeyList(
        document=envelope["key_list"].encode("utf-8", "surrogatepass"),
        signature=read_hex(envelope["signature"]),
        certificates=tuple(read_hex(item) for item in certificates),
    )


def verify_key_list(unverified: UnverifiedKeyList, authority: Authority, at: datetime) -> KeyList:
    """Prove who signed the list, then read it.

    Raises InvalidSignature, InvalidCertificate (also for another issuer than the certificate's), Malformed.
    """
    verifier, speaks_for = authority.get_verifier(unverified.certificates, at)
    verifier.verify(unverified.document, unverified.signature)
    key_list = _read_document(unverified.document)
    if speaks_for is not None and speaks_for != key_list.issuer:
        raise InvalidCertificate("certificate_issuer", "the certificate is not that of the list's issuer")
    return key_list


def _read_document(document: bytes) -> KeyList:
    fields = read_canonical_json(document, _DOCUMENT)
    if fields["format"] != FORMAT or len(fields["keys"]) > MAX_KEYS:
        raise Malformed("another format, or too many keys")
    ring = KeyRing(tuple(_read_key(item) for item in fields["keys"]))
    return KeyList(fields["issuer"], _read_time(fields["issued_at"]), ring)


def _key_fields(key: RingKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "not_after": _time(key.not_after),
        "not_before": _time(key.not_before),
        "public_key": key.public_key.hex(),
        "state": key.state.value,
    }


def _read_key(given: Any) -> RingKey:
    if not isinstance(given, dict) or {name: type(value) for name, value in given.items()} != _KEY:
        raise Malformed("not the members of a key")
    if not 0 <= given["kid"] <= MAX_KID or given["state"] not in set(KeyState):
        raise Malformed("no such kid or state")
    return RingKey(
        kid=given["kid"],
        state=KeyState(given["state"]),
        public_key=read_hex(given["public_key"]),
        not_before=_read_time(given["not_before"]),
        not_after=_read_time(given["not_after"]),
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_TIME)


def _read_time(given: str) -> datetime:
    try:
        moment = datetime.strptime(given, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("not a time") from None
    if _time(moment) != given:
        raise Malformed("a time in another spelling")
    return moment
