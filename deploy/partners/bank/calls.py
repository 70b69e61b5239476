"""Calls of the card service: time-outs, another try with the same Idempotency-Key, and answers as types.

Every call says how its request is made, so that each try is signed anew: a nonce or a proof is good for one.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
PAUSES = (0.3, 1.5)
"""Seconds before the second and the third try."""
_TOO_MANY, _CONFLICT = 429, 409
_STILL_RUNNING = frozenset({"request_in_progress"})


class CardServiceRefused(Exception):
    """A "no" of the card service.

    Attributes:
        status: of HTTP.
        code: the service's own, or OAuth's ``error``.
        title: what it says of it, in Chinese.
        request_id: for its log.
    """

    def __init__(self, status: int, code: str, title: str = "", request_id: str = "") -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.title = title
        self.request_id = request_id


class CardServiceSilent(Exception):
    """No answer, or none that tells anything; what was asked for may have happened or not."""


class AnswerNotProven(CardServiceSilent):
    """An answer that the card service did not sign for this request: as good as none."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the bank's.

    Attributes:
        method: of HTTP.
        target: path and query.
        body: as it is sent, and signed.
        headers: besides those of who calls.
    """

    method: str
    target: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Answer = TypeVar("Answer")
Signed = Callable[[Call], dict[str, str]]
"""Give the headers by which a request proves who sends it; called anew for each try."""
Proven = Callable[[Call, httpx.Response], None]
"""Raise ``AnswerNotProven`` unless an answer is the card service's and to this call."""


class Calling:
    """Sends calls to the card service."""

    def __init__(self, http: httpx.Client, pause: Callable[[float], None] = time.sleep) -> None:
        self.http = http
        self._pause = pause

    def send(self, call: Call, signed: Signed, proven: Proven | None = None) -> dict[str, Any]:
        """Send a call until it is answered, three times at most.

        Raises ``CardServiceRefused`` and ``CardServiceSilent``.
        """
        return self.send_anew(lambda: call, signed, proven)

    def send_anew(
        self, make: Callable[[], Call], signed: Signed, proven: Proven | None = None, *, once: bool = False
    ) -> dict[str, Any]:
        """Send what is made anew for each try, because a part of it is good for one; ``once`` never tries again."""
        return self._try(make, signed, proven, _read, once=once)

    def fetch(self, call: Call, signed: Signed, proven: Proven) -> bytes:
        """Send a call that is answered with a file; raises as ``send``."""
        return self._try(lambda: call, signed, proven, _read_file, once=False)

    def _try(
        self,
        make: Callable[[], Call],
        signed: Signed,
        proven: Proven | None,
        read: Callable[[httpx.Response], Answer],
        *,
        once: bool,
    ) -> Answer:
        key = secrets.token_hex(16)
        for pause in () if once else PAUSES:
            try:
                return read(self._once(make(), signed, proven, key))
            except CardServiceRefused as refused:
                if not _may_change(refused):
                    raise
            except CardServiceSilent:
                pass
            self._pause(pause)
        return read(self._once(make(), signed, proven, key))

    def _once(self, call: Call, signed: Signed, proven: Proven | None, key: str) -> httpx.Response:
        sent = {"Accept-Language": "zh", **dict(call.headers), **signed(call)}
        if call.method == "POST":
            sent["Idempotency-Key"] = key
        if call.body:
            sent.setdefault("Content-Type", "application/json")
        try:
            answer = self.http.request(call.method, call.target, content=call.body, headers=sent)
        except httpx.TransportError as error:
            raise CardServiceSilent(type(error).__name__) from error
        if answer.status_code >= 500:
            raise CardServiceSilent(f"{answer.status_code}")
        if proven is not None:
            proven(call, answer)
        return answer


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        given: Any = answer.json()
    except ValueError as error:
        raise CardServiceSilent("no JSON") from error
    if not isinstance(given, dict):
        raise CardServiceSilent("no object")
    if answer.is_success:
        return given
    code, title = given.get("code", given.get("error", "")), given.get("title", "")
    raise CardServiceRefused(answer.status_code, str(code), str(title), str(given.get("request_id", "")))


def _read_file(answer: httpx.Response) -> bytes:
    if not answer.is_success:
        _read(answer)  # which raises what it says
    return answer.content


def _may_change(refused: CardServiceRefused) -> bool:
    """Tell whether the same request may be answered otherwise in a moment."""
    return refused.status == _TOO_MANY or (refused.status == _CONFLICT and refused.code in _STILL_RUNNING)
