from functools import wraps
from typing import Any, cast

from flask import current_app, request

from auth.arrived import take_plain_body
from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import Anyone, View, allow, caller_address, gate
from channels.desk import ChannelDesk
from channels.doctor.claimed import claimed_request
from channels.doctor.examination import Doctor, FindApp, examine
from channels.doctor.known_apps import own_app, sandbox_apps
from channels.doctor.schemas import ClaimedRequestSchema, ExaminationSchema, content_of
from channels.doctor.told import told
from core.errors import Limited, Missing

doctor = ApiBlueprint("signature_doctor", __name__, url_prefix="/v1", description="Why a signed request was refused.")


def count_examination(caller: str) -> None:
    """Count one more, for each costs some hundred verifications; raises ``Limited``."""
    ground = gate().ground
    most = min(ground.settings.examinations_per_minute, ground.settings.address_requests_per_minute)
    if ground.ephemeral.count(f"examinations:{caller}", 60) > most:
        raise Limited(f"{most} examinations a minute", retry_after=60)


def count_and_read(view: View) -> View:
    """Count whoever need not prove anything by address, before a byte of the body is looked at."""

    @wraps(view)
    def counted(*args: Any, **kwargs: Any) -> Any:
        count_examination(f"address:{caller_address()}")
        take_plain_body(request.get_data())
        return view(*args, **kwargs)

    return counted


@doctor.post("/sandbox/signature-examinations")
@allow(Anyone, idempotent="own")
@count_and_read
@doctor.arguments(ClaimedRequestSchema())
@doctor.response(200, ExaminationSchema)
def examine_in_the_sandbox(given: dict[str, Any]) -> dict[str, Any]:
    """Have a request examined whose signature is refused; need not be signed, knows channels in the sandbox alone.

    Send it as your program sent it, and if you can the base string that it signed: the answer shows the one computed
    here and the first byte that differs. Nothing is carried out and nothing kept.
    """
    desk = _desk()
    with desk.ground.database.transaction() as connection:
        return _examined(desk, sandbox_apps(connection, desk.ground.settings), given)


@doctor.post("/channel/signature-examinations")
@allow(Channel, standing="any", idempotent="own")
@doctor.arguments(ClaimedRequestSchema())
@doctor.response(200, ExaminationSchema)
def examine_own(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Have one of your own requests examined, in any standing: sign this one as you can, put the other into it."""
    count_examination(f"channel:{caller.id}")
    desk = _desk()
    with desk.ground.database.transaction() as connection:
        return _examined(desk, own_app(connection, desk.ground.settings, caller.id), given)


def _desk() -> ChannelDesk:
    return cast("ChannelDesk", current_app.extensions["channels.desk"])


def _examined(desk: ChannelDesk, find_app: FindApp, given: dict[str, Any]) -> dict[str, Any]:
    body = content_of(given, "body") or b""
    origin = desk.ground.settings.issuer
    claimed = claimed_request(given["method"], given["target"], list(given["header_fields"].items()), body, origin)
    now = desk.ground.clock()
    # what is encrypted is not opened here: who asks has not shown that it is its own
    doctor_ = Doctor(desk.provider, now, find_app, _refuse_secret)
    return told(examine(doctor_, claimed, content_of(given, "base_string")), now)


def _refuse_secret(_app: str, _serial: str) -> str:
    raise Missing(
        "what is encrypted is not opened here: send an envelope with encType NONE,"
        " or use ecard sign explain --envelope-secret on your own machine"
    )
