"""SM2 signatures with SM3 under the user id 1234567812345678, in DER, by the package gmssl.

The arithmetic is gmssl's; here stand what it leaves out: a nonce of the system's generator, one spelling of a
signature, and numbers in range.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from asn1crypto import keys, pem
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from gmssl.sm2 import CryptSM2

from ecard_client.errors import NotProven

_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123  # order of sm2p256v1, GB/T 32918.5
_CURVE = "1.2.156.10197.1.301"  # GM/T 0006
keys.NamedCurve.register("sm2p256v1", _CURVE, 32)


@dataclass(frozen=True)
class SigningKey:
    """A private key, and its public key as 64 bytes x ‖ y."""

    public_key: bytes
    _secret: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign; the signature is DER."""
        crypt = _arithmetic(self.public_key, self._secret)
        signed = None
        while signed is None:  # None for a nonce that must not be used: once in 2^255
            signed = crypt.sign_with_sm3(message, f"{secrets.randbelow(_N - 1) + 1:064x}")
        return encode_dss_signature(int(signed[:64], 16), int(signed[64:], 16))

    def write_pem(self) -> bytes:
        """Write the key as PKCS#8 in PEM; keep the file to yourself (mode 0600)."""
        inner = keys.ECPrivateKey(
            {
                "version": "ecPrivkeyVer1",
                "private_key": int.from_bytes(self._secret, "big"),
                "public_key": keys.ECPointBitString(b"\x04" + self.public_key),
            }
        )
        algorithm = {"algorithm": "ec", "parameters": keys.ECDomainParameters("named", "sm2p256v1")}
        info = keys.PrivateKeyInfo({"version": 0, "private_key_algorithm": algorithm, "private_key": inner})
        return bytes(pem.armor("PRIVATE KEY", info.dump()))


def draw_key() -> SigningKey:
    """Draw a fresh key."""
    return _key_of((secrets.randbelow(_N - 2) + 1).to_bytes(32, "big"))


def read_key(given: bytes) -> SigningKey:
    """Read a private key from PKCS#8 in PEM, as `ecard keys new`, OpenSSL and Node write it."""
    _, _, der = pem.unarmor(given)
    info = keys.PrivateKeyInfo.load(der)
    if info["private_key_algorithm"]["parameters"].chosen.dotted != _CURVE:
        raise ValueError("this is no key on the curve of SM2")
    return _key_of(info["private_key"].parsed["private_key"].native.to_bytes(32, "big"))


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Return if the DER signature proves the message; otherwise raise ``NotProven``."""
    try:
        r, s = decode_dss_signature(signature)
        in_range = 0 < r < _N and 0 < s < _N and encode_dss_signature(r, s) == signature
        proven = in_range and _arithmetic(public_key).verify_with_sm3(f"{r:064x}{s:064x}", message) is True
    except Exception as fault:  # the arithmetic stumbles in many ways over hostile numbers: each means no
        raise NotProven("an SM2 signature could not be read") from fault
    if not proven:
        raise NotProven("an SM2 signature does not belong to this message and key")


def start_message(public_key: bytes, user_id: bytes) -> "hashlib._Hash":
    """Begin e = SM3(Z ‖ message), GB/T 32918.2, 5.5 and 6.1: for what is long, or has a user id of its own."""
    table = _arithmetic(public_key).ecc_table
    curve = bytes.fromhex(table["a"] + table["b"] + table["g"])
    z = hashlib.new("sm3", (8 * len(user_id)).to_bytes(2, "big") + user_id + curve + public_key)
    return hashlib.new("sm3", z.digest())


def verify_digest(public_key: bytes, digest: bytes, signature: bytes) -> None:
    """Return if the signature r ‖ s proves a message by its e; otherwise raise ``NotProven``."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        in_range = len(signature) == 64 and 0 < r < _N and 0 < s < _N
        proven = in_range and _arithmetic(public_key).verify(signature.hex(), digest) is True
    except Exception as fault:  # as above
        raise NotProven("an SM2 signature could not be read") from fault
    if not proven:
        raise NotProven("an SM2 signature does not belong to this message and key")


def _key_of(secret: bytes) -> SigningKey:
    crypt = _arithmetic(b"", secret)
    public_key = crypt._kg(int.from_bytes(secret, "big"), crypt.ecc_table["g"])  # noqa: SLF001 - it has no public name
    return SigningKey(bytes.fromhex(public_key), secret)


def _arithmetic(public_key: bytes, secret: bytes = b"") -> CryptSM2:
    crypt = CryptSM2(private_key="", public_key="")
    crypt.public_key, crypt.private_key = public_key.hex(), secret.hex()  # the constructor would strip digits off
    return crypt
