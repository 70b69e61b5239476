"""Which client is calling: one proof, of the kind it was registered with (RFC 6749 section 2.3, RFC 7523, RFC 8705).

Unknown, suspended and unproven clients get one and the same answer.
"""

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from cryptography import x509

from auth.oauth.client_register import SECRET_KIND
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidClientError, InvalidRequestError, refuse_client
from auth.oauth.jws import CLIENT_ALGORITHMS, SignatureRefused, read_unverified, verify_signature
from auth.oauth.limits import count_failure, count_proven_client
from auth.oauth.requests import GivenRequest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 300
"""An assertion ends at most this far ahead."""
FUTURE_SECONDS = 10
"""FAPI 2.0 Security Profile section 5.3.2.1: iat and nbf up to 10 seconds ahead are taken."""
_ASSERTION_LIMIT = 4096
_BEGINNINGS = (("iat", 0), ("nbf", 0))
_UNPROVEN = "The client is unknown or did not prove who it is"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What of a proven assertion is left to do: to be remembered under its name, so that it counts once."""

    name: str
    first_use: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Whom a request says that it is from; ``verify`` raises unless that client is proven."""

    name: str | None
    methods: tuple[str, ...]
    verify: Callable[[OAuthDesk, Client], Assertion | None]


def authenticate_client(desk: OAuthDesk, given: GivenRequest) -> tuple[Client, str]:
    """Find out who calls and by which method.

    Raises ``InvalidClientError`` (401), ``InvalidRequestError``, and ``Limited`` for a client that calls too often or
    failed too often from this address.
    """
    claim = _READ[_shown_method(given)](given)
    try:
        client = _find(desk, claim)
        assertion = claim.verify(desk, client)
        _require_same_name(given, client)
        _spend_and_count(desk, client, given.caller, assertion)
    except InvalidClientError:
        count_failure(desk, claim.name, given.caller)
        raise
    return client, client.authentication


def _shown_method(given: GivenRequest) -> str:
    shown = [
        method
        for method, is_there in (
            ("client_secret_basic", given.authorization is not None),
            ("private_key_jwt", "client_assertion" in given.form or "client_assertion_type" in given.form),
            ("client_secret_post", "client_secret" in given.form),
        )
        if is_there
    ]
    if len(shown) > 1:
        raise InvalidRequestError("A client proves itself in one way at a time")
    return shown[0] if shown else "none"


def _read_name(given: GivenRequest) -> Claim:
    """Take a public client at its word, and one with a certificate at its certificate."""

    def verify(_desk: OAuthDesk, client: Client) -> None:
        if client.authentication == "tls_client_auth" and _subject_of(given.certificate) != client.tls_subject:
            raise refuse_client(_UNPROVEN)

    return Claim(given.form.get("client_id"), ("none", "tls_client_auth"), verify)


def _read_basic(given: GivenRequest) -> Claim:
    scheme, _, encoded = (given.authorization or "").partition(" ")
    try:
        decoded = b64decode(encoded, validate=True).decode()
    except (Base64Error, ValueError):
        raise refuse_client("The Authorization header cannot be read") from None
    name, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon or "\x00" in decoded:
        raise refuse_client("The Authorization header cannot be read")
    return _secret_claim(unquote_plus(name), unquote_plus(secret), "client_secret_basic")


def _read_post(given: GivenRequest) -> Claim:
    return _secret_claim(given.form.get("client_id"), given.form.require("client_secret"), "client_secret_post")


def _secret_claim(name: str | None, secret: str, method: str) -> Claim:
    def verify(desk: OAuthDesk, client: Client) -> None:
        if not client.holds_secret(desk.stored.handle(SECRET_KIND, secret), millis_now(desk.ground)):
            raise refuse_client(_UNPROVEN)

    return Claim(name, (method,), verify)


