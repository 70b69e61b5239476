"""What the holder of a made-up card does elsewhere: the developer says it, the service does it as for everybody."""

from collections.abc import Callable, Mapping

from sqlalchemy.engine import Connection

from auth.devices import require_active_device
from auth.guard import Phone
from auth.login.codes import code_handle
from auth.login.errors import LoginOver
from auth.login.logins import approve_login, deny_login, see_login
from auth.login.purposes import OAUTH
from auth.login.records import find_login_by_code
from auth.oauth.grants import end_links_of
from auth.oauth.interactions import get_interaction
from channels.registry import RegisteredChannel
from channels.sandbox.cards import MadeUpCard
from channels.sandbox.desk import SandboxDesk
from channels.sandbox.made_up import PASSWORD
from core.outbox import record_event
from ecard.password import enter_password
from ecard.standing import cancel_card, lift_loss, report_loss

_ACTOR = "sandbox"

Act = Callable[[SandboxDesk, Connection, RegisteredChannel, MadeUpCard], None]


def answer_login(
    desk: SandboxDesk,
    connection: Connection,
    channel: RegisteredChannel,
    card: MadeUpCard,
    *,
    code: str,
    approves: bool,
) -> str | None:
    """Answer a login of the channel's own client as the phone of a made-up holder; give the number to type in.

    None where it is denied. Raises ``LoginOver`` for a code that is unknown, over, or of another client's login, and
    ``CardNotGood``, ``DeviceEnded``, ``LoginLimit``.
    """
    login = find_login_by_code(connection, code_handle(desk.login.stored, code))
    if login is None or login.purpose != OAUTH:
        raise LoginOver
    asked = get_interaction(desk.login.oauth, connection, login.reference, browser=login.browser)
    if asked.client.id != channel.client:
        raise LoginOver
    device = require_active_device(connection, card.id, card.device or "")
    phone = Phone(device.id, card.id, device.thumbprint, card.level)
    seen = see_login(desk.login, connection, phone, code)
    if approves:
        return approve_login(desk.login, connection, phone, seen.id)
    deny_login(desk.login, connection, phone, seen.id)
    return None


def _report_loss(desk: SandboxDesk, connection: Connection, _channel: RegisteredChannel, card: MadeUpCard) -> None:
    report_loss(desk.ground, connection, card.chip_card, actor=_ACTOR)


def _lift_loss(desk: SandboxDesk, connection: Connection, _channel: RegisteredChannel, card: MadeUpCard) -> None:
    lift_loss(desk.ground, connection, card.chip_card, actor=_ACTOR)


def _cancel(desk: SandboxDesk, connection: Connection, _channel: RegisteredChannel, card: MadeUpCard) -> None:
    cancel_card(desk.ground, connection, card.chip_card, actor=_ACTOR)


def _unlink(desk: SandboxDesk, connection: Connection, channel: RegisteredChannel, card: MadeUpCard) -> None:
    if channel.client is not None:
        end_links_of(
            desk.ground, connection, card.id, channel.client, because="ended_by_holder", actor=card.device or _ACTOR
        )


def _reset_password(desk: SandboxDesk, connection: Connection, _channel: RegisteredChannel, card: MadeUpCard) -> None:
    """Set the published password anew: the next one to sign the card is told of a reset."""
    enter_password(desk.passwords, connection, card.holder, PASSWORD)
    content = {"how": "reset"}
    record_event(connection, "card.password_changed", card=card.id, content=content, at=desk.ground.clock())


HOLDER_ACTS: Mapping[str, Act] = {
    "report_loss": _report_loss,
    "lift_loss": _lift_loss,
    "unlink": _unlink,
    "reset_password": _reset_password,
    "cancel": _cancel,
}
