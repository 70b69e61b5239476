from typing import Any, cast

from flask import current_app, request

from auth.blueprints import ApiBlueprint
from auth.devices import find_device
from auth.errors import DeviceEnded
from auth.guard import DeviceKey, Phone, allow
from auth.parties import name_of_party
from auth.signed_requests import Terminal
from core.clock import to_text
from core.errors import Missing
from core.ground import Ground
from ecard.cards import ElectronicCard, get_card
from ecard.desk import EnrollmentDesk, PasswordDesk
from ecard.enrollment import (
    abandon_enrollment,
    accept_complete,
    accept_hello,
    holder_of,
    start_enrollment,
    view_enrollment,
)
from ecard.enrollment_records import find_enrollment_of_session
from ecard.holders import get_holder, mask_name
from ecard.issuance import issue_card
from ecard.password import PasswordState, keep_password, view_password
from ecard.policy import may_pay
from ecard.schemas import (
    AbandonSchema,
    CardSchema,
    CardStateSchema,
    CompletedSchema,
    CompleteSchema,
    ConfirmSchema,
    CredentialSchema,
    EnrollmentSchema,
    HelloAnswerSchema,
    HelloSchema,
    IssuedSchema,
    PasswordSchema,
    SetPasswordSchema,
    StartedSchema,
    StartSchema,
    StateSchema,
)
from ecard.standing import report_loss
from physical.card_proofs import Hello
from physical.schemas import SessionStateSchema
from physical.terminal_sessions import get_terminal_session

enrollments = ApiBlueprint("enrollments", __name__, url_prefix="/v1", description="Phone, reader and chip card meet.")
cards = ApiBlueprint("cards", __name__, url_prefix="/v1/cards", description="The electronic card of a phone.")


def desk() -> EnrollmentDesk:
    return cast("EnrollmentDesk", current_app.extensions["ecard.desk"])


def passwords() -> PasswordDesk:
    return cast("PasswordDesk", current_app.extensions["ecard.passwords"])


@enrollments.get("/terminal-sessions/<session>")
@allow(Terminal, scope="enroll")
@enrollments.response(200, SessionStateSchema)
def get_session(caller: Terminal, session: str) -> dict[str, Any]:
    """Ask whether a phone has begun; the reader polls this while it shows the code."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        found = get_terminal_session(connection, session, terminal=caller.id)
        begun = find_enrollment_of_session(connection, session)
    state = "expired" if ground.clock() >= found.expires_at else found.state
    enrollment = begun and {
        "id": begun.id,
        "service_nonce": begun.service_nonce,
        "device_key_sm3": begun.device_key_sm3,
        "expires_at": to_text(begun.expires_at),
    }
    return {"id": found.id, "state": state, "enrollment": enrollment}


@enrollments.post("/enrollments")
@allow(DeviceKey, idempotent="own")
@enrollments.arguments(StartSchema())
@enrollments.response(201, StartedSchema)
def post_enrollment(caller: DeviceKey, given: dict[str, Any]) -> dict[str, Any]:
    """Begin with the code that the reader shows."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        enrollment = start_enrollment(ground, connection, caller.proof, **given)
        terminal = name_of_party(connection, enrollment.terminal)
    return {
        "id": enrollment.id,
        "state": enrollment.state,
        "service_nonce": enrollment.service_nonce,
        "expires_at": to_text(enrollment.expires_at),
        "terminal": {"id": enrollment.terminal, "name": terminal},
    }


@enrollments.post("/enrollments/<enrollment>/hello")
@allow(Terminal, scope="enroll", idempotent="own")
@enrollments.arguments(HelloSchema())
@enrollments.response(200, HelloAnswerSchema)
def post_hello(caller: Terminal, given: dict[str, Any], enrollment: str) -> dict[str, Any]:
    """Hand over what the chip proved; get what opens the holder's data on it."""
    with desk().ground.database.transaction() as connection:
        return accept_hello(desk(), connection, caller, enrollment, _hello(given), request.get_data())


@enrollments.post("/enrollments/<enrollment>/complete")
@allow(Terminal, scope="enroll", idempotent="own")
@enrollments.arguments(CompleteSchema())
@enrollments.response(200, CompletedSchema)
def post_complete(caller: Terminal, given: dict[str, Any], enrollment: str) -> dict[str, Any]:
    """Hand over the holder's data and the chip's signature over the binding."""
    with desk().ground.database.transaction() as connection:
        level = accept_complete(
            desk(),
            connection,
            caller,
            enrollment,
            holder_data=bytes.fromhex(given["holder_data"]),
            signature=bytes.fromhex(given["signature"]) if given["signature"] else None,
            pin_verified=given["pin_verified"],
            default_pin=given["default_pin"],
            given=request.get_data(),
        )
    return {"state": "verified", "level": level}


