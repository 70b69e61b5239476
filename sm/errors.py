"""Everything `sm` says no with, to be read from top to bottom."""


class SmError(Exception):
    """Root of this package's errors; `code` is short, stable and safe to show."""

    code = "sm_error"


class Malformed(SmError):
    """The bytes do not have the one accepted form; nothing was verified."""

    code = "malformed"


class InvalidSignature(SmError):
    """The signature does not prove this message under this key and user id."""

    code = "invalid_signature"


class InvalidKey(SmError):
    """The key is not a point of the curve, or the scalar is out of range."""

    code = "invalid_key"


class InvalidCertificate(SmError):
    """The certificate is well formed but must not be trusted; `code` tells which rule it breaks."""

    code = "invalid_certificate"

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


class SealBroken(SmError):
    """The SM4-GCM tag does not match: other key, other context, or changed bytes."""

    code = "seal_broken"


class ProviderUnavailable(SmError):
    """This machine cannot do the operation; the message tells what to do about it."""

    code = "provider_unavailable"


class KeyStoreError(SmError):
    """Root of what a key store or a ceremony refuses."""

    code = "key_store_error"


class KeyNotFound(KeyStoreError):
    """No key of this name, kind or kid."""

    code = "key_not_found"


class KeyExists(KeyStoreError):
    """The name is taken; a key is rotated, never overwritten."""

    code = "key_exists"


class KeyNotUsable(KeyStoreError):
    """The key exists, but its state or its dates forbid this use."""

    code = "key_not_usable"


class WrongSecret(KeyStoreError):
    """The store's secret opens nothing in it."""

    code = "wrong_secret"


class WrongEnvironment(KeyStoreError):
    """A development store met production, or the other way round."""

    code = "wrong_environment"


class CeremonyRefused(KeyStoreError):
    """A ceremony lacks an approval, or the approvals are for another plan."""

    code = "ceremony_refused"


class KeyStoreUnavailable(KeyStoreError):
    """The store cannot be read, written or locked now; trying again may help, going on without it must not."""

    code = "key_store_unavailable"


class UnsafePermissions(KeyStoreError):
    """Others than the owner may read or write what must be private."""

    code = "unsafe_permissions"


class WeakSecret(KeyStoreError):
    """The secret is too short to keep the keys of this environment."""

    code = "weak_secret"


class CeremonyLogBroken(KeyStoreError):
    """A line of the ceremony log was changed, moved or taken away."""

    code = "ceremony_log_broken"
