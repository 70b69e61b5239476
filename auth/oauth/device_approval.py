"""The operator's side of the device flow: he types what the terminal shows, sees who asks, and allows or refuses.

A login is for one terminal. The request that was typed belongs to the login that typed it last, and only that one can
answer it (RFC 8628 sections 3.3 and 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.errors import StepUpNeeded
from auth.institution_operators import (
    WRONG_CODES_SECONDS,
    Appointment,
    NotAnOperator,
    TooManyWrongCodes,
    count_wrong_code,
    end_appointment,
    lock_appointment,
    require_tries_left,
)
from auth.oauth.clients import Client, millis_now
from auth.oauth.desk import OAuthDesk
from auth.oauth.device_authorization import DeviceAuthorization, find_authorization, user_code_of
from auth.oauth.grants import Grant, end_grant, start_grant
from auth.oauth.models import device_authorizations, oauth_grants
from auth.oauth.profiles import DEVICE_SECONDS
from auth.oauth.scopes import ENROL, SCOPES, reaches
from core.clock import from_millis, to_millis
from core.database import changed_one
from core.errors import Kind, Limited, Malformed, Refusal

_MOST_FROM_ADDRESS = 50
_LONGEST_NAME = 100
_DAY = timedelta(days=1)


class UserCodeUnknown(Refusal):
    kind = Kind.MISSING
    code = "user_code_unknown"
    title_en = "No terminal is waiting under this code."
    title_zh = "没有终端在等待该代码。"
    next_en = "Compare it with the code on the terminal; after ten minutes the terminal has to ask for a new one."
    next_zh = "请与终端上显示的代码核对；代码十分钟内有效，过期后请在终端上重新获取。"


class TerminalRequestOver(Refusal):
    kind = Kind.GONE
    code = "terminal_request_over"
    title_en = "This terminal's request has ended or was answered already."
    title_zh = "该终端的登记请求已结束或已处理。"
    next_en = "Begin again at the terminal."
    next_zh = "请在终端上重新发起。"


class PurposesNotAllowed(Refusal):
    kind = Kind.FORBIDDEN
    code = "purposes_not_allowed"
    title_en = "Terminals of this institution may not take codes for this purpose."
    title_zh = "该机构的终端不得受理此用途的二维码。"
    next_en = "Choose among the purposes shown, or ask the card centre to change them."
    next_zh = "请在所列用途中选择，或联系社保卡中心变更。"


@dataclass(frozen=True, slots=True)
class Operator:
    """A holder at the page, as his login has proven him; ``login`` is its id."""

    card: str
    device: str | None
    login: str
    acr: str
    amr: tuple[str, ...]
    authenticated_at: datetime


@dataclass(frozen=True, slots=True)
class AskingTerminal:
    """What the operator is shown: which software asks, from where and since when, and the code to compare.

    ``is_proven``: the software has a key of its own; otherwise anybody could use its name.
    """

    user_code: str
    name_zh: str
    name_en: str
    is_proven: bool
    address: str
    begun_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewTerminal:
    """What the operator says the terminal is."""

    institution: str
    name: str
    site: str
    purposes: tuple[str, ...]


def take_request(
    desk: OAuthDesk, connection: Connection, operator: Operator, typed: str | None, address: str
) -> AskingTerminal:
    """Find the request behind a user code and tie it to this login.

    ``typed`` is the handle of what was typed (``device_authorization.typed_handle``), ``address`` from where the
    operator calls. Raises ``UserCodeUnknown``, ``NotAnOperator``, ``TooManyWrongCodes``, ``TerminalRequestOver`` for a
    login that has answered a terminal, and ``Unavailable`` where tries cannot be counted.
    """
    require_tries_left(connection, operator.card, desk.ground.clock())
    counted = f"wrong-user-codes:{desk.stored.handle('operator-address', address)}"
    if desk.ground.ephemeral.counted(counted) >= _MOST_FROM_ADDRESS:
        raise TooManyWrongCodes(retry_after=WRONG_CODES_SECONDS)
    if typed is None:
        raise UserCodeUnknown
    if not _tie(desk, connection, operator, typed):
        count_wrong_code(connection, operator.card, desk.ground.clock())
        desk.ground.ephemeral.count(counted, WRONG_CODES_SECONDS)
        raise UserCodeUnknown(recorded=True)
    return get_asking_terminal(desk, connection, operator)


def get_asking_terminal(desk: OAuthDesk, connection: Connection, operator: Operator) -> AskingTerminal:
    """Find again what this login has typed; raises ``TerminalRequestOver``."""
    found, client = _get_open(desk, connection, operator)
    return AskingTerminal(
        user_code=user_code_of(desk, found.id),
        name_zh=client.name_zh,
        name_en=client.name_en,
        is_proven=not client.is_public,
        address=found.address,
        begun_at=from_millis(found.begun_at),
        expires_at=from_millis(found.expires_at),
    )


def has_taken(connection: Connection, operator: Operator) -> bool:
    """Tell whether a code was typed with this login, whatever became of its request."""
    return find_authorization(connection, device_authorizations.c.login == operator.login) is not None


def is_still_for(connection: Connection, operator: Operator, shown: str | None) -> bool:
    """Tell whether this login still answers the request whose code its page showed, and hold it until the answer.

    ``shown`` is the handle of that code: in another window, or by going back, the same login may have taken another.
    """
    columns = device_authorizations.c
    taken = sa.select(columns.id).where(columns.login == operator.login, columns.user_code == shown)
    return shown is not None and connection.execute(taken.with_for_update()).first() is not None


def allow_terminal(desk: OAuthDesk, connection: Connection, operator: Operator, given: NewTerminal) -> None:
    """Allow the terminal that this login has typed to register itself, as what the operator says it is.

    Raises ``NotAnOperator``, ``TerminalRequestOver``, ``PurposesNotAllowed``, ``StepUpNeeded``, ``Limited`` or
    ``Malformed``.
    """
    found, client = _get_open(desk, connection, operator)
    _require_holder(desk, operator)
    appointed = lock_appointment(connection, operator.card, given.institution, desk.ground.clock())
    _require_description(given)
    require_purposes(appointed, given.purposes)
    _require_below_limit(desk, connection, appointed)
    grant = _grant(desk, connection, operator, client)
    said: dict[str, object] = {"name": given.name, "site": given.site, "purposes": list(given.purposes)}
    decided = {"operator": operator.card, "institution": given.institution, "grant_id": grant.id}
    _answer(desk, connection, found, operator, "allowed", decided | said)


def refuse_terminal(desk: OAuthDesk, connection: Connection, operator: Operator) -> None:
    """Refuse the terminal that this login has typed; raises ``TerminalRequestOver``."""
    found, _client = _get_open(desk, connection, operator)
    _answer(desk, connection, found, operator, "refused", {"operator": operator.card})


def dismiss_operator(desk: OAuthDesk, connection: Connection, card: str, institution: str, *, actor: str) -> bool:
    """End an appointment, and what the operator has allowed and no terminal has used; False if there is none."""
    ground = desk.ground
    now = ground.clock()
    if not end_appointment(connection, card=card, institution=institution, at=now):
        return False
    for grant in list_unused_grants(connection, card, institution, now):
        end_grant(ground, connection, grant, because="operator_dismissed", actor=actor)
    detail = {"card": card}
    ground.audit.record(connection, actor=actor, act="operator.dismissed", subject=institution, detail=detail, at=now)
    return True


def list_unused_grants(connection: Connection, card: str, institution: str, at: datetime) -> list[str]:
    """List the grants of an operator that still count and with which no terminal has registered itself."""
    columns, grants = device_authorizations.c, oauth_grants.c
    mine = sa.and_(columns.operator == card, columns.institution == institution, columns.terminal.is_(None))
    counts = sa.and_(grants.ended_at.is_(None), grants.expires_at > to_millis(at))
    joined = device_authorizations.join(oauth_grants, grants.id == columns.grant_id)
    return list(connection.execute(sa.select(grants.id).select_from(joined).where(mine, counts)).scalars())


def _tie(desk: OAuthDesk, connection: Connection, operator: Operator, typed: str) -> bool:
    columns = device_authorizations.c
    let_go = device_authorizations.update().where(columns.login == operator.login, columns.state == "pending")
    connection.execute(let_go.values(login=None))
    if find_authorization(connection, columns.login == operator.login):  # one login answers one terminal
        raise TerminalRequestOver
    waiting = device_authorizations.update().where(
        columns.user_code == typed, columns.state == "pending", columns.expires_at > millis_now(desk.ground)
    )
    return changed_one(connection, waiting.values(login=operator.login))


def _get_open(desk: OAuthDesk, connection: Connection, operator: Operator) -> tuple[DeviceAuthorization, Client]:
    columns = device_authorizations.c
    still_open = (columns.state == "pending", columns.expires_at > millis_now(desk.ground))
    found = find_authorization(connection, columns.login == operator.login, *still_open)
    client = desk.clients.find(found.client) if found else None
    if found is None or client is None:
        raise TerminalRequestOver
    return found, client


def _require_holder(desk: OAuthDesk, operator: Operator) -> None:
    """Require that the operator's own card stands good and was proven well enough."""
    card = desk.card_states(desk.ground.database, operator.card)
    if card is None or not card.active:
        raise NotAnOperator
    if not reaches(operator.acr, SCOPES[ENROL].least_level):
        raise StepUpNeeded(SCOPES[ENROL].least_level)


