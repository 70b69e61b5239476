"""The bank as an OAuth client: pushed requests, PKCE, private_key_jwt, tokens bound to a customer's app, silent return.

Refresh tokens are not kept: a silent return (docs/decisions/0013) needs none, and what the bank does not have cannot
be stolen from it.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from ecard_client import NotProven, tokens

from bank.calls import Call, Calling, CardServiceRefused
from bank.place import Partner

LEVEL = "L2"
"""How the bank's app authenticates its customers: two factors, one of them a key of the phone in use."""
_FORM = (("Content-Type", "application/x-www-form-urlencoded"),)

AppKey = tokens.Es256Key


class JourneyRefused(Exception):
    """What came back from the card service's login is not what this journey was begun with; ``code`` says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Begun:
    """What has to agree when the browser comes back."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, good with proofs by one customer's app alone."""

    value: str = field(repr=False)
    app_key: AppKey = field(repr=False)
    expires_at: float


class Authorization:
    """The card service's authorization server, as the bank uses it."""

    def __init__(
        self,
        calling: Calling,
        partner: Partner,
        key: tokens.Es256Key,
        redirect_uri: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.calling = calling
        self.partner = partner
        self.redirect_uri = redirect_uri
        self._key = key
        self._now = now
        self._tokens: dict[str, Token] = {}

    # ── by redirect ──────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, scope: str, app_key: AppKey, acr: str = "") -> tuple[Begun, str]:
        """Push a request and return what to keep and the address to which the browser goes."""
        verifier, challenge = tokens.draw_verifier()
        begun = Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(32), verifier)
        asked = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "ui_locales": "zh-CN",
            **({"acr_values": acr} if acr else {}),
        }
        pushed = self._post("/oauth/par", app_key, lambda: asked)
        query = urlencode({"client_id": self.partner.client, "request_uri": pushed["request_uri"]})
        return begun, f"{self.partner.issuer}/oauth/authorize?{query}"

    def finish(self, begun: Begun, came_back: Mapping[str, str], app_key: AppKey) -> tuple[Token, str]:
        """Take the browser back; return a token and the name of the holder here. Raises ``JourneyRefused``."""
        if came_back.get("state") != begun.state or came_back.get("iss") != self.partner.issuer:
            raise JourneyRefused("other_journey")
        if "code" not in came_back:
            raise JourneyRefused(came_back.get("error", "no_code"))
        form = {
            "grant_type": "authorization_code",
            "code": came_back["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": begun.verifier,
        }
        given = self._post("/oauth/token", app_key, lambda: form, once=True)  # a code sent twice ends everything
        subject = self._read_subject(given.get("id_token", ""), begun.nonce)
        return self._token(given, app_key), subject

    # ── silently ─────────────────────────────────────────────────────────────────────────────────────────────────

    def return_to(self, subject: str, app_key: AppKey, authenticated_at: int) -> Token:
        """Return to a link on the bank's own word that its customer is there (RFC 8693), or use the token at hand.

        Raises ``CardServiceRefused`` with ``invalid_grant`` where there is no such link any more.
        """
        known = self._tokens.get(subject)
        if known is not None and known.app_key.thumbprint == app_key.thumbprint and self._now() < known.expires_at - 30:
            return known

        def form() -> dict[str, str]:
            statement = tokens.customer_statement(
                self._key,
                self.partner.client,
                self.partner.issuer,
                subject=subject,
                authenticated_at=authenticated_at,
                acr=LEVEL,
            )
            return {"grant_type": tokens.EXCHANGE, "subject_token_type": tokens.JWT_TYPE, "subject_token": statement}

        token = self._token(self._post("/oauth/token", app_key, form), app_key)
        self._tokens[subject] = token
        return token

    def forget(self, subject: str) -> None:
        """Use a link's token no more."""
        self._tokens.pop(subject, None)

    def call(self, token: Token, call: Call) -> dict[str, Any]:
        """Call the card service with a token."""

        def signed(sent: Call) -> dict[str, str]:
            address = self.partner.issuer + sent.target.partition("?")[0]
            proof = tokens.dpop_proof(token.app_key, sent.method, address, token=token.value)
            return {"Authorization": f"DPoP {token.value}", "DPoP": proof}

        return self.calling.send(call, signed)

    # ── how it is proven ─────────────────────────────────────────────────────────────────────────────────────────

    def _post(
        self, path: str, app_key: AppKey, make: Callable[[], dict[str, str]], *, once: bool = False
    ) -> dict[str, Any]:
        """Post a form; the assertions in it are spent by each try, so each has its own."""

        def call() -> Call:
            assertion = tokens.client_assertion(self._key, self.partner.client, self.partner.issuer)
            identity = {"client_assertion_type": tokens.ASSERTION_TYPE, "client_assertion": assertion}
            body = urlencode({"client_id": self.partner.client, **identity, **make()}).encode()
            return Call("POST", path, body, _FORM)

        def signed(sent: Call) -> dict[str, str]:
            return {"DPoP": tokens.dpop_proof(app_key, sent.method, self.partner.issuer + sent.target)}

        return self.calling.send_anew(call, signed, once=once)

    def _token(self, given: dict[str, Any], app_key: AppKey) -> Token:
        return Token(str(given["access_token"]), app_key, self._now() + float(given["expires_in"]))

    def _read_subject(self, unverified: str, nonce: str) -> str:
        """Verify the ID token and give its subject; raises ``JourneyRefused``."""
        published = self.calling.send(Call("GET", urlsplit(f"{self.partner.issuer}/oauth/jwks").path), lambda _: {})
        asked = {"client": self.partner.client, "issuer": self.partner.issuer, "nonce": nonce}
        try:
            claims = tokens.read_id_token(unverified, published, **asked)
        except NotProven as error:
            raise JourneyRefused("id_token_wrong") from error
        return str(claims["sub"])


def has_ended(refused: CardServiceRefused) -> bool:
    """Tell whether a refusal means that the link is over."""
    return refused.code in {"invalid_grant", "carriage_ended"}
