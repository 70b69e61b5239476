"""SM2 through our interface, against plain gmssl and against libcrypto called without our layer."""

import random

from gmssl.sm2 import CryptSM2

from bench.plain_libcrypto import DocumentedWay, LeastWay, open_libcrypto
from bench.report import Report
from bench.rounds import ratio, repeat, take_turns
from sm.der import export_pkcs8, export_spki, signature_to_der
from sm.providers import open_provider
from sm.sm2 import USER_ID_DEFAULT, message_digest

_ROUNDS = 15  # of a few hundredths of a second each
_MESSAGE = bytes(range(100))  # 100 bytes, as in the table of the goals
_OURS, _GMSSL, _GMSSL_CORE = "ours", "gmssl", "gmssl, digest ready made"
_DOCUMENTED, _LEAST = "libcrypto, as documented", "libcrypto, the least possible"


def run(report: Report) -> None:
    """Measure signing and verifying of a 100-byte message."""
    report.heading("SM2, one operation on 100 bytes")
    provider = open_provider("openssl")
    private_key = provider.generate()
    public_key = provider.public_key_of(private_key)
    signer, verifier = provider.signer(private_key), provider.verifier(public_key)
    signature = signer.sign(_MESSAGE)
    der, digest = signature_to_der(signature), message_digest(USER_ID_DEFAULT, public_key, _MESSAGE)
    gmssl = CryptSM2(private_key=private_key.secret_bytes().hex(), public_key="")
    gmssl.public_key = public_key.hex()  # its constructor would strip digits off one key in eight
    library = open_libcrypto()
    keys = export_pkcs8(private_key), export_spki(public_key)
    documented, least = DocumentedWay(library, *keys), LeastWay(library, *keys)
    nonce = f"{random.getrandbits(255):064x}"
    signing = take_turns(
        {
            _OURS: repeat(lambda: signer.sign(_MESSAGE), 120),
            _GMSSL: repeat(lambda: gmssl.sign_with_sm3(_MESSAGE), 5),
            _GMSSL_CORE: repeat(lambda: gmssl.sign(digest, nonce), 5),
            _DOCUMENTED: repeat(lambda: documented.sign(_MESSAGE), 120),
            _LEAST: repeat(lambda: least.sign(digest), 120),
        },
        _ROUNDS,
    )
    verifying = take_turns(
        {
            _OURS: repeat(lambda: verifier.verify(_MESSAGE, signature), 120),
            _GMSSL: repeat(lambda: _require(gmssl.verify_with_sm3(signature.hex(), _MESSAGE)), 4),
            _GMSSL_CORE: repeat(lambda: _require(gmssl.verify(signature.hex(), digest)), 4),
            _DOCUMENTED: repeat(lambda: documented.verify(_MESSAGE, der), 120),
            _LEAST: repeat(lambda: least.verify(digest, der), 120),
        },
        _ROUNDS,
    )
    for what, costs, goal in (("sign", signing, 20), ("verify", verifying, 35)):
        report.costs(costs, what)
        report.at_least(f"SM2 {what} against gmssl", ratio(costs, _GMSSL, _OURS), goal)
        report.at_least(f"SM2 {what} against libcrypto as documented", ratio(costs, _DOCUMENTED, _OURS), 0.9)
        report.at_least(f"SM2 {what} against the least possible", ratio(costs, _LEAST, _OURS), 0.9)


def _require(proven: object) -> None:
    assert proven is True
