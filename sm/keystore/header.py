"""The head of a file store: how the store's own key is made from the secret, and what the keys are for."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from sm.canonical import canonical_json, read_canonical_json, read_hex
from sm.errors import Malformed, SealBroken, WeakSecret, WrongSecret
from sm.keystore.protocol import Environment, read_environment
from sm.sm4 import KEY_SIZE, open_sealed, seal

# RFC 7914, 2: 16 MiB and about 50 ms, once for each opening. Fixed: a file must not choose how much work we do.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
SALT_SIZE = 16
IDENTIFIER_SIZE = 16
MIN_PRODUCTION_SECRET = 16  # characters

MAX_HEADER_SIZE = 2048

_FORMAT = 1
_FIELDS = {"format": int, "store": str, "salt": str, "environment": str, "secret_check": str, "header_check": str}


@dataclass(frozen=True)
class Header:
    """What the head says; `secret_check` opens with the right secret, `header_check` only if nothing was edited."""

    store: str
    salt: bytes
    environment: Environment
    secret_check: bytes = field(repr=False)
    header_check: bytes = field(repr=False)


def new_header(secret: str, environment: Environment) -> tuple[Header, bytes]:
    """Make the head of a new store, and the store's key (16 bytes)."""
    require_strength(secret, environment)
    store, salt = secrets.token_hex(IDENTIFIER_SIZE), secrets.token_bytes(SALT_SIZE)
    key = store_key(secret, salt)
    secret_check = seal(key, b"", _secret_place(salt))
    header_check = seal(key, b"", _header_place(store, salt, environment))
    return Header(store, salt, environment, secret_check, header_check), key


def store_key(secret: str, salt: bytes) -> bytes:
    """Make the store's key from the secret; slow on purpose."""
    spelled = secret.encode("utf-8", "surrogateescape")  # as the environment hands over bytes that are no UTF-8
    return hashlib.scrypt(spelled, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=KEY_SIZE)


def require_strength(secret: str, environment: Environment) -> None:
    """Refuse an empty secret, and in production one that scrypt alone cannot protect from guessing."""
    if not secret or (environment == "production" and len(secret) < MIN_PRODUCTION_SECRET):
        raise WeakSecret(f"a production store needs a secret of at least {MIN_PRODUCTION_SECRET} characters")


def open_header(header: Header, secret: str) -> bytes:
    """Give the store's key; raise WrongSecret, or SealBroken for a head that was edited."""
    key = store_key(secret, header.salt)
    try:
        open_sealed(key, header.secret_check, _secret_place(header.salt))
    except SealBroken:
        raise WrongSecret("the secret does not open this key store") from None
    try:
        open_sealed(key, header.header_check, _header_place(header.store, header.salt, header.environment))
    except SealBroken:
        raise SealBroken("the head of the key store was edited") from None
    return key


def write_header(header: Header) -> bytes:
    """Write the one accepted text of a head."""
    fields: dict[str, Any] = {
        "format": _FORMAT,
        "store": header.store,
        "salt": header.salt.hex(),
        "environment": header.environment,
        "secret_check": header.secret_check.hex(),
        "header_check": header.header_check.hex(),
    }
    return canonical_json(fields) + b"\n"


def read_header(given: bytes) -> Header:
    """Read the text of `write_header`; raise Malformed for any other."""
    fields = read_canonical_json(given.removesuffix(b"\n"), _FIELDS)
    header = Header(
        store=read_hex(fields["store"]).hex(),
        salt=read_hex(fields["salt"]),
        environment=read_environment(fields["environment"]),
        secret_check=read_hex(fields["secret_check"]),
        header_check=read_hex(fields["header_check"]),
    )
    if write_header(header) != given:
        raise Malformed("the head of the key store is not in its one accepted form")
    return header


def _secret_place(salt: bytes) -> bytes:
    return b"ECARD-KEYSTORE-SECRET\x00" + salt


def _header_place(store: str, salt: bytes, environment: Environment) -> bytes:
    fields = {"format": _FORMAT, "store": store, "salt": salt.hex(), "environment": environment}
    return b"ECARD-KEYSTORE-HEADER\x00" + canonical_json(fields)