def _require_description(given: NewTerminal) -> None:
    for said in (given.name, given.site):
        if not said.strip() or len(said) > _LONGEST_NAME or not said.isprintable():
            raise Malformed(f"name and site have 1 to {_LONGEST_NAME} printable characters")


def require_purposes(appointed: Appointment, purposes: tuple[str, ...]) -> None:
    """Require purposes of the institution, each once; only a reader needs none. Raises ``PurposesNotAllowed``."""
    if len(set(purposes)) != len(purposes) or not set(purposes) <= set(appointed.purposes):
        raise PurposesNotAllowed
    if not purposes and "enroll" not in appointed.scopes:
        raise PurposesNotAllowed("a terminal that takes codes needs a purpose")


def _require_below_limit(desk: OAuthDesk, connection: Connection, appointed: Appointment) -> None:
    most, columns = desk.ground.settings.terminals_per_institution_day, device_authorizations.c
    since = millis_now(desk.ground) - int(_DAY.total_seconds()) * 1000
    lately = sa.and_(columns.institution == appointed.institution, columns.decided_at > since)
    if connection.execute(sa.select(sa.func.count()).where(lately)).scalar_one() >= most:
        raise Limited(f"terminals_per_institution_day: {most}", retry_after=3600)


def _grant(desk: OAuthDesk, connection: Connection, operator: Operator, client: Client) -> Grant:
    now = desk.ground.clock()
    return start_grant(
        connection,
        client=client,
        card=None,
        device=operator.device,
        scopes=(ENROL,),
        resources=(desk.api,),
        acr=operator.acr,
        amr=operator.amr,
        authenticated_at=operator.authenticated_at,
        at=now,
        expires_at=now + timedelta(seconds=DEVICE_SECONDS),
    )


def _answer(
    desk: OAuthDesk,
    connection: Connection,
    found: DeviceAuthorization,
    operator: Operator,
    state: str,
    values: Mapping[str, object],
) -> None:
    """Write the operator's answer; of several at once one counts."""
    columns, now = device_authorizations.c, millis_now(desk.ground)
    still_open = device_authorizations.update().where(
        columns.id == found.id,
        columns.login == operator.login,
        columns.state == "pending",
        columns.expires_at > now,
    )
    if not changed_one(connection, still_open.values(state=state, decided_at=now, **values)):
        raise TerminalRequestOver
    detail = {"client": found.client, **{name: values[name] for name in ("institution", "grant_id") if name in values}}
    desk.ground.audit.record(
        connection,
        actor=operator.device or operator.card,
        act=f"terminal.{state}",
        subject=found.id,
        detail=detail,
        at=desk.ground.clock(),
    )
