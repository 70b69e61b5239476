"""The terminal's calls to the service: signed, bounded in time, repeated where repeating is safe.

Every POST carries an Idempotency-Key that stays the same when the call is repeated; the signature's nonce is new each
time. What the service refuses is never repeated.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import httpx

from physical.chip.terminal_messages import (
    AbandonReason,
    AnswerNotUnderstood,
    Completion,
    Hello,
    HelloAnswer,
    SessionState,
    TerminalSession,
    Verified,
    read_hello_answer,
    read_session_state,
    read_terminal_session,
    read_verified,
)
from sm.signed_request import sign_request
from sm.sm2 import Signer

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
MAX_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
PASSING_FAULTS = frozenset({502, 503, 504})  # of a gateway, or a service that starts
WAIT_AND_REPEAT = frozenset({409, 429, 503})  # worth repeating when the service says in how many seconds
ANSWER_FORMS = "application/json, application/problem+json"

Answer = TypeVar("Answer")


class ServiceRefused(Exception):
    """The service said no, and saying it again will not help. `code` is stable; `next_step` is for the operator."""

    def __init__(self, code: str, title: str, next_step: str = "") -> None:
        super().__init__(f"{code}: {title}")
        self.code = code
        self.title = title
        self.next_step = next_step


class ServiceUnavailable(Exception):
    """The service could not be reached, did not answer in time, or answered with a fault of its own."""


@dataclass(frozen=True, slots=True)
class TerminalIdentity:
    """Who signs: the terminal's id, the serial of its key, and the key."""

    terminal: str
    serial_no: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is handed in.

    `now` is aware UTC, `ticks` seconds that only run forward, `random_text` 32 hexadecimal digits, `random_share` a
    number from 0 to 1, `pause` waits for some seconds.
    """

    now: Callable[[], datetime]
    ticks: Callable[[], float]
    random_text: Callable[[], str]
    random_share: Callable[[], float]
    pause: Callable[[float], None]


def open_http(
    service: str, *, language: str = "zh", ca_file: str | None = None, transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """Return a client for the service at this base URL. Proxies of the environment are not used."""
    tls = httpx.create_ssl_context(verify=ca_file) if ca_file else True
    return httpx.Client(
        base_url=service,
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        transport=transport,
        trust_env=False,
        verify=tls,
        headers={"Accept": ANSWER_FORMS, "Accept-Language": language, "User-Agent": "ecard-agent"},
    )


class TerminalClient:
    """One terminal's view of the service. Every call raises ServiceRefused or ServiceUnavailable."""

    def __init__(self, identity: TerminalIdentity, http: httpx.Client, surroundings: Surroundings) -> None:
        self._identity = identity
        self._http = http
        self._surroundings = surroundings

    @property
    def terminal(self) -> str:
        return self._identity.terminal

    def open_session(self, operator: str) -> TerminalSession:
        """Open a terminal session: the service draws the nonce that the phone scans."""
        return self._post("/v1/terminal-sessions", {"operator": operator}, read_terminal_session)

    def session_state(self, session: str) -> SessionState:
        """Ask whether a phone has begun an enrollment over the session's code."""
        return self._call("GET", f"/v1/terminal-sessions/{session}", b"", {}, read_session_state)

    def hello(self, enrollment: str, hello: Hello) -> HelloAnswer:
        """Send what the card showed and proved; get the block that opens EF06."""
        return self._post(f"/v1/enrollments/{enrollment}/hello", hello.as_json(), read_hello_answer)

    def complete(self, enrollment: str, completion: Completion) -> Verified:
        """Send the holder data and the card's signature."""
        return self._post(f"/v1/enrollments/{enrollment}/complete", completion.as_json(), read_verified)

    def abandon(self, enrollment: str, reason: AbandonReason, pin_tries_left: int | None) -> None:
        """End the enrollment for good, with the reason the phone is told."""
        body = {"reason": reason.value, "pin_tries_left": pin_tries_left}
        self._post(f"/v1/enrollments/{enrollment}/abandon", body, lambda _given: None)

    def _post(self, path: str, body: dict[str, Any], read: Callable[[Any], Answer]) -> Answer:
        headers = {"Content-Type": "application/json", "Idempotency-Key": self._surroundings.random_text()}
        return self._call("POST", path, json.dumps(body).encode(), headers, read)

    def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str], read: Callable[[Any], Answer]
    ) -> Answer:
        for attempt in range(MAX_ATTEMPTS):
            outcome = self._attempt(method, path, body, headers)
            pause = pause_before_repeating(outcome, attempt, self._surroundings.random_share())
            if pause is None or attempt == MAX_ATTEMPTS - 1:
                break
            self._surroundings.pause(pause)
        return read_outcome(outcome, read)

    def _attempt(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> httpx.Response | httpx.TransportError:
        request = self._http.build_request(method, path, content=body, headers=headers)
        request.headers["Authorization"] = self._authorization(request, body)
        try:
            return self._http.send(request)
        except httpx.TransportError as error:
            return error

    def _authorization(self, request: httpx.Request, body: bytes) -> str:
        return sign_request(
            self._identity.signer,
            app_id=self._identity.terminal,
            serial_no=self._identity.serial_no,
            method=request.method,
            target=request.url.raw_path.decode("ascii"),
            body=body,
            timestamp=int(self._surroundings.now().timestamp()),
            nonce=self._surroundings.random_text(),
        )


def pause_before_repeating(outcome: httpx.Response | httpx.TransportError, attempt: int, share: float) -> float | None:
    """Return how many seconds to wait before trying again, None where that is useless.

    Twice as long each time, and a random share of it, so that terminals that failed together do not return together.
    """
    backoff = FIRST_PAUSE_SECONDS * float(2**attempt) * (0.5 + share / 2)
    if isinstance(outcome, httpx.TransportError):
        return backoff
    asked = read_retry_after(outcome)
    if asked is not None and asked > LONGEST_PAUSE_SECONDS:
        return None
    if asked is not None and outcome.status_code in WAIT_AND_REPEAT:
        return asked + backoff
    return backoff if outcome.status_code in PASSING_FAULTS else None


def read_retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After; its other form, a date, is not used by this service."""
    given = response.headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() else None


def read_outcome(outcome: httpx.Response | httpx.TransportError, read: Callable[[Any], Answer]) -> Answer:
    """Return the answer of a call, or raise what its outcome means."""
    if isinstance(outcome, httpx.TransportError):
        raise ServiceUnavailable(f"no connection to the service: {type(outcome).__name__}") from outcome
    if outcome.is_success:
        return _read_answer(outcome, read)
    if outcome.is_client_error:
        raise read_problem(outcome)
    raise ServiceUnavailable(f"the service answered {outcome.status_code}")


def _read_answer(response: httpx.Response, read: Callable[[Any], Answer]) -> Answer:
    try:
        return read(json.loads(response.content))
    except (AnswerNotUnderstood, ValueError) as error:
        raise ServiceUnavailable(f"the answer cannot be read: {error}") from error


def read_problem(response: httpx.Response) -> ServiceRefused:
    """Read application/problem+json (RFC 9457); anything else becomes a refusal that names the status only."""
    members = _problem_members(response)
    code, title, next_step = (str(members.get(name, ""))[:200] for name in ("code", "title", "next_step"))
    return ServiceRefused(code or f"http_{response.status_code}", title or response.reason_phrase, next_step)


def _problem_members(response: httpx.Response) -> dict[str, Any]:
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return {}
    try:
        members = json.loads(response.content)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
