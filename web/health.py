from typing import Any, cast

from flask import Blueprint, current_app

from auth.guard import Anyone, allow
from core.errors import Unavailable
from physical.hsm import HsmError
from sm.errors import SmError
from web.runtime import Runtime

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
@allow(Anyone)
def get_live() -> dict[str, str]:
    """Say that the process answers; nothing else is looked at."""
    return {"status": "alive"}


@blueprint.get("/readyz")
@allow(Anyone)
def get_ready() -> tuple[dict[str, Any], int]:
    """Say whether this worker can do its work.

    Database and key store must be there. Without a card HSM nobody can enroll, while no key may sign nobody gets a
    signed code; codes are taken all the same, so both leave the worker ready.
    """
    runtime = cast("Runtime", current_app.extensions["web.runtime"])
    checks = {"database": _database(runtime), "keys": _keys(runtime), "card_hsm": _hsm(runtime)}
    ready = checks["database"] == "ok" and checks["keys"] != "away"
    return {"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503


def _database(runtime: Runtime) -> str:
    try:
        runtime.ground.database.ping()
    except Unavailable:
        return "away"
    return "ok"


def _keys(runtime: Runtime) -> str:
    try:
        keys = runtime.codes.keys()
    except (SmError, Unavailable):
        return "away"
    return "ok" if keys.minting else "none may sign"


def _hsm(runtime: Runtime) -> str:
    try:
        runtime.enrollment.proofs.hsm.health()
    except HsmError:
        return "away"
    return "ok"
