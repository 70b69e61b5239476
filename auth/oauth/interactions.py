"""Login requests: from a judged authorization request to a code, by way of whoever asks the holder.

The pages that do so know an interaction by its id and call ``complete_interaction`` or ``deny_interaction`` in the
request of the browser that began it; what they get is the address to which that browser goes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.authorization_requests import AuthorizationRequest
from auth.oauth.clients import Client, millis_now
from auth.oauth.codes import issue_code
from auth.oauth.desk import CardState, OAuthDesk
from auth.oauth.errors import AccessDeniedError, OAuth2Error, UnmetAuthenticationError
from auth.oauth.grants import Grant, start_grant
from auth.oauth.limits import count_holder_grant
from auth.oauth.models import interactions
from auth.oauth.profiles import CODE_SECONDS, EXCHANGE, INTERACTION_SECONDS
from auth.oauth.pseudonyms import link_handle, subject_of_card
from auth.oauth.pushed_requests import spend_pushed_request
from auth.oauth.redirects import answer_address
from auth.oauth.scopes import OFFLINE, OPENID, SCOPES, reaches
from core.database import changed_one, insert_if_new
from core.errors import Kind, Refusal
from core.ids import is_id, new_id

_BROWSER = "browser"


class LoginRequestOver(Refusal):
    kind = Kind.GONE
    code = "login_request_over"
    title_en = "This login request has ended, or another browser began it."
    title_zh = "本次登录请求已结束，或由其他浏览器发起。"
    next_en = "Go back to the app or site and begin again."
    next_zh = "请返回应用或网站重新开始。"


@dataclass(frozen=True, slots=True)
class Interaction:
    """A login request that is open: who asks for what, and until when the holder may answer."""

    id: str
    client: Client
    request: AuthorizationRequest
    pushed: str | None
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What the holder has proven and allowed.

    Attributes:
        card: the electronic card of the holder.
        device: the phone that proved it, if one did; the grant ends with it.
        acr: the assurance level that this login reached, at most the card's.
        amr: how (RFC 8176 names), e.g. ``("hwk", "pin")``.
        authenticated_at: when.
        scopes: what of the request was allowed.
    """

    card: str
    device: str | None
    acr: str
    amr: tuple[str, ...]
    authenticated_at: datetime
    scopes: tuple[str, ...]


def browser_handle(desk: OAuthDesk, given: str) -> str:
    """Name a browser by the secret of its cookie."""
    return desk.stored.handle(_BROWSER, given)


def draw_browser(desk: OAuthDesk) -> tuple[str, str]:
    """Draw the secret for a browser's cookie and return it with its handle."""
    return desk.stored.draw(_BROWSER)


def begin_interaction(
    desk: OAuthDesk, client: Client, request: AuthorizationRequest, *, browser: str, pushed: str | None
) -> str:
    """Open a login request for a browser and return its id; a pushed request loaded again gives the same one."""
    now, made = millis_now(desk.ground), new_id("int")
    values = {
        "id": made,
        "client": client.id,
        "browser": browser,
        "pushed": pushed,
        "parameters": request.to_json(),
        "state": "open",
        "begun_at": now,
        "expires_at": now + INTERACTION_SECONDS * 1000,
    }
    with desk.ground.database.transaction() as connection:
        if insert_if_new(connection, interactions, values):
            return made
        begun = sa.select(interactions.c.id).where(interactions.c.pushed == pushed, interactions.c.browser == browser)
        known: str = connection.execute(begun).scalar_one()
        return known


def has_begun(connection: Connection, pushed: str, browser: str, now: int) -> bool:
    """Tell whether this browser has brought this pushed request before and may still answer it."""
    begun = sa.select(interactions.c.id).where(interactions.c.pushed == pushed, interactions.c.browser == browser)
    return connection.execute(begun.where(interactions.c.expires_at > now)).first() is not None


def get_interaction(desk: OAuthDesk, connection: Connection, given: str, *, browser: str | None) -> Interaction:
    """Find an open login request of this browser; raises ``LoginRequestOver``.

    ``browser`` is the handle of its cookie, None where the caller has bound the browser in another way.
    """
    row = None
    if is_id(given, "int"):
        row = connection.execute(sa.select(interactions).where(interactions.c.id == given)).first()
    client = desk.clients.find(row.client) if row else None
    if row is None or client is None or row.state != "open" or row.expires_at <= millis_now(desk.ground):
        raise LoginRequestOver
    if browser is not None and row.browser != browser:
        raise LoginRequestOver
    request = AuthorizationRequest.from_json(row.parameters)
    return Interaction(row.id, client, request, row.pushed, row.expires_at)


