"""A WSGI application around the service that proves requests as the caller whom their route names.

Whatever sends a request writes ``PROVE`` where the proof belongs; it is made over the bytes as they are, right before
the service sees them. A request without it, or with anything else, arrives as it was sent.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from auth.channel_requests import Channel
from auth.guard import DeviceKey, Partner, Phone, Rule
from auth.signed_requests import Terminal
from channels.registry import MOST_REQUESTS, SCOPES
from cli.phone import Phone as PhoneOfHolder
from cli.till import Till
from tests.auth.forging import sha256
from tests.channels.carriers import AppWithLink, make_carrying
from tests.channels.partners import make_partner
from tests.device_flow.terminals_of_tests import settle
from tests.oauth.holder import Holder
from tests.service import Service

PROVE = "prove"
SHORT = "openid card.read card.present card.uses card.report_loss card.unlink"
HEADERS = {"Authorization": PROVE, "DPoP": PROVE}


class Proven:
    """Signs what passes through it; ``phone``, ``till`` and ``channel`` may be changed between requests.

    ``trying`` is the channel that calls what is for the sandbox.

    As a partner calls the software of a terminal that an operator, the phone's holder, has allowed to register itself;
    where it is about the carriage, an app that carries the phone's card.
    """

    def __init__(self, service: Service, phone: PhoneOfHolder, till: Till) -> None:
        self.service = service
        self.phone = phone
        self.till = till
        everything = {"scopes": list(SCOPES), "requests_per_minute": MOST_REQUESTS}
        self.channel = make_partner(service, **everything)
        self.trying = make_partner(service, "sandbox", **everything)
        self._apps: dict[str, tuple[AppWithLink, AppWithLink]] = {}
        town = settle(service, phone)
        self.software = town.let_in(town.software())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        for name, proof in self._proofs(environ, body).items():
            if environ.get(name) == PROVE:
                environ[name] = proof
        return self.service.app(environ, start_response)

    def app_of_card(self, *, signs: bool) -> AppWithLink:
        """Give an app that carries the phone's card, with the link's token or one that outlives the link."""
        card = self.phone.card
        if card not in self._apps:
            app, holder = make_carrying(self.service), Holder(self.service, card, self.phone.device)
            linked = app.link(holder)
            assert linked.sign("first").status_code == 201
            self._apps[card] = (app.link(holder, SHORT), linked)
        return self._apps[card][signs]

    def _proofs(self, environ: dict[str, Any], body: bytes) -> dict[str, str]:
        method, path = environ["REQUEST_METHOD"], _decoded(environ["PATH_INFO"])
        caller = self._caller_of(environ)
        if caller is Terminal:
            return {"HTTP_AUTHORIZATION": self.till.sign(method, _target(environ), body)}
        if caller is Channel:
            channel = self.trying if path.startswith("/v1/sandbox") else self.channel
            return {"HTTP_AUTHORIZATION": channel.sign(method, _target(environ), body)}
        if caller is Phone:
            proof = self.phone.proof(method, path, ath=sha256(self.phone.token.encode()))
            return {"HTTP_AUTHORIZATION": f"DPoP {self.phone.token}", "HTTP_DPOP": proof}
        if caller is Partner and path.startswith("/v1/carriage"):
            linked = self.app_of_card(signs=path == "/v1/carriages")
            shown = linked.app.client.call_headers(linked.token, path, method)
            return {"HTTP_AUTHORIZATION": shown["Authorization"], "HTTP_DPOP": shown["DPoP"]}
        if caller is Partner:
            shown = self.software.client.call_headers(self.software.granted["access_token"], path, method)
            return {"HTTP_AUTHORIZATION": shown["Authorization"], "HTTP_DPOP": shown["DPoP"]}
        if caller is DeviceKey:
            return {"HTTP_DPOP": self.phone.proof(method, path, digest=sha256(body))}
        return {"HTTP_DPOP": self.phone.proof(method, path)}

    def _caller_of(self, environ: dict[str, Any]) -> type | None:
        app = self.service.app
        with app.request_context(environ) as context:
            route = context.request.url_rule
        rule: Rule | None = app.view_functions[route.endpoint].rule if route else None
        return rule.caller if rule else None


def _decoded(path: str) -> str:
    """Read a path as Flask does: WSGI hands over its bytes as latin-1."""
    return path.encode("latin-1").decode(errors="replace")


def _target(environ: dict[str, Any]) -> str:
    path = quote(_decoded(environ["PATH_INFO"]), safe="/:@!$&'()*+,;=-._~")
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
