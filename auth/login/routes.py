"""The phone's side of a login, and what the holder sees and ends on the phone."""

from collections.abc import Iterable
from typing import Any, cast

from flask import current_app
from sqlalchemy.engine import Connection

from auth.blueprints import ApiBlueprint
from auth.devices import Device, active_devices, require_active_device
from auth.guard import Phone, allow, caller_address
from auth.login.consents import Consent, list_consents
from auth.login.desk import Described, LoginDesk
from auth.login.endings import end_consent, end_link, end_phone
from auth.login.logins import approve_login, deny_login, get_own_login, see_login
from auth.login.records import Login
from auth.login.schemas import (
    ApprovedSchema,
    ConsentEndedSchema,
    ConsentsSchema,
    DeniedSchema,
    DeviceEndedSchema,
    DevicesSchema,
    LinkEndedSchema,
    LinksSchema,
    LoginCodeSchema,
    LoginRequestSchema,
    PageQuerySchema,
)
from auth.oauth.grants import Holding, list_links
from auth.oauth.scopes import SCOPES, Scope
from core.clock import to_text
from core.errors import Missing

requests = ApiBlueprint("login-requests", __name__, url_prefix="/v1/login-requests", description="Log in by the phone.")
holdings = ApiBlueprint("holdings", __name__, url_prefix="/v1/cards", description="What rests on a card, and its end.")


def desk() -> LoginDesk:
    return cast("LoginDesk", current_app.extensions["auth.login"])


@requests.post("")
@allow(Phone, scope="card")
@requests.arguments(LoginCodeSchema())
@requests.response(200, LoginRequestSchema)
def post_login_request(caller: Phone, given: dict[str, Any]) -> dict[str, Any]:
    """See who asks for what, by the code of the login page; from now on no other phone can."""
    with desk().ground.database.transaction() as connection:
        login = see_login(desk(), connection, caller, given["code"], address=caller_address())
        return _view(login, desk().purposes[login.purpose](connection, login))


@requests.post("/<login>/approve")
@allow(Phone, scope="card")
@requests.response(200, ApprovedSchema)
def post_approval(caller: Phone, login: str) -> dict[str, Any]:
    """Say yes; get the number that the holder types into the browser."""
    with desk().ground.database.transaction() as connection:
        number = approve_login(desk(), connection, caller, login)
        expires_at = get_own_login(desk(), connection, caller, login).expires_at
    address = f"{desk().issuer}/login/{login}#{number}"
    return {"number": number, "return_to": address, "expires_at": to_text(expires_at)}


@requests.post("/<login>/deny")
@allow(Phone, scope="card")
@requests.response(200, DeniedSchema)
def post_denial(caller: Phone, login: str) -> dict[str, Any]:
    """Say no; the browser that began the login is told."""
    with desk().ground.database.transaction() as connection:
        deny_login(desk(), connection, caller, login)
    return {"id": login, "state": "denied"}


# ── Phones ───────────────────────────────────────────────────────────────────────────────────────────────────────


@holdings.get("/<card>/devices")
@allow(Phone, scope="card")
@holdings.response(200, DevicesSchema)
def get_devices(caller: Phone, card: str) -> dict[str, Any]:
    """See the phones that carry the card, the longest bound first."""
    with desk().ground.database.transaction() as connection:
        _require_own(connection, caller, card)
        return {"items": [_device_view(device, caller) for device in active_devices(connection, card)]}


@holdings.post("/<card>/devices/<device>/end")
@allow(Phone, scope="card")
@holdings.response(200, DeviceEndedSchema)
def post_device_end(caller: Phone, card: str, device: str) -> dict[str, Any]:
    """End a phone, this one as well: its tokens, its logins and what was granted by way of it end with it."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        _require_own(connection, caller, card)
        end_phone(ground, connection, card=card, device=device, actor=caller.device)
        left = len(active_devices(connection, card))
    return {"id": device, "state": "ended", "devices_left": left}


# ── Partners ─────────────────────────────────────────────────────────────────────────────────────────────────────


@holdings.get("/<card>/links")
@allow(Phone, scope="card")
@holdings.arguments(PageQuerySchema(), location="query")
@holdings.response(200, LinksSchema)
def get_links(caller: Phone, given: dict[str, Any], card: str) -> dict[str, Any]:
    """See which partners have lasting access, the latest first."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        _require_own(connection, caller, card)
        links, following = list_links(connection, card, ground.clock(), **given)
    return {"items": [_link_view(link) for link in links], "next": following}


