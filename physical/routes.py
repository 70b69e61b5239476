from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.guard import Partner, allow
from auth.oauth.desk import OAuthDesk
from auth.oauth.scopes import ENROL
from auth.oauth.server import OAuthServer
from auth.signed_requests import Terminal
from auth.terminal_keys import add_next_key, register_itself
from core.clock import to_text
from core.ground import Ground
from physical.schemas import (
    EnteredKeySchema,
    NewKeySchema,
    OpenSessionSchema,
    RegisteredTerminalSchema,
    TerminalSessionSchema,
)
from physical.terminal_sessions import open_terminal_session

blueprint = ApiBlueprint(
    "terminal-sessions", __name__, url_prefix="/v1/terminal-sessions", description="A reader waits for a phone."
)
terminals = ApiBlueprint(
    "terminals",
    __name__,
    url_prefix="/v1/terminals",
    description="Terminals register themselves and change their keys.",
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


@terminals.post("")
@allow(Partner, scope=ENROL, idempotent="own")
@terminals.arguments(NewKeySchema())
@terminals.response(201, RegisteredTerminalSchema)
def post_terminal(caller: Partner, given: dict[str, str]) -> dict[str, Any]:
    """Register the terminal that an operator has allowed, with its first key.

    The key signs these lines, joined by line feeds: `ESSC-TERMINAL-KEY-1`, issuer, client id, `grant_id` of the token
    answer, RFC 7638 thumbprint of the DPoP key, the public key in hex. The same key again gets the same answer.
    """
    desk = _oauth()
    with desk.ground.database.transaction() as connection:
        made = register_itself(desk, connection, caller.grant, *_key_and_proof(given))
    return {
        "terminal": made.id,
        "serial": made.serial,
        "name": made.name,
        "site": made.site,
        "institution": {"id": made.institution, "name": made.institution_name},
        "purposes": list(made.purposes),
        "not_after": to_text(made.not_after),
    }


@terminals.post("/keys")
@allow(Terminal, idempotent="own")
@terminals.arguments(NewKeySchema())
@terminals.response(201, EnteredKeySchema)
def post_terminal_key(caller: Terminal, given: dict[str, str]) -> dict[str, Any]:
    """Add the terminal's next key, before the one that signs this request ends; at most two live at a time.

    The new key signs these lines, joined by line feeds: `ESSC-NEXT-KEY-1`, issuer, terminal id, serial of the key that
    signs the request, the new public key in hex. The same key again gets the same answer.
    """
    desk = _oauth()
    with desk.ground.database.transaction() as connection:
        entered = add_next_key(desk, connection, caller, *_key_and_proof(given))
    return {"serial": entered.serial, "not_after": to_text(entered.not_after)}


def _oauth() -> OAuthDesk:
    return cast("OAuthServer", current_app.extensions["auth.oauth"]).desk


def _key_and_proof(given: dict[str, str]) -> tuple[bytes, bytes]:
    return bytes.fromhex(given["public_key"]), bytes.fromhex(given["proof"])
