"""What machines call: news is posted here, the card centre asks its questions here.

On this machine alone there are the switches that let the bank fail.
"""

import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ecard_client import NotProven
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from bank.clerk import Clerk
from bank.desk import Desk
from bank.news import NewsMalformed, keep_news, read_news
from bank.port import Arrived, Proofs, QuestionRefused, answer_question, lie, read_question, write_answer
from bank.switches import NoSuchSwitch, Switches

SIGNATURE = "ESSC-Signature"
TOKEN = "Control-Token"  # noqa: S105 - the name of a header
_PING = "ping"
_log = logging.getLogger("bank.back")

back = Blueprint("back", __name__)


@dataclass(frozen=True)
class BackRoom:
    """What the machines' side needs."""

    desk: Desk
    clerk: Clerk
    proofs: Proofs
    switches: Switches
    control_token: str
    pause: Callable[[float], None] = time.sleep


def room() -> BackRoom:
    """Give the back room."""
    found: BackRoom = current_app.extensions["bank.back"]
    return found


class Cut(ConnectionError):
    """The connection ends without an answer: the server takes it as one that broke off."""


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@back.post("/ecard/news")
def take_news() -> ResponseReturnValue:
    """Take a piece of news, any number of times: 204 once it is kept."""
    if (failing := _fail("webhooks")) is not None:
        return failing
    body = request.get_data()
    try:
        message = room().proofs.verify_news(dict(request.headers), body)
    except NotProven:
        return _refuse(401, "signature_wrong")
    if message.get("type") == _PING:
        return "", 204
    try:
        news = read_news(message)
    except NewsMalformed:
        return _refuse(400, "malformed")
    with room().desk.database.transaction() as connection:
        new = keep_news(connection, news, "webhook")
    _log.info("news %s %s position %d %s", news.id, news.kind, news.position, "kept" if new else "known")
    room().clerk.wake()
    return "", 204


# ── The bank port ────────────────────────────────────────────────────────────────────────────────────────────────


@back.post("/ecard/port")
def answer_port() -> ResponseReturnValue:
    """Answer a question about a customer of the bank's core."""
    if (failing := _fail("port")) is not None:
        return failing
    arrived = Arrived(request.method, _target(), request.headers.get("Authorization", ""), request.get_data())
    try:
        nonce = room().proofs.verify_request(arrived)
        question = read_question(arrived.body)
        standing = answer_question(room().desk.database, question, nonce, room().desk.seconds)
    except NotProven:
        return _refuse(401, "signature_wrong")
    except QuestionRefused as refused:
        return _refuse(refused.status, refused.code)
    fault = room().switches.get("port")
    _log.info("asked about %s: %s", question["issuance"], standing.financial_function)
    body = write_answer(question["issuance"], lie() if fault == "lie" else standing)
    return _signed(body, arrived.target, nonce, fault)


def _signed(body: bytes, target: str, nonce: str, fault: str) -> Response:
    """Sign an answer; where a switch says so, for another body or another request."""
    signed_body = body + b" " if fault == "wrong_signature" else body
    signed_nonce = nonce[::-1] if fault == "other_nonce" else nonce
    header = room().proofs.sign_answer(status=200, target=target, nonce=signed_nonce, body=signed_body)
    return Response(body, 200, {SIGNATURE: header, "Cache-Control": "no-store"}, mimetype="application/json")


# ── Failing on purpose ───────────────────────────────────────────────────────────────────────────────────────────


def _fail(name: str) -> ResponseReturnValue | None:
    """Fail as the switch says, or go on."""
    fault = room().switches.get(name)
    if fault == "slow":
        room().pause(room().switches.slow_seconds)
    if fault == "down":
        request.get_data()  # or what is left of it would be taken for the next request
        raise Cut
    return {"broken": _refuse(503, "broken"), "gone": _refuse(410, "gone")}.get(fault)


@back.get("/control")
def show_control() -> ResponseReturnValue:
    """Show the switches."""
    return _controlled(room().switches.show)


@back.post("/control")
def set_control() -> ResponseReturnValue:
    """Set a switch: {"name": "port", "fault": "slow", "seconds": 30}."""

    def act() -> dict[str, Any]:
        given: Any = request.get_json(force=True)
        room().switches.set(str(given["name"]), str(given["fault"]), float(given.get("seconds", 60)))
        return room().switches.show()

    return _controlled(act)


@back.post("/control/work")
def work_now() -> ResponseReturnValue:
    """Let the clerk do everything at once, and tell how many cards the card service knows of."""

    def act() -> dict[str, Any]:
        room().clerk.work_once()
        return {"carriages": room().clerk.take_stock()}

    return _controlled(act)


def _controlled(act: Callable[[], dict[str, Any]]) -> ResponseReturnValue:
    """Let programs of this machine through that have read the token's file; never a browser, whatever page it shows."""
    given = request.headers.get(TOKEN, "")
    if not _is_local() or "Origin" in request.headers or not hmac.compare_digest(given, room().control_token):
        return _refuse(403, "forbidden")
    try:
        return jsonify(act())
    except (NoSuchSwitch, ValueError, KeyError, TypeError):
        return _refuse(400, "malformed")


def _is_local() -> bool:
    host = request.host.rpartition(":")[0] or request.host
    return host in ("127.0.0.1", "[::1]") and ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback  # noqa: S104


def _refuse(status: int, code: str) -> Response:
    return Response(json.dumps({"code": code}), status, mimetype="application/json")


def _target() -> str:
    """Give path and query as they came."""
    raw: str = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path.rstrip("?")
    return raw


def make_back(back_room: BackRoom) -> Flask:
    """Make the application of the machines' side."""
    app = Flask("bank.back", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.extensions["bank.back"] = back_room
    app.register_blueprint(back)
    return app
