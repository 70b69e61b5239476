"""How a partner enters the story's city: an application, a certificate, terms and addresses, each by two operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy.engine import Connection

from auth.oauth.client_register import Registration, add_client_key, register_client
from channels.changes import approve_change, draft_change, propose_change
from channels.registry import Application, apply_for_channel
from web.runtime import Runtime

PROPOSES, APPROVES = "li", "wang"  # the development city registers no operators: names are taken at their word
_CONTACT = {"role": "security", "name": "演示值班", "reach": "security@partner.example"}
_WAY_UP = ("applied", "sandbox", "reviewed", "live")
_REQUESTS_PER_MINUTE = 6000  # the story and its tests do not wait


@dataclass(frozen=True)
class Applicant:
    """A partner as it applies.

    Attributes:
        name_zh, name_en: what holders are shown.
        channel_class: bank or wallet.
        channel_scopes: what the channel may do.
        scopes: what its OAuth client may ask of holders.
        sector: the host under which it knows holders; its real addresses are all on this machine.
        redirect_uri: where browsers come back to.
        addresses: kind of change → address that two operators enter (endpoint, bank-port).
        public_key: its SM2 key.
        jwk: its client's key.
    """

    name_zh: str
    name_en: str
    channel_class: str
    channel_scopes: tuple[str, ...]
    scopes: tuple[str, ...]
    sector: str
    redirect_uri: str
    addresses: Mapping[str, str]
    public_key: str
    jwk: Mapping[str, Any]


@dataclass(frozen=True)
class Registered:
    """What the card centre tells the partner."""

    channel: str
    serial: str
    client: str
    kid: str


def register_partner(runtime: Runtime, given: Applicant, up_to: str = "live") -> Registered:
    """Enter a partner and move its channel as far as that, in one transaction."""
    with runtime.ground.database.transaction() as connection:
        client, kid = _register_client(runtime, connection, given)
        channel = apply_for_channel(
            runtime.ground,
            connection,
            Application(
                name_zh=given.name_zh,
                name_en=given.name_en,
                channel_class=given.channel_class,
                contacts=(_CONTACT,),
                scopes=given.channel_scopes,
                requests_per_minute=_REQUESTS_PER_MINUTE,
            ),
        )
        certificate = {"public_key": given.public_key, "days": 180}
        serial = _change(runtime, connection, channel, "certificate", certificate)["serial"]
        _change(runtime, connection, channel, "terms", {"from": {"client": None}, "to": {"client": client}})
        for kind, address in given.addresses.items():
            _change(runtime, connection, channel, kind, {"url": address})
        for before, after in pairwise(_WAY_UP[: _WAY_UP.index(up_to) + 1]):
            _change(runtime, connection, channel, "standing", {"from": before, "to": after})
    return Registered(channel, str(serial), client, kid)


def _register_client(runtime: Runtime, connection: Connection, given: Applicant) -> tuple[str, str]:
    now, registration = (
        runtime.ground.clock(),
        Registration(
            profile="partner",
            name_zh=given.name_zh,
            name_en=given.name_en,
            authentication="private_key_jwt",
            redirect_uris=[given.redirect_uri],
            scopes=given.scopes,
            sector=given.sector,
        ),
    )
    client = register_client(connection, registration, default_audience=runtime.oauth.desk.api, at=now)
    return client, add_client_key(connection, runtime.provider, client, dict(given.jwk), at=now)


def _change(
    runtime: Runtime, connection: Connection, channel: str, kind: str, detail: dict[str, Any]
) -> Mapping[str, Any]:
    """Let one operator propose and another one approve."""
    draft = draft_change(runtime.channels, channel=channel, kind=kind, detail=detail, operator=PROPOSES)
    proposed = propose_change(runtime.channels, connection, draft)
    return approve_change(runtime.channels, connection, proposed.id, APPROVES).outcome or {}
