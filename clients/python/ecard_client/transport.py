"""How calls travel: limits of time, repeated where that is safe, signed anew at each try."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from ecard_client import tokens
from ecard_client.errors import NoAnswer, NotProven, OAuthRefused, Refused
from ecard_client.signing import ANSWER_HEADER, AnswerKeys, serial_in, sign_request
from ecard_client.sm2 import SigningKey

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_TRIES = 3
_LONGEST_WAIT = 5.0  # seconds; whoever is told to wait longer gets the refusal
_BUSY = {429, 503}


@dataclass
class Request:
    """One call, ready to be signed."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]


Send = Callable[[Request], httpx.Response]


class Plain:
    """Carries calls that need no proof, and is what the others stand on."""

    def __init__(self, http: httpx.Client, pause: Callable[[float], None] = time.sleep) -> None:
        self._http = http
        self._pause = pause

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        is_form: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        """Send one call and give back the JSON of its answer, or its text where it is none."""
        request = _write(method, path, query or {}, body, is_form=is_form)
        if method == "POST" and not is_form:
            request.headers["Idempotency-Key"] = idempotency_key or secrets.token_urlsafe(18)
        answer = self._persist(request, once=is_form)
        return self.read(answer)

    def try_once(self, request: Request) -> httpx.Response:
        """Send a request as it is; the others prove themselves here."""
        return self._http.request(request.method, request.target, content=request.body, headers=request.headers)

    def read(self, answer: httpx.Response) -> Any:
        """Take the answer, or raise what it says."""
        if answer.is_success:
            is_text = answer.headers.get("Content-Type", "").startswith("text/")
            return answer.text if is_text else answer.json() if answer.content else None
        raise Refused(answer.status_code, _json(answer), _wait(answer))

    def _persist(self, request: Request, *, once: bool) -> httpx.Response:
        fault: Exception | None = None
        for number in range(1 if once else _TRIES):
            try:
                answer = self.try_once(request)
            except httpx.TransportError as lost:
                fault, wait = lost, 0.2 * 2**number
            else:
                wait = _wait(answer) or 0.2 * 2**number
                if answer.status_code not in _BUSY or wait > _LONGEST_WAIT or number + 1 == _TRIES:
                    return answer
            self._pause(wait)
        raise NoAnswer(f"no answer to {request.method} {request.target.partition('?')[0]}") from fault


class Signed(Plain):
    """Signs each request as a channel, and believes no answer that is not signed for it."""

    def __init__(self, http: httpx.Client, channel: str, serial: str, key: SigningKey, answers: AnswerKeys) -> None:
        super().__init__(http)
        self._channel, self._serial, self._key, self._answers = channel, serial, key, answers

    def try_once(self, request: Request) -> httpx.Response:
        """Sign, send, verify."""
        nonce = secrets.token_hex(16)
        request.headers["Authorization"] = sign_request(
            self._key,
            app_id=self._channel,
            serial_no=self._serial,
            method=request.method,
            target=request.target,
            body=request.body,
            timestamp=int(time.time()),
            nonce=nonce,
        )
        answer = super().try_once(request)
        self._verify(request, nonce, answer)
        return answer

    def _verify(self, request: Request, nonce: str, answer: httpx.Response) -> None:
        header = answer.headers.get(ANSWER_HEADER)
        if header is None:
            # before the channel is proven the service cannot sign for it: such a no is a no, such a yes is nobody's
            if not answer.is_error:
                raise NotProven("the answer is not signed")
            return
        if not self._answers.has(serial_in(header)):
            self._answers.take(Plain(self._http).send("GET", "/v1/platform-certificates"))
        self._answers.verify(header, status=answer.status_code, target=request.target, nonce=nonce, body=answer.content)


class WithToken(Plain):
    """Shows a holder's access token with a proof of the key to which it is bound."""

    def __init__(self, http: httpx.Client, issuer: str, token: str, key: tokens.Es256Key) -> None:
        super().__init__(http)
        self._issuer, self._token, self._key = issuer, token, key

    def try_once(self, request: Request) -> httpx.Response:
        """Prove the key and send."""
        address = self._issuer + request.target.partition("?")[0]
        request.headers["Authorization"] = f"DPoP {self._token}"
        request.headers["DPoP"] = tokens.dpop_proof(self._key, request.method, address, token=self._token)
        return super().try_once(request)


class AsClient(Plain):
    """Sends forms to the token server: each with a fresh assertion of the client and a proof of its DPoP key."""

    def __init__(
        self, http: httpx.Client, issuer: str, client: str, key: tokens.Es256Key, dpop: tokens.Es256Key
    ) -> None:
        super().__init__(http)
        self._issuer, self._client, self._key, self._dpop = issuer, client, key, dpop
        self._nonce = ""

    def try_once(self, request: Request) -> httpx.Response:
        """Prove client and key, and once more where the server wants its nonce in the proof."""
        answer = self._prove_and_send(request)
        if answer.status_code == 400 and _json(answer).get("error") == "use_dpop_nonce":
            self._nonce = answer.headers["DPoP-Nonce"]
            answer = self._prove_and_send(request)
        return answer

    def read(self, answer: httpx.Response) -> Any:
        """Take the answer, or raise OAuth's error."""
        if answer.is_success:
            return answer.json() if answer.content else {}
        raise OAuthRefused(answer.status_code, _json(answer), _wait(answer))

    def _prove_and_send(self, request: Request) -> httpx.Response:
        proof = {
            "client_assertion_type": tokens.ASSERTION_TYPE,
            "client_assertion": tokens.client_assertion(self._key, self._client, self._issuer),
        }
        headers = {
            **request.headers,
            "DPoP": tokens.dpop_proof(self._dpop, request.method, self._issuer + request.target, nonce=self._nonce),
        }
        body = request.body + b"&" + urlencode(proof).encode()
        return super().try_once(Request(request.method, request.target, body, headers))


def _write(method: str, path: str, query: Mapping[str, Any], body: Any, *, is_form: bool) -> Request:
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    headers = {"Accept": "application/json"}
    content = b""
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded" if is_form else "application/json"
        content = urlencode(body).encode() if is_form else json.dumps(body, ensure_ascii=False).encode()
    return Request(method, f"{path}?{asked}" if asked else path, content, headers)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        read = answer.json()
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _wait(answer: httpx.Response) -> float | None:
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isdigit() else None
