"""The bank's keys, made once: SM2 for signed requests, ES256 for its OAuth client, one for TLS on this machine."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from bank.base64url import encode
from bank.place import Home, NotReady

CLIENT, TLS, TLS_CERTIFICATE = "client.pem", "tls.pem", "tls-certificate.pem"


def make_keys(home: Home) -> None:
    """Make whatever key is missing."""
    if not home.key(CLIENT).exists():
        home.write(home.key(CLIENT), write_key(new_key()))
    if not home.key(TLS_CERTIFICATE).exists():
        _make_tls(home)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Draw a key on P-256, for ES256 and DPoP."""
    return ec.generate_private_key(ec.SECP256R1())


def write_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a private key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key on P-256; raises ``ValueError``."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("this is no key of ES256")  # noqa: TRY004 - whoever gave it gave a wrong value
    return key


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Write the public half as a JWK (RFC 7518, section 6.2.1)."""
    numbers = key.public_key().public_numbers()
    x, y = (encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


@dataclass(frozen=True, slots=True)
class ClientKey:
    """With what the bank proves itself at the token endpoint."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)


def load_client_key(home: Home, kid: str) -> ClientKey:
    """Open the client's key; raises ``NotReady``."""
    try:
        return ClientKey(kid, read_key(home.key(CLIENT).read_bytes()))
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.key(CLIENT)} is missing or no key: `python -m bank keys` makes it") from error


def show_client_jwk(home: Home) -> str:
    """Write the client's public key as the card centre's operators take it."""
    return json.dumps(public_jwk(read_key(home.key(CLIENT).read_bytes())))


def _make_tls(home: Home) -> None:
    """Make a certificate of this machine alone, signed by itself; a real bank has one that browsers know."""
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = (
        builder.not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    home.write(home.key(TLS), write_key(key))
    home.write(home.key(TLS_CERTIFICATE), made.public_bytes(Encoding.PEM))