@holdings.post("/<card>/links/<grant>/end")
@allow(Phone, scope="card")
@holdings.response(200, LinkEndedSchema)
def post_link_end(caller: Phone, card: str, grant: str) -> dict[str, Any]:
    """End a partner's access at once."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        _require_own(connection, caller, card)
        end_link(ground, connection, card=card, grant=grant, actor=caller.device)
    return {"id": grant, "state": "ended"}


# ── Relying parties ──────────────────────────────────────────────────────────────────────────────────────────────


@holdings.get("/<card>/consents")
@allow(Phone, scope="card")
@holdings.arguments(PageQuerySchema(), location="query")
@holdings.response(200, ConsentsSchema)
def get_consents(caller: Phone, given: dict[str, Any], card: str) -> dict[str, Any]:
    """See where the holder is not asked again after logging in."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        _require_own(connection, caller, card)
        remembered, following = list_consents(connection, card, ground.clock(), **given)
    return {"items": [_consent_view(consent) for consent in remembered], "next": following}


@holdings.post("/<card>/consents/<client>/end")
@allow(Phone, scope="card")
@holdings.response(200, ConsentEndedSchema)
def post_consent_end(caller: Phone, card: str, client: str) -> dict[str, Any]:
    """Forget a consent: the site has to ask again, and what it holds of the last login ends."""
    ground = desk().ground
    with ground.database.transaction() as connection:
        _require_own(connection, caller, card)
        end_consent(ground, connection, card=card, client=client, actor=caller.device)
    return {"client": client, "state": "ended"}


# ── How it looks ─────────────────────────────────────────────────────────────────────────────────────────────────


def _require_own(connection: Connection, caller: Phone, card: str) -> None:
    """Let a phone see its own card alone, as long as it carries it; whether the card is suspended does not matter."""
    if card != caller.card:
        raise Missing
    require_active_device(connection, card, caller.device)


def _device_view(device: Device, caller: Phone) -> dict[str, Any]:
    return {
        "id": device.id,
        "channel": device.channel,
        "is_caller": device.id == caller.device,
        "bound_at": to_text(device.bound_at),
        "proven_at": to_text(device.proven_at),
    }


def _link_view(link: Holding) -> dict[str, Any]:
    return {
        "id": link.grant.id,
        "client": {"id": link.grant.client, "name_zh": link.name_zh, "name_en": link.name_en},
        "scopes": _scopes(SCOPES[name] for name in link.grant.scopes),
        "granted_at": to_text(link.grant.granted_at),
        "expires_at": to_text(link.grant.expires_at),
    }


def _consent_view(consent: Consent) -> dict[str, Any]:
    return {
        "client": {"id": consent.client, "name_zh": consent.name_zh, "name_en": consent.name_en},
        "scopes": _scopes(SCOPES[name] for name in consent.scopes),
        "agreed_at": to_text(consent.agreed_at),
        "expires_at": to_text(consent.expires_at),
    }


def _scopes(scopes: Iterable[Scope]) -> list[dict[str, str]]:
    return [{"name": scope.name, "zh": scope.zh, "en": scope.en} for scope in scopes]


def _view(login: Login, described: Described) -> dict[str, Any]:
    return {
        "id": login.id,
        "purpose": login.purpose,
        "client": {"name_zh": described.name_zh, "name_en": described.name_en, "host": described.host},
        "scopes": _scopes(described.scopes),
        "needed_level": login.needed_level,
        "state": login.state,
        "begun_at": to_text(login.begun_at),
        "expires_at": to_text(login.expires_at),
    }
