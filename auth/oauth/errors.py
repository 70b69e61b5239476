"""The ways in which OAuth says no, by the names of its registry (RFC 6749 section 5.2 and those that extend it).

What Authlib has is taken from there. Texts are ASCII without quotes and never hold what was sent.
"""

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc8628 import AuthorizationPendingError, ExpiredTokenError, SlowDownError

from core.errors import Refusal

__all__ = [
    "AccessDeniedError",
    "AuthorizationPendingError",
    "ExpiredTokenError",
    "InvalidClientError",
    "InvalidDpopProofError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidScopeError",
    "InvalidTargetError",
    "LoginRequiredError",
    "OAuth2Error",
    "RequestNotSupportedError",
    "SlowDownError",
    "UnauthorizedClientError",
    "UnmetAuthenticationError",
    "UnsupportedResponseError",
    "UseDpopNonceError",
    "refuse_client",
    "refuse_grant",
    "visible",
]


class InvalidDpopProofError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """RFC 9449 section 5."""

    error = "invalid_dpop_proof"


class UseDpopNonceError(OAuth2Error):  # type: ignore[misc]
    """RFC 9449 section 8: the answer carries the nonce to use."""

    error = "use_dpop_nonce"
    description = "Repeat the proof with the nonce of the DPoP-Nonce header"


class InvalidTargetError(OAuth2Error):  # type: ignore[misc]
    """RFC 8707 section 2."""

    error = "invalid_target"
    description = "The client may not ask for tokens for this resource"


class UnsupportedResponseError(OAuth2Error):  # type: ignore[misc]
    """RFC 6749 section 4.1.2.1."""

    error = "unsupported_response_type"
    description = "response_type must be code"


class LoginRequiredError(OAuth2Error):  # type: ignore[misc]
    """OpenID Connect Core section 3.1.2.6."""

    error = "login_required"
    description = "The holder must log in; prompt=none cannot be met"


class UnmetAuthenticationError(OAuth2Error):  # type: ignore[misc]
    """OpenID Connect Unmet Authentication Requirements 1.0."""

    error = "unmet_authentication_requirements"
    description = "The holder did not reach the assurance level that was asked for"


class RequestNotSupportedError(OAuth2Error):  # type: ignore[misc]
    """OpenID Connect Core section 3.1.2.6: request objects are pushed as plain parameters here."""

    error = "request_not_supported"
    description = "Push the parameters to the PAR endpoint instead"


def refuse_client(why: str) -> InvalidClientError:
    """Make the one answer to a client that did not prove who it is; always 401."""
    return InvalidClientError(description=why, status_code=401)


def refuse_grant() -> InvalidGrantError:
    """Make the one answer to a code, token or link that is unknown, another client's, used, over or taken back."""
    return InvalidGrantError("The code, token or link is unknown, used, over or taken back")


def visible(refusal: Refusal) -> str:
    """Write a refusal of ``auth`` as a description: ASCII without the characters that OAuth excludes."""
    said = f"{refusal.title_en} {refusal.detail or ''}".strip()
    return "".join(letter for letter in said if " " <= letter <= "~" and letter not in '"\\')