def _read_assertion(given: GivenRequest) -> Claim:
    if given.form.get("client_assertion_type") != ASSERTION_TYPE:
        raise refuse_client(f"client_assertion_type must be {ASSERTION_TYPE}")
    assertion = given.form.get("client_assertion") or ""
    try:
        header, claims = read_unverified(assertion, _ASSERTION_LIMIT)
    except SignatureRefused as refused:
        raise refuse_client(_UNPROVEN) from refused
    subject = claims.get("sub")

    def verify(desk: OAuthDesk, client: Client) -> Assertion:
        try:
            verify_client_signature(desk, client, header, assertion)
        except SignatureRefused as refused:
            raise refuse_client(_UNPROVEN) from refused
        _require_claims(desk, client, claims)
        return _name_assertion(client, claims)

    return Claim(subject if isinstance(subject, str) else None, ("private_key_jwt",), verify)


def _find(desk: OAuthDesk, claim: Claim) -> Client:
    client = desk.clients.find(claim.name)
    if client is None or client.authentication not in claim.methods:
        raise refuse_client(_UNPROVEN)
    return client


def _require_same_name(given: GivenRequest, client: Client) -> None:
    named = given.form.get("client_id")
    if named is not None and named != client.id:
        raise refuse_client("client_id is not the client that was proven")


def verify_client_signature(desk: OAuthDesk, client: Client, header: dict[str, Any], signed: str) -> None:
    """Prove a JWS under one of a client's live keys; raises ``SignatureRefused``."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in CLIENT_ALGORITHMS:
        raise SignatureRefused("not an algorithm of clients")
    live = [kept.key for kept in client.live_keys(millis_now(desk.ground)) if kept.key is not None]
    usable = [key for key in live if algorithm in key.algorithms and kid in (None, key.kid)]
    for key in usable[:-1]:
        try:
            return verify_signature(signed, algorithm, key)
        except SignatureRefused:
            continue  # two live keys without a kid: the other one may be it
    if not usable:
        raise SignatureRefused("no live key of this kid and algorithm")
    return verify_signature(signed, algorithm, usable[-1])


def _require_claims(desk: OAuthDesk, client: Client, claims: dict[str, Any]) -> None:
    if claims.get("iss") != client.id:
        raise refuse_client("iss and sub must be the client id")
    if claims.get("aud") != desk.issuer:
        raise refuse_client("aud must be the issuer, as a single string")
    now = desk.ground.clock().timestamp()
    expires, issued, begins = _times(claims)
    if not now < expires <= now + ASSERTION_SECONDS:
        raise refuse_client(f"exp must lie within the next {ASSERTION_SECONDS} seconds")
    if max(issued, begins) > now + FUTURE_SECONDS:
        raise refuse_client("iat and nbf must not lie ahead")


def _name_assertion(client: Client, claims: dict[str, Any]) -> Assertion:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise refuse_client("jti must be 1 to 256 characters")
    expires, issued, _ = _times(claims)
    name = hashlib.sha256(f"{client.id}.{jti}".encode()).hexdigest()
    return Assertion(f"client-assertion:{name}", first_use(max(issued, expires - ASSERTION_SECONDS)))


def _spend_and_count(desk: OAuthDesk, client: Client, caller: str, assertion: Assertion | None) -> None:
    if assertion is None:
        count_proven_client(desk, client, caller)
        return
    seconds = ASSERTION_SECONDS + 2 * FUTURE_SECONDS
    if not count_proven_client(desk, client, caller, once=assertion.name, once_seconds=seconds):
        raise refuse_client("This assertion was used before")
    desk.ground.ephemeral.require_memory(assertion.first_use)


def first_use(made: float) -> datetime:
    """Tell from when on a text made then would have been taken: its maker's clock may be that much ahead."""
    return datetime.fromtimestamp(made - FUTURE_SECONDS, UTC)


def _subject_of(certificate: bytes | None) -> str | None:
    if certificate is None:
        return None
    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    except ValueError:
        return None


def _times(claims: dict[str, Any]) -> tuple[float, float, float]:
    expires, issued, begins = (_number(claims.get(name, absent)) for name, absent in (("exp", None), *_BEGINNINGS))
    return expires, issued, begins


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise refuse_client("exp, iat and nbf must be numbers of seconds")
    return float(value)


_READ: dict[str, Callable[[GivenRequest], Claim]] = {
    "none": _read_name,
    "client_secret_basic": _read_basic,
    "client_secret_post": _read_post,
    "private_key_jwt": _read_assertion,
}
