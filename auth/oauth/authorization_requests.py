"""What a client asks a holder for: the parameters of an authorization request, judged once (OAuth 2.1, FAPI 2.0)."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from auth.oauth.clients import Client
from auth.oauth.errors import (
    InvalidDpopProofError,
    InvalidRequestError,
    InvalidTargetError,
    RequestNotSupportedError,
    UnauthorizedClientError,
    UnmetAuthenticationError,
    UnsupportedResponseError,
)
from auth.oauth.forms import Form
from auth.oauth.profiles import CODE
from auth.oauth.redirects import require_redirect
from auth.oauth.scopes import LEVELS, SCOPES, read_scopes

_BASE64URL_32 = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[\x20-\x7e]{1,1024}")
_NONCE = re.compile(r"[\x20-\x7e]{1,256}")
_AGE = re.compile(r"[0-9]{1,9}")
_LOCALES = re.compile(r"[A-Za-z0-9-]{1,35}(?: [A-Za-z0-9-]{1,35}){0,9}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A judged request. ``least_acr`` is the lowest assurance level that satisfies ``acr_values``, if any was asked."""

    redirect_uri: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    code_challenge: str
    state: str | None
    nonce: str | None
    thumbprint: str | None
    least_acr: str | None
    max_age: int | None
    prompts: tuple[str, ...]
    ui_locales: str | None = None

    @property
    def needed_level(self) -> str:
        """The level at which a holder must log in to allow all of it."""
        levels = [SCOPES[name].least_level for name in self.scopes]
        return max([*levels, self.least_acr or LEVELS[0]], key=LEVELS.index)

    def to_json(self) -> dict[str, Any]:
        """Write the request as the tables keep it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "AuthorizationRequest":
        """Read what ``to_json`` wrote."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()
        }
        return cls(**fields)


def read_redirect(client: Client, form: Form) -> str:
    """Read the redirect address; as long as this fails nothing may be sent to it. Raises ``InvalidRequestError``."""
    if not client.check_grant_type(CODE):
        raise UnauthorizedClientError("This client has no authorization requests")
    return require_redirect(client.profile, client.redirect_uris, form.require("redirect_uri"))


def read_state(form: Form) -> str | None:
    """Read the state that goes back to the client; raises ``InvalidRequestError``."""
    return _read_text(form, "state", _STATE)


def read_authorization_request(client: Client, form: Form, proven: str | None = None) -> AuthorizationRequest:
    """Judge all parameters; raises errors of OAuth.

    Args:
        client: who asks.
        form: the parameters, from PAR or from the browser.
        proven: thumbprint of the key that a DPoP proof at PAR showed.
    """
    redirect_uri = read_redirect(client, form)
    _require_plain_code_request(form)
    return AuthorizationRequest(
        redirect_uri=redirect_uri,
        scopes=read_scopes(form.require("scope"), client.scopes),
        resources=read_resources(client, form),
        code_challenge=_read_challenge(form),
        state=read_state(form),
        nonce=_read_text(form, "nonce", _NONCE),
        thumbprint=_read_thumbprint(form, proven),
        least_acr=_read_least_acr(form),
        max_age=_read_age(form),
        prompts=_read_prompts(form),
        ui_locales=_read_locales(form),
    )


def read_resources(client: Client, form: Form) -> tuple[str, ...]:
    """Read the resources that tokens are for (RFC 8707); the client's first one where none is named."""
    given = form.all("resource")
    if not set(given) <= set(client.audiences):
        raise InvalidTargetError
    return tuple(audience for audience in client.audiences if audience in given) or client.audiences[:1]


def _require_plain_code_request(form: Form) -> None:
    if "request" in form:
        raise RequestNotSupportedError
    if "request_uri" in form:
        raise InvalidRequestError("request_uri does not belong here")
    if form.require("response_type") != "code":
        raise UnsupportedResponseError
    if form.get("response_mode") not in {None, "query"}:
        raise InvalidRequestError("response_mode must be query")


def _read_challenge(form: Form) -> str:
    """Require PKCE with S256 of every client; no method at all would mean plain (RFC 7636 section 4.3)."""
    challenge = form.require("code_challenge")
    if form.get("code_challenge_method") != "S256" or not _BASE64URL_32.fullmatch(challenge):
        raise InvalidRequestError("code_challenge must be made by S256, and code_challenge_method say so")
    return challenge


def _read_thumbprint(form: Form, proven: str | None) -> str | None:
    """Read dpop_jkt (RFC 9449 section 10); a proof that came along must be by the same key."""
    given = form.get("dpop_jkt")
    if given is not None and not _BASE64URL_32.fullmatch(given):
        raise InvalidRequestError("dpop_jkt must be a SHA-256 thumbprint in base64url")
    if given is not None and proven is not None and given != proven:
        raise InvalidDpopProofError("dpop_jkt is not the key of the proof")
    return given or proven


def _read_least_acr(form: Form) -> str | None:
    given = form.get("acr_values")
    if given is None:
        return None
    known = [level for level in LEVELS if level in given.split(" ")]
    if not known:
        raise UnmetAuthenticationError
    return known[0]


def _read_age(form: Form) -> int | None:
    given = _read_text(form, "max_age", _AGE)
    return None if given is None else int(given)


def _read_prompts(form: Form) -> tuple[str, ...]:
    given = form.get("prompt")
    prompts = tuple(given.split(" ")) if given else ()
    if not set(prompts) <= _PROMPTS or len(set(prompts)) != len(prompts) or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError("prompt is none, or of login, consent and select_account")
    return prompts


def _read_locales(form: Form) -> str | None:
    """Read ui_locales; what cannot be read is no error (OpenID Connect Core section 3.1.2.1)."""
    given = form.get("ui_locales") or ""
    return given if _LOCALES.fullmatch(given) else None


def _read_text(form: Form, name: str, shape: re.Pattern[str]) -> str | None:
    given = form.get(name)
    if given is not None and not shape.fullmatch(given):
        raise InvalidRequestError(f"{name} is too long or holds characters that it must not")
    return given
