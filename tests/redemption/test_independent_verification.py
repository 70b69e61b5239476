"""The service's codes, judged by programs that share nothing with it: the openssl command and the package gmssl."""

import json
import subprocess

import pytest
from asn1crypto import core, keys, pem
from gmssl import func, sm2, sm3

USER_ID = b"ESSC-QR-B1"
SM2_CURVE = "1.2.156.10197.1.301"
# sm2p256v1 as GM/T 0003.5 prints it
A = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
B = "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
GX = "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
GY = "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"


@pytest.fixture
def shown(sqlite_service):
    """A code as the phone shows it, taken apart by hand, and the public key as the service publishes it."""
    digits = sqlite_service.enroll().code("medical").json()["code"]
    assert digits.startswith("82")
    whole = int(digits[2:]).to_bytes(91, "big")
    key_list = sqlite_service.http.get("/v1/verification-keys").json()["key_list"]
    kid = int.from_bytes(whole[1:3], "big")
    public_key = next(key["public_key"] for key in json.loads(key_list)["keys"] if key["kid"] == kid)
    return whole[:27], whole[27:], bytes.fromhex(public_key)


def test_the_openssl_command_accepts_the_code_and_refuses_an_edited_one(shown, tmp_path):
    message, signature, public_key = shown
    assert openssl_verifies(message, signature, public_key, tmp_path)
    assert not openssl_verifies(message[:-1] + bytes([message[-1] ^ 1]), signature, public_key, tmp_path)


def test_gmssl_accepts_the_code_and_refuses_an_edited_one(shown):
    message, signature, public_key = shown
    assert gmssl_verifies(message, signature, public_key)
    assert not gmssl_verifies(message[:-1] + bytes([message[-1] ^ 1]), signature, public_key)


def openssl_verifies(message, signature, public_key, folder):
    class Signature(core.Sequence):
        _fields = [("r", core.Integer), ("s", core.Integer)]  # noqa: RUF012 - asn1crypto writes into it

    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    files = {
        "message": message,
        "signature": Signature({"r": r, "s": s}).dump(),
        "key": pem.armor("PUBLIC KEY", spki(public_key)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-digest", "sm3"]
    command += ["-in", "message", "-sigfile", "signature", "-pkeyopt", f"distid:{USER_ID.decode()}"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def spki(public_key):
    algorithm = keys.PublicKeyAlgorithm(
        {"algorithm": "1.2.840.10045.2.1", "parameters": keys.ECDomainParameters("named", SM2_CURVE)}
    )
    return keys.PublicKeyInfo({"algorithm": algorithm, "public_key": b"\x04" + public_key}).dump()


def gmssl_verifies(message, signature, public_key):
    bits = (len(USER_ID) * 8).to_bytes(2, "big")
    z = sm3.sm3_hash(func.bytes_to_list(bits + USER_ID + bytes.fromhex(A + B + GX + GY) + public_key))
    e = sm3.sm3_hash(func.bytes_to_list(bytes.fromhex(z) + message))
    judge = sm2.CryptSM2(private_key="", public_key=public_key.hex())
    judge.public_key = public_key.hex()
    return judge.verify(signature.hex(), bytes.fromhex(e))
