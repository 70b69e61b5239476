"""Vectors that nobody here made: the test data that WeChat Pay publishes for its SM mode.

``vectors/wechatpay_shangmi.json`` names where each comes from. They hold for what channels rely on: SM2 with SM3 in
DER, certificates, SM4-GCM under a key made of a text, and the five lines of a signed request.
"""

import base64
import json
from pathlib import Path

import pytest
from asn1crypto.core import Integer, OctetString, Sequence
from gmssl import sm2 as gmssl_sm2

from auth.signed_forms.envelope import data_key
from sm.certificates import Trust, read_certificate
from sm.der import import_pkcs8, read_der_signature, read_pem
from sm.digest import sm3
from sm.errors import InvalidCertificate, InvalidSignature, SealBroken
from sm.sm4 import open_sealed, seal
from tests.channels.partners import PartnerApp, add_certificate, apply, move
from tests.service import PROVIDER, START

VECTORS = json.loads((Path(__file__).parent / "vectors" / "wechatpay_shangmi.json").read_text(encoding="utf-8"))
MERCHANT, SIGNED, SEALED = VECTORS["merchant"], VECTORS["sm2_signature"], VECTORS["sm4_gcm"]
CERTIFICATE = read_certificate(MERCHANT["certificate"])
PRIVATE_KEY = import_pkcs8(read_pem("PRIVATE KEY", MERCHANT["private_key"]))


def test_the_certificates_are_read(city):
    assert f"{CERTIFICATE.serial:X}" == MERCHANT["serial"]
    assert CERTIFICATE.public_key == PROVIDER.public_key_of(PRIVATE_KEY)
    platform = read_certificate(VECTORS["platform_certificate"])
    assert platform.subject_common_name == "Tenpay.com sign"
    assert platform.issuer == CERTIFICATE.issuer


def test_another_authority_s_certificate_is_none_of_ours(city):
    with pytest.raises(InvalidCertificate):
        city.runtime.channels.verify_certificate(CERTIFICATE, START)
    with pytest.raises(InvalidCertificate):
        Trust((CERTIFICATE,), PROVIDER).verify_chain(CERTIFICATE, (), START)


def test_the_signature_verifies_with_the_default_user_id():
    signature = read_der_signature(base64.b64decode(SIGNED["signature"]))
    PROVIDER.verifier(CERTIFICATE.public_key).verify(SIGNED["message"].encode(), signature)
    for message, user_id in ((b"false-message", b"1234567812345678"), (SIGNED["message"].encode(), b"ESSC-QR-B1")):
        with pytest.raises(InvalidSignature):
            PROVIDER.verifier(CERTIFICATE.public_key, user_id).verify(message, signature)


def test_the_callback_opens_under_the_key_made_of_the_text():
    key, aad = data_key(SEALED["api_v3_key"]), SEALED["associated_data"].encode()
    assert key == sm3(SEALED["api_v3_key"].encode())[:16]
    nonce, sealed = SEALED["nonce"].encode(), base64.b64decode(SEALED["ciphertext"])
    assert open_sealed(key, nonce + sealed, aad) == SEALED["plaintext"].encode()
    assert seal(key, SEALED["plaintext"].encode(), aad, nonce) == nonce + sealed
    with pytest.raises(SealBroken):
        open_sealed(key, nonce + base64.b64decode(SEALED["broken"]), aad)


class Cipher(Sequence):
    """SM2Cipher of GM/T 0009, 7.2: x, y, hash, ciphertext."""

    _fields = [("x", Integer), ("y", Integer), ("hash", OctetString), ("ciphertext", OctetString)]  # noqa: RUF012


def test_the_sm2_ciphertext_opens_with_the_key_as_it_is_read_here():
    """The service encrypts nothing to SM2 keys: another library opens it, our SM3 proves what came out."""
    given = VECTORS["sm2_ciphertext"]
    parts = Cipher.load(base64.b64decode(given["ciphertext"]), strict=True).native
    point = parts["x"].to_bytes(32, "big") + parts["y"].to_bytes(32, "big")
    oracle = gmssl_sm2.CryptSM2(PRIVATE_KEY.secret_bytes().hex(), CERTIFICATE.public_key.hex(), mode=1)
    plain = oracle.decrypt(point + parts["hash"] + parts["ciphertext"])
    assert plain == given["plaintext"].encode()
    shared = bytes.fromhex(oracle._kg(int.from_bytes(PRIVATE_KEY.secret_bytes(), "big"), point.hex()))
    assert sm3(shared[:32], plain, shared[32:]) == parts["hash"]
    assert bytes(a ^ b for a, b in zip(sm3(shared, b"\0\0\0\1"), plain, strict=False)) == parts["ciphertext"]


def test_whoever_signs_for_wechat_pay_changes_names_only(city):
    """The published key signs a request as WeChat Pay's SDK builds it; the header's names are then ours."""
    partner = PartnerApp(city, apply(city), signer=PROVIDER.signer(PRIVATE_KEY))
    partner.serial = add_certificate(city, partner)
    move(city, partner.channel, "sandbox")
    stamp, nonce_str = int(city.clock().timestamp()), "593BEC0C930BF1AFEB40B4A08C8FB242"
    message = f"GET\n/v1/channel\n{stamp}\n{nonce_str}\n\n"
    signature = base64.b64encode(to_der(partner.signer.sign(message.encode()))).decode()
    theirs = (
        f'WECHATPAY2-SM2-WITH-SM3 mchid="{partner.channel}",nonce_str="{nonce_str}",timestamp="{stamp}",'
        f'serial_no="{partner.serial}",signature="{signature}"'
    )
    assert city.http.get("/v1/channel", headers={"Authorization": theirs}).status_code == 401
    ours = (
        theirs.replace("WECHATPAY2-SM2-WITH-SM3", "ESSC-SM2-SM3")
        .replace("mchid", "app_id")
        .replace("nonce_str", "nonce")
    )
    assert city.http.get("/v1/channel", headers={"Authorization": ours}).json()["id"] == partner.channel


def to_der(raw: bytes) -> bytes:
    class Signature(Sequence):
        _fields = [("r", Integer), ("s", Integer)]  # noqa: RUF012

    numbers = {"r": int.from_bytes(raw[:32], "big"), "s": int.from_bytes(raw[32:], "big")}
    return bytes(Signature(numbers).dump())