@enrollments.post("/enrollments/<enrollment>/abandon")
@allow(Terminal, scope="enroll")
@enrollments.arguments(AbandonSchema())
@enrollments.response(200, StateSchema)
def post_abandon(caller: Terminal, given: dict[str, Any], enrollment: str) -> dict[str, Any]:
    """Give up: the card was pulled, the PIN was wrong, the operator stopped."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        abandon_enrollment(ground, connection, caller, enrollment, given["reason"])
    return {"state": "refused"}


@enrollments.get("/enrollments/<enrollment>")
@allow(DeviceKey)
@enrollments.response(200, EnrollmentSchema)
def get_enrollment_state(caller: DeviceKey, enrollment: str) -> dict[str, Any]:
    """See how far it is, and whose card it is before confirming."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        found = view_enrollment(ground, connection, caller.proof, enrollment)
        terminal = name_of_party(connection, found.terminal)
    name = mask_name(holder_of(ground, found).name) if found.holder_data else None
    return {
        "id": found.id,
        "state": found.state,
        "holder_name": name,
        "terminal": {"id": found.terminal, "name": terminal},
        "level": found.level,
        "chip_card": found.chip_card if found.state in {"verified", "issued"} else None,
        "refusal": {"code": found.refused_because} if found.refused_because else None,
    }


@enrollments.post("/enrollments/<enrollment>/confirm")
@allow(DeviceKey, idempotent="own")
@enrollments.arguments(ConfirmSchema())
@enrollments.response(201, IssuedSchema)
def post_confirm(caller: DeviceKey, given: dict[str, Any], enrollment: str) -> dict[str, Any]:
    """Say yes; the electronic card is issued to this phone."""
    issued = issue_card(desk(), caller.proof, enrollment, **given)
    return {
        "id": issued.card.id,
        "device": issued.device,
        "level": issued.card.level,
        "state": issued.card.standing,
        "credential": issued.card.credential,
        "issued_at": to_text(issued.card.issued_at),
    }


@cards.get("/<card>")
@allow(Phone, scope="card")
@cards.response(200, CardSchema)
def get_card_state(caller: Phone, card: str) -> dict[str, Any]:
    """See the card as it stands now."""
    ground = desk().ground
    found = own_card(ground, caller, card)
    with ground.database.transaction() as connection:
        holder = get_holder(ground, connection, found.holder)
    return {
        "id": found.id,
        "state": found.standing,
        "level": found.level,
        "payment": may_pay(found.level, default_pin=found.default_pin),
        "holder_name": mask_name(holder.name),
        "region": found.region,
        "issued_at": to_text(found.issued_at),
    }


@cards.get("/<card>/credential")
@allow(Phone, scope="card")
@cards.response(200, CredentialSchema)
def get_credential(caller: Phone, card: str) -> dict[str, Any]:
    """Fetch the signed statement again."""
    return {"credential": own_card(desk().ground, caller, card).credential}


@cards.post("/<card>/loss-reports")
@allow(Phone, scope="card")
@cards.response(201, CardStateSchema)
def post_loss_report(caller: Phone, card: str) -> dict[str, Any]:
    """Report the chip card lost (挂失): no code is shown or taken from this moment on.

    The bank function of the card is not covered: report it to the card's bank as well.
    """
    ground = desk().ground
    with ground.database.transaction() as connection:
        found = own_card(ground, caller, card)
        report_loss(ground, connection, found.chip_card, actor=caller.device)
    return {"id": card, "state": "suspended"}


@cards.get("/<card>/password")
@allow(Phone, scope="card")
@cards.response(200, PasswordSchema)
def get_password(caller: Phone, card: str) -> dict[str, Any]:
    """See whether there is a password and whether it is locked."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        found = own_card(ground, caller, card)
        return _password_view(view_password(passwords(), connection, found.holder))


@cards.put("/<card>/password")
@allow(Phone, scope="card")
@cards.arguments(SetPasswordSchema())
@cards.response(200, PasswordSchema)
def put_password(caller: Phone, given: dict[str, Any], card: str) -> dict[str, Any]:
    """Set the password (电子社保卡密码), change it, or reset it after it was forgotten or locked.

    To set or reset it, hold the chip card to a reader with this phone within the ten minutes before; to change it, send
    the current one. It counts for all cards of the holder and in every channel.
    """
    ground = desk().ground
    with ground.database.transaction() as connection:
        found = own_card(ground, caller, card)
        keep_password(passwords(), connection, found, caller.device, given=given["password"], current=given["current"])
        return _password_view(view_password(passwords(), connection, found.holder))


def own_card(ground: Ground, caller: Phone, card: str) -> ElectronicCard:
    """Find the caller's own card; anybody else's looks as if it were not there."""
    if card != caller.card:
        raise Missing
    with ground.database.transaction() as connection:
        device = find_device(connection, caller.device)
        if device is None or device.standing != "active":
            raise DeviceEnded
        return get_card(connection, card)


def _hello(given: dict[str, Any]) -> Hello:
    certificate = given["certificate"]
    return Hello(
        atr=bytes.fromhex(given["atr"]),
        interface=given["interface"],
        algorithm=given["algorithm"],
        issuer_data=bytes.fromhex(given["issuer_data"]),
        internal_authentication=bytes.fromhex(given["internal_authentication"]),
        certificate=bytes.fromhex(certificate) if certificate else None,
        challenge=bytes.fromhex(given["challenge"]),
        pin_tries_left=given["pin_tries_left"],
        round_trip_ms=given["round_trip_ms"],
    )


def _password_view(state: PasswordState) -> dict[str, Any]:
    return {
        "set": state.is_set,
        "locked": state.is_locked,
        "locked_until": to_text(state.locked_until) if state.locked_until else None,
        "tries_left": state.tries_left,
        "changed_at": to_text(state.changed_at) if state.changed_at else None,
    }
