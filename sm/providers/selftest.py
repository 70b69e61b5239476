"""What a provider must prove before anything is signed or verified with it: some distributions strip or break SM2."""

from sm.errors import InvalidSignature, ProviderUnavailable
from sm.sm2 import USER_ID_DEFAULT, PrivateKey, Provider, Verifier, message_digest

# GM/T 0003.5 (GB/T 32918.5), annex A.2: the signature example on sm2p256v1.
VECTOR_PRIVATE_KEY = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
VECTOR_PUBLIC_KEY = bytes.fromhex(
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
VECTOR_MESSAGE = b"message digest"
VECTOR_DIGEST = bytes.fromhex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640")
VECTOR_SIGNATURE = bytes.fromhex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
_OTHER_USER_ID = b"ESSC-SELF-TEST"


def require_self_test(provider: Provider) -> None:
    """Run the standard's example, a signature of the provider's own, and the refusals; raise ProviderUnavailable."""
    private_key = PrivateKey(VECTOR_PRIVATE_KEY)
    if message_digest(USER_ID_DEFAULT, VECTOR_PUBLIC_KEY, VECTOR_MESSAGE) != VECTOR_DIGEST:
        raise _failed(provider, "the digest of the standard's example")
    if provider.public_key_of(private_key) != VECTOR_PUBLIC_KEY:
        raise _failed(provider, "the public key of the standard's example")
    verifier = provider.verifier(VECTOR_PUBLIC_KEY)
    _require_accepts(provider, verifier, VECTOR_SIGNATURE, "the standard's example")
    own = provider.signer(private_key).sign(VECTOR_MESSAGE)
    _require_accepts(provider, verifier, own, "its own signature")
    _require_refuses(provider, verifier, b"another message", own, "a signature of another message")
    other = provider.verifier(VECTOR_PUBLIC_KEY, _OTHER_USER_ID)
    _require_refuses(provider, other, VECTOR_MESSAGE, own, "a signature under another user id")


def _require_accepts(provider: Provider, verifier: Verifier, signature: bytes, what: str) -> None:
    try:
        verifier.verify(VECTOR_MESSAGE, signature)
    except InvalidSignature:
        raise _failed(provider, f"it refuses {what}") from None


def _require_refuses(provider: Provider, verifier: Verifier, message: bytes, signature: bytes, what: str) -> None:
    try:
        verifier.verify(message, signature)
    except InvalidSignature:
        return
    raise _failed(provider, f"it accepts {what}")


def _failed(provider: Provider, what: str) -> ProviderUnavailable:
    return ProviderUnavailable(f"provider {provider.name} failed its self-test: {what}; use another provider")
