"""Authlib's authorization server on our storage: it finds the grant or endpoint and keeps the order of its checks.

Others add to it by ``register_grant`` (device flow) where it is made, in ``open_server``.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer
from sqlalchemy.engine import Connection

from auth.oauth.access_tokens import AccessTokens
from auth.oauth.client_authentication import authenticate_client
from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.device_grant import DeviceGrant
from auth.oauth.errors import OAuth2Error, UseDpopNonceError
from auth.oauth.requests import FormRequest, GivenRequest
from auth.oauth.token_exchange import LinkGrant
from auth.oauth.token_grants import CodeGrant, RefreshGrant, S256Challenge
from auth.oauth.token_status import Introspection, Revocation


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in OAuth's form, before it becomes one of the web framework."""

    status: int
    body: dict[str, Any]
    headers: list[tuple[str, str]] = field(default_factory=list)


class OAuthServer(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """One for each worker; what belongs to a request is in the request."""

    def __init__(self, desk: OAuthDesk, access_tokens: AccessTokens) -> None:
        super().__init__()
        self.desk = desk
        self.access_tokens = access_tokens
        self._thread = local()

    def connection(self) -> Connection:
        """Give the transaction of the request that this thread is answering; it begins when it is first asked for.

        A request that changes nothing, as most refreshes and all introspections, so costs no BEGIN and no COMMIT.
        """
        if self._thread.connection is None:
            transaction = self.desk.ground.database.transaction()
            self._thread.connection = self._thread.stack.enter_context(transaction)
        connection: Connection = self._thread.connection
        return connection

    def answer_token_request(self, given: GivenRequest) -> Answer:
        """Answer at the token endpoint, in one transaction: what a refusal has written, it keeps."""
        return self._answered(lambda: self.create_token_response(given))

    def answer_endpoint(self, name: str, given: GivenRequest) -> Answer:
        """Answer an introspection or a revocation."""
        return self._answered(lambda: self.create_endpoint_response(name, given))

    def authenticate_client(self, request: FormRequest, methods: Any, endpoint: str = "token") -> Client:  # noqa: ARG002 - Authlib's signature
        """Find out who calls, by our own rules in place of Authlib's methods."""
        client, request.auth_method = authenticate_client(self.desk, request.given)
        return client

    def create_oauth2_request(self, request: GivenRequest) -> FormRequest:
        """Wrap a request for Authlib."""
        return request if isinstance(request, FormRequest) else FormRequest(request)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        """Take what a grant or endpoint answers."""
        return Answer(status, body, headers)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody: what happened is in the audit trail."""

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        with ExitStack() as stack:
            self._thread.stack, self._thread.connection = stack, None
            yield

    def _answered(self, respond: Any) -> Answer:
        with self._in_transaction():
            answer: Answer = respond()
        return answer

    def handle_error_response(self, request: FormRequest, error: OAuth2Error) -> Answer:
        """Write an error; one that asks for a nonce carries it."""
        answer: Answer = super().handle_error_response(request, error)
        return with_nonce(self.desk, answer) if isinstance(error, UseDpopNonceError) else answer


def open_server(desk: OAuthDesk) -> OAuthServer:
    """Make the server of a worker."""
    server = OAuthServer(desk, AccessTokens(desk))
    server.register_grant(CodeGrant, [S256Challenge(required=True)])
    server.register_grant(RefreshGrant)
    server.register_grant(DeviceGrant)
    server.register_grant(LinkGrant)
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)
    return server


def error_answer(desk: OAuthDesk, error: OAuth2Error) -> Answer:
    """Write an error of an endpoint that Authlib does not know."""
    status, body, headers = error()
    answer = Answer(status, body, headers)
    return with_nonce(desk, answer) if isinstance(error, UseDpopNonceError) else answer


def with_nonce(desk: OAuthDesk, answer: Answer) -> Answer:
    """Add the nonce that the next proof is to carry."""
    nonce = ("DPoP-Nonce", desk.nonces.current(desk.ground.clock()))
    return Answer(answer.status, answer.body, [*answer.headers, nonce])
