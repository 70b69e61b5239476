"""What the key commands show: names, states and public parts, never a secret."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sm.answer_keys import ANSWER_RING, answer_ring
from sm.canonical import write_time
from sm.ceremony_log import Record
from sm.certificates import read_certificate
from sm.city_keys import CITY_KEYS, CODE_RING, SIGNING_RINGS, code_ring
from sm.der import export_spki, write_pem
from sm.errors import Malformed
from sm.keyring import KeyRing, KeyState
from sm.keystore import Entry, KeyStore
from sm.news_keys import NEWS_RINGS
from sm.sm2 import Provider
from sm.token_keys import CLIENT_RINGS, RETIRED_LIFE, TokenRing, as_of, token_ring

_CERTIFICATE = "-certificate"


def list_lines(store: KeyStore, at: datetime) -> Iterator[str]:
    """List all entries with level, kind and purpose, then the rings as they stand at a moment."""
    purposes = {key.name: key.purpose for key in CITY_KEYS}
    entries = [store.entry(name) for name in store.names()]
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        line = f"{entry.name:{width}}  {entry.level:8}  {entry.kind:8}  {purposes.get(entry.name, '')}"
        yield line.rstrip()
    present = {entry.name for entry in entries}
    if CODE_RING in present:
        yield ""
        yield from ring_lines(code_ring(store))
    if ANSWER_RING in present:
        yield ""
        yield from answer_ring_lines(store, at)
    for ring in SIGNING_RINGS:
        if ring.document in present:
            yield ""
            yield from token_ring_lines(store, ring, at)


def ring_lines(ring: KeyRing, title: str = "code key") -> Iterator[str]:
    """List the keys of a ring with their states and dates."""
    width = max(len(title), *(len(str(key.kid)) for key in ring.keys))
    yield f"{title:>{width}}  state      from                  until"
    for key in ring.keys:
        yield f"{key.kid:>{width}}  {key.state:9}  {write_time(key.not_before)}  {write_time(key.not_after)}"


def answer_ring_lines(store: KeyStore, at: datetime) -> Iterator[str]:
    """List the keys that sign answers to channels."""
    yield from ring_lines(answer_ring(store, at), "answer key")


def token_ring_lines(store: KeyStore, ring: TokenRing, at: datetime) -> Iterator[str]:
    """List the keys of a ring of tokens, and when the next one takes over by itself."""
    standing = as_of(token_ring(store, ring), at)
    yield f"{_signed_by(ring)}, {ring.algorithm}"
    yield from ring_lines(standing, f"{ring.family} key")
    coming = next((key for key in standing.keys if key.state is KeyState.NEXT), None)
    current = next((key for key in standing.keys if key.state is KeyState.CURRENT), None)
    if coming is None:
        yield f"no next key: `ecard keys rotate-tokens {ring.prefix}` announces one"
    elif current is not None:
        yield f"{coming.kid} takes over by itself at {write_time(current.not_after - RETIRED_LIFE)}"


def _signed_by(ring: TokenRing) -> str:
    if ring in NEWS_RINGS:
        return "news for channels"
    return "tokens of clients" if ring in CLIENT_RINGS else "tokens of phones"


def entry_lines(store: KeyStore, provider: Provider, name: str) -> Iterator[str]:
    """Show the public part of an entry."""
    entry = store.entry(name)
    yield f"{entry.name}  {entry.level}  {entry.kind}"
    yield from _public_part(store, provider, entry)


def record_lines(records: Iterable[Record]) -> Iterator[str]:
    """List what the ceremony log holds, ending with its head."""
    head = ""
    for record in records:
        approvers = ", ".join(approval.operator for approval in record.approvals) or "nobody"
        act = f"{record.plan.action} {record.state}"
        yield f"{record.sequence}  {write_time(record.recorded_at)}  {act}  by {approvers}"
        head = record.digest
    yield f"head {head}"


def _public_part(store: KeyStore, provider: Provider, entry: Entry) -> Iterator[str]:
    if entry.kind == "sm2":
        public_key = provider.public_key_of(store.private_key(entry.name))
        yield public_key.hex()
        yield write_pem("PUBLIC KEY", export_spki(public_key)).rstrip()
    elif entry.kind == "p256":
        yield _p256_public_key(store.p256_scalar(entry.name)).hex()
    elif entry.kind == "ed25519":
        seed = store.ed25519_seed(entry.name)
        yield Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()
    elif entry.kind == "document":
        yield _document_text(entry.name, store.document(entry.name))
    else:
        yield "a symmetric key has no public part"


def _p256_public_key(scalar: bytes) -> bytes:
    """Compute x ‖ y, 64 bytes."""
    point = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()).public_key().public_numbers()
    return point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")


def _document_text(name: str, body: bytes) -> str:
    if name.endswith(_CERTIFICATE):
        return write_pem("CERTIFICATE", read_certificate(body).der).rstrip()
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("the document is no text") from None