def complete_interaction(desk: OAuthDesk, interaction: Interaction, approval: Approval) -> str:
    """Grant what the holder allowed and return the address with the code, or with the reason why not.

    Raises ``LoginRequestOver`` for a login request, or a pushed request behind it, that somebody else has used up, and
    ``Limited`` for a holder who allows too much in a minute.
    """
    with desk.ground.database.transaction() as connection:
        card = desk.card_states(desk.ground.database, approval.card)
        objection = _find_objection(card, interaction.request, approval)
        if not desk.may_meet(desk.ground.database, interaction.client.id, approval.card):
            objection = AccessDeniedError("Client and card are not both real, or not of one sandbox")
        if objection is not None:
            return _end_with(desk, connection, interaction, objection)
        count_holder_grant(desk, card.holder if card else approval.card)
        _close(desk, connection, interaction, "completed")
        grant = _grant(desk, connection, interaction, approval)
        code = issue_code(desk, connection, grant, interaction.request)
    return _address(desk, interaction.request, {"code": code})


def deny_interaction(desk: OAuthDesk, interaction: Interaction, error: OAuth2Error | None = None) -> str:
    """End a login request without a grant and return the address with the reason; by default the holder said no."""
    with desk.ground.database.transaction() as connection:
        return _end_with(desk, connection, interaction, error or AccessDeniedError())


def error_address(desk: OAuthDesk, redirect_uri: str, state: str | None, error: OAuth2Error) -> str:
    """Make the address that tells a client of an error (RFC 6749 section 4.1.2.1, RFC 9207)."""
    said = {"error": error.error, "error_description": error.get_error_description() or None}
    return answer_address(redirect_uri, {**said, "state": state, "iss": desk.issuer})


def _find_objection(card: CardState | None, request: AuthorizationRequest, approval: Approval) -> OAuth2Error | None:
    if not set(approval.scopes) <= set(request.scopes):
        raise ValueError("more was allowed than asked for")
    if card is None or not card.active or not reaches(card.level, approval.acr):
        return AccessDeniedError("The card does not stand good for this")
    if not approval.scopes or (OPENID in request.scopes and OPENID not in approval.scopes):
        return AccessDeniedError()
    needed = [SCOPES[name].least_level for name in approval.scopes] + [request.least_acr or "L1"]
    if not all(reaches(approval.acr, level) for level in needed):
        return UnmetAuthenticationError()
    return None


def _grant(desk: OAuthDesk, connection: Connection, interaction: Interaction, approval: Approval) -> Grant:
    now, client = desk.ground.clock(), interaction.client
    lasting = OFFLINE in approval.scopes and client.profile.refresh_days > 0
    returns = lasting and EXCHANGE in client.profile.grants
    short = timedelta(seconds=CODE_SECONDS + desk.ground.settings.token_seconds)
    grant = start_grant(
        connection,
        client=client,
        card=approval.card,
        device=approval.device,
        scopes=approval.scopes,
        resources=interaction.request.resources,
        acr=approval.acr,
        amr=approval.amr,
        authenticated_at=approval.authenticated_at,
        at=now,
        expires_at=now + (timedelta(days=client.profile.refresh_days) if lasting else short),
        subject=link_handle(desk, subject_of_card(desk, client, approval.card)) if returns else None,
    )
    detail = {"client": client.id, "card": approval.card, "scopes": list(approval.scopes), "acr": approval.acr}
    actor = approval.device or approval.card
    desk.ground.audit.record(connection, actor=actor, act="oauth.granted", subject=grant.id, detail=detail, at=now)
    return grant


def _end_with(desk: OAuthDesk, connection: Connection, interaction: Interaction, error: OAuth2Error) -> str:
    _close(desk, connection, interaction, "denied")
    return error_address(desk, interaction.request.redirect_uri, interaction.request.state, error)


def _close(desk: OAuthDesk, connection: Connection, interaction: Interaction, state: str) -> None:
    """Close the login request and use up the pushed request behind it; of several browsers one wins."""
    now = millis_now(desk.ground)
    columns = interactions.c
    still_open = interactions.update().where(
        columns.id == interaction.id, columns.state == "open", columns.expires_at > now
    )
    if not changed_one(connection, still_open.values(state=state, ended_at=now)):
        raise LoginRequestOver
    if interaction.pushed is not None and not spend_pushed_request(connection, interaction.pushed, now):
        raise LoginRequestOver


def _address(desk: OAuthDesk, request: AuthorizationRequest, said: dict[str, str | None]) -> str:
    return answer_address(request.redirect_uri, {**said, "state": request.state, "iss": desk.issuer})
