"""The example of GM/T 0003.5 (GB/T 32918.5), annex A.2, and signatures that others published."""

import pytest

from sm.der import read_base64, read_der_signature
from sm.errors import InvalidSignature
from sm.providers import open_provider
from sm.providers.gmssl import GmsslProvider
from sm.sm2 import USER_ID_DEFAULT, PrivateKey, message_digest, z_value

D = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
K = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
PUBLIC_KEY = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
Z = bytes.fromhex("B2E14C5C79C6DF5B85F4FE7ED8DB7A262B9DA7E07CCB0EA9F4747B8CCDA8A4F3")
E = bytes.fromhex("F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640")
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)
MESSAGE = b"message digest"


@pytest.fixture(scope="module", params=["openssl", "gmssl"])
def provider(request):
    return open_provider(request.param)


def test_z_and_e_are_those_of_the_standard():
    assert z_value(USER_ID_DEFAULT, PUBLIC_KEY) == Z
    assert message_digest(USER_ID_DEFAULT, PUBLIC_KEY, MESSAGE) == E


def test_the_public_key_follows_from_the_private_one(provider):
    assert provider.public_key_of(PrivateKey(D)) == PUBLIC_KEY
    assert provider.signer(PrivateKey(D)).public_key == PUBLIC_KEY


def test_the_standards_signature_is_accepted(provider):
    verifier = provider.verifier(PUBLIC_KEY)
    verifier.verify(MESSAGE, SIGNATURE)
    verifier.verify_digest(E, SIGNATURE)


def test_the_standards_nonce_gives_the_standards_signature():
    signer = GmsslProvider(draw_nonce=lambda: K).signer(PrivateKey(D))
    assert signer.sign(MESSAGE) == SIGNATURE
    assert signer.sign_digest(E) == SIGNATURE


# Test data of the repository wechatpay-apiv3/wechatpay-java: the key of shangmi-testing's merchant_certificate.pem and
# the signature of BaseSM2Test, made by an implementation none of ours shares code with.
WECHAT_PUBLIC_KEY = bytes.fromhex(
    "7bcd47f75ea19d04c0a72b4da70f57dd1b3f9337cc5dd1241881b913431939bf"
    "69a55ef6b46710c7e1724523d0f646dd694d2483976f6e850d466378fa8b2f7e"
)
WECHAT_SIGNATURE = "MEYCIQD35Rp3CKt7pLme/a0GaCVmwSeOl7X/12+ppRivcJuf6QIhAO5Vpy4tSk9SJUrgH5I5Qy0aYhFG9lN0aof1f5wJOI05"


def test_the_published_signature_of_wechat_pay_is_accepted(provider):
    verifier = provider.verifier(WECHAT_PUBLIC_KEY)
    signature = read_der_signature(read_base64(WECHAT_SIGNATURE))
    verifier.verify(b"message", signature)
    with pytest.raises(InvalidSignature):
        verifier.verify(b"false-message", signature)
