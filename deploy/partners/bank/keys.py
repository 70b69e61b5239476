"""The bank's keys, made once: SM2 for signed requests, ES256 for its OAuth client, one for TLS on this machine."""

import json
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
from ecard_client.tokens import Es256Key, draw_es256_key

from bank.place import Home, NotReady

CLIENT, TLS, TLS_CERTIFICATE = "client.pem", "tls.pem", "tls-certificate.pem"


def make_keys(home: Home) -> None:
    """Make whatever key is missing."""
    if not home.key(CLIENT).exists():
        home.write(home.key(CLIENT), write_key(draw_es256_key()))
    if not home.key(TLS_CERTIFICATE).exists():
        _make_tls(home)


def write_key(key: Es256Key) -> bytes:
    """Write a private key as PEM."""
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(pem: bytes, kid: str = "") -> Es256Key:
    """Read a private key on P-256; raises ``ValueError``."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("this is no key of ES256")  # noqa: TRY004 - whoever gave it gave a wrong value
    return Es256Key(key, kid)


def load_client_key(home: Home, kid: str) -> Es256Key:
    """Open the client's key; raises ``NotReady``."""
    try:
        return read_key(home.key(CLIENT).read_bytes(), kid)
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.key(CLIENT)} is missing or no key: `python -m bank keys` makes it") from error


def show_client_jwk(home: Home) -> str:
    """Write the client's public key as the card centre's operators take it."""
    return json.dumps(read_key(home.key(CLIENT).read_bytes()).public_jwk)


def _make_tls(home: Home) -> None:
    """Make a certificate of this machine alone, signed by itself; a real bank has one that browsers know."""
    key, now = draw_es256_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.private.public_key(), x509.random_serial_number())
    made = (
        builder.not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key.private, hashes.SHA256())
    )
    home.write(home.key(TLS), write_key(key))
    home.write(home.key(TLS_CERTIFICATE), made.public_bytes(Encoding.PEM))
