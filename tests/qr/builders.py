"""What the tests of codes are made of: one issuer with one key epoch, each detail open to change."""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from qr.acceptance_journal import MemoryJournal
from qr.code_class import CodeClass
from qr.offline import OfflineVerifier
from qr.signed_code import mint_signed_code
from qr.signing_keys import CodeKeys, MintingKey, open_minting_key
from qr.verification_keys import KeyList, build_key_list, open_key_list_signer
from sm.keyring import KeyRing, KeyState, RingKey
from sm.sm2 import PrivateKey, Provider

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
KID = 0x0A01
CARD_INDEX = 4_711
HANDLE_KEY = bytes(range(16))
ISSUER = "ceshi-city"


@dataclass(frozen=True)
class Issuer:
    provider: Provider
    minting: MintingKey
    ring: KeyRing
    credential: PrivateKey

    @property
    def keys(self) -> CodeKeys:
        return CodeKeys(self.ring, self.provider)

    @property
    def credential_public_key(self) -> bytes:
        return self.provider.public_key_of(self.credential)

    @property
    def key_list(self) -> KeyList:
        return KeyList(ISSUER, NOW - timedelta(days=1), self.ring)

    def mint(self, randomness=secrets.token_bytes, **changes):
        claims = {
            "card_index": CARD_INDEX,
            "code_class": CodeClass.MEDICAL,
            "issued_at": NOW,
            "life_seconds": 60,
            **changes,
        }
        return mint_signed_code(self.minting, randomness, **claims)

    def with_key(self, **changes):
        """The same issuer whose one key stands otherwise in the ring."""
        return replace(self, ring=KeyRing((replace(self.ring.keys[0], **changes),)))

    def terminal(self, **changes):
        options = {"journal": MemoryJournal(), "classes": {CodeClass.MEDICAL}, "key_list": self.key_list, **changes}
        return OfflineVerifier(options.pop("key_list"), self.provider, options.pop("journal"), **options)

    def signed_key_list(self, *, issued_at=NOW - timedelta(days=1), issuer=ISSUER, certificates=()):
        signer = open_key_list_signer(self.provider, self.credential)
        return build_key_list(self.ring, signer, issuer=issuer, issued_at=issued_at, certificates=certificates)


def make_issuer(provider):
    private_key = PrivateKey(bytes(31) + b"\x07")
    key = RingKey(
        KID, KeyState.CURRENT, provider.public_key_of(private_key), NOW - timedelta(days=30), NOW + timedelta(days=30)
    )
    minting = open_minting_key(provider, private_key, kid=KID, handle_key=HANDLE_KEY)
    return Issuer(provider, minting, KeyRing((key,)), PrivateKey(bytes(31) + b"\x0b"))


def code_of(body):
    """Write 91 bytes as a scanner would type them."""
    return f"82{int.from_bytes(body, 'big'):0220d}"


def body_of(code):
    """The 91 bytes of a code."""
    return int(code[2:]).to_bytes(91, "big")
