from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.guard import allow
from auth.signed_requests import Terminal
from core.clock import to_text
from core.ground import Ground
from physical.schemas import OpenSessionSchema, TerminalSessionSchema
from physical.terminal_sessions import open_terminal_session

blueprint = ApiBlueprint(
    "terminal-sessions", __name__, url_prefix="/v1/terminal-sessions", description="A reader waits for a phone."
)


@blueprint.post("")
@allow(Terminal, scope="enroll")
@blueprint.arguments(OpenSessionSchema())
@blueprint.response(201, TerminalSessionSchema)
def post_terminal_session(caller: Terminal, given: dict[str, Any]) -> dict[str, Any]:
    """Open a session; the reader shows ``display`` as a QR code for the phone."""
    ground = cast("Ground", current_app.extensions["core.ground"])
    with ground.database.transaction() as connection:
        session = open_terminal_session(ground, connection, caller, given["operator"])
    return {
        "id": session.id,
        "terminal_nonce": session.terminal_nonce,
        "expires_at": to_text(session.expires_at),
        "display": session.display,
    }
