"""Answers to a channel that is not live go wrong where it has asked for that; requests of live ones pay one look."""

import time
from dataclasses import replace
from threading import Lock
from typing import Any

import structlog
from flask import Flask, Response, request

from auth.channel_requests import Channel
from auth.guard import ANSWER_TO, PROVEN_CHANNEL, gate
from channels.sandbox.errors import SandboxFault
from channels.sandbox.switches import take_fault
from core.errors import Unavailable
from web.problems import answer_refusal

_SWITCHES = "/v1/sandbox/switches"
_log = structlog.get_logger("web.sandbox")
_delaying = Lock()
"""One answer at a time is delayed in each process: the other threads are for everybody else."""


def fail_on_purpose(app: Flask) -> None:
    """Let answers go wrong before they are logged and signed."""
    app.after_request(_fail)


def _fail(response: Response) -> Response:
    channel: Channel | None = request.environ.get(PROVEN_CHANNEL)
    if channel is None or channel.party.is_live or request.path == _SWITCHES:
        return response
    fault = _take(channel.id)
    if fault.get("delay_ms"):
        _delay(fault["delay_ms"] / 1000)
    if fault.get("wrong_signature") and ANSWER_TO in request.environ:
        to = request.environ[ANSWER_TO]
        request.environ[ANSWER_TO] = replace(to, target=f"{to.target}#")  # no request line has a fragment
    if fault.get("status"):
        return _in_place_of(fault["status"])
    return response


def _take(channel: str) -> dict[str, Any]:
    """Use the switch in a transaction of its own; where the database is away nothing goes wrong besides that."""
    try:
        with gate().ground.database.transaction() as connection:
            return take_fault(connection, channel, "answers")
    except Unavailable as refusal:
        _log.warning("switch_not_read", code=refusal.code)
        return {}


def _delay(seconds: float) -> None:
    if _delaying.acquire(blocking=False):
        try:
            time.sleep(seconds)
        finally:
            _delaying.release()


def _in_place_of(status: int) -> Response:
    return answer_refusal(SandboxFault(), status)
