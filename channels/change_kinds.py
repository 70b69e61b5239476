"""What can be changed of a channel: one row for each kind, how it is checked and what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.oauth.client_register import STANDINGS as CLIENT_STANDINGS
from auth.oauth.client_register import add_client_key, require_client, set_client_standing
from auth.oauth.grants import end_grants_of_client
from auth.oauth.jws import read_public_jwk
from auth.oauth.models import oauth_clients
from channels.bank_ports import end_port, require_new_port, require_port, set_port
from channels.certificates import (
    MOST_DAYS,
    keep_certificate,
    list_certificates,
    read_given_certificate,
    require_new_key,
    require_room,
    withdraw_certificate,
)
from channels.desk import ChannelDesk
from channels.endpoints import add_endpoint, end_endpoint, require_new_endpoint, require_standing_endpoint
from channels.errors import AboveStandsLower, ChangeOutdated, ChannelWithoutCertificate, TransitionNotAllowed
from channels.models import channels
from channels.registry import RegisteredChannel, get_channel, list_channels_below, require_terms
from channels.sandbox.cards import end_all_cards
from channels.sandbox.clock import reset_clock
from channels.sandbox.switches import clear_switches
from channels.standing import MAY_CALL, STOPS, require_transition, stands_below
from core.clock import to_millis
from core.errors import Malformed, Missing
from core.outbox import record_event
from sm.canonical import read_hex
from sm.errors import SmError

Detail = Mapping[str, Any]
MOST_CLIENT_KEY_DAYS = 1095
TERMS = ("scopes", "algorithms", "requests_per_minute", "client")


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """One kind of change.

    ``require`` raises where it cannot be done to the channel as it is now, and is asked when it is proposed and again
    when it is approved; ``carry_out`` does it and tells what came of it; ``stops`` tells whether it only takes away, so
    that one operator is enough.
    """

    require: Callable[[ChannelDesk, Connection, RegisteredChannel, Detail], None]
    carry_out: Callable[[ChannelDesk, Connection, RegisteredChannel, Detail], dict[str, Any]]
    stops: Callable[[Detail], bool]


# ── How the channel stands: {"from": "reviewed", "to": "live"} ───────────────────────────────────────────────────


def _require_standing(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    _require_members(detail, {"from": str, "to": str})
    if detail["from"] != channel.own_standing:
        raise ChangeOutdated(f"the channel is {channel.own_standing}")
    require_transition(channel.own_standing, detail["to"])
    if detail["to"] in ("reviewed", "live"):
        _require_live_certificate(desk, connection, channel)
    if channel.above is not None and detail["to"] in MAY_CALL:
        _require_above(connection, channel.above, detail["to"])


def _require_live_certificate(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel) -> None:
    now = desk.ground.clock()
    if not any(certificate.is_live(now) for certificate in list_certificates(connection, channel.id)):
        raise ChannelWithoutCertificate


def _require_above(connection: Connection, above: str, to: str) -> None:
    standing = get_channel(connection, above).standing
    if stands_below(standing, to):
        raise AboveStandsLower(f"the first-tier channel is {standing}")


def _move(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> dict[str, Any]:
    _update(desk, connection, channel, standing=detail["to"])
    _change_worlds(desk, connection, channel, detail)
    affected = [get_channel(connection, channel.id), *list_channels_below(connection, channel.id)]
    for moved in affected:
        _align_client(connection, moved)
    content = {"channel": channel.id, "from": detail["from"], "to": detail["to"]}
    record_event(connection, "channel.standing_changed", card=None, content=content, at=desk.ground.clock())
    return {"standing": detail["to"], "below": [moved.id for moved in affected[1:]]}


def _change_worlds(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    """Leave the sandbox without its made-up cards, and come into it without what real holders have allowed."""
    ground = desk.ground
    if detail["to"] == "live":
        clear_switches(connection, channel.id)
    if detail["from"] == "sandbox":
        end_all_cards(ground, connection, channel.id)
        reset_clock(connection, channel.id, ground.clock())
    if detail["to"] == "sandbox" and channel.client is not None:
        end_grants_of_client(ground, connection, channel.client, because="sandbox", actor=channel.id)


def _align_client(connection: Connection, channel: RegisteredChannel) -> None:
    """Let the channel's OAuth client stand as the channel does: tokens end with it."""
    if channel.client is not None:
        set_client_standing(connection, channel.client, "active" if channel.standing in MAY_CALL else "suspended")


# ── One more certificate: {"public_key": hex, "days": 180} or {"certificate": PEM} ───────────────────────────────


def _require_certificate(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    if channel.own_standing == "closed":
        raise TransitionNotAllowed("a closed channel takes no certificate")
    require_room(connection, channel.id, desk.ground.clock())
    if "certificate" in detail:
        _require_members(detail, {"certificate": str})
        require_new_key(connection, read_given_certificate(desk, channel.id, detail["certificate"]).public_key)
        return
    _require_members(detail, {"public_key": str, "days": int})
    if not 1 <= detail["days"] <= MOST_DAYS:
        raise Malformed(f"a certificate lives between 1 and {MOST_DAYS} days")
    require_new_key(connection, _read_key(detail["public_key"]))


def _read_key(given: str) -> bytes:
    try:
        return read_hex(given)
    except SmError as error:
        raise Malformed(str(error)) from error


def _add(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> dict[str, Any]:
    """Issue where a key was given; a crash before commit leaves a certificate that no register knows."""
    now = desk.ground.clock()
    if "certificate" in detail:
        certificate = read_given_certificate(desk, channel.id, detail["certificate"])
    else:
        public_key = require_new_key(connection, _read_key(detail["public_key"]))
        ends = now + timedelta(days=detail["days"])
        certificate = desk.issue_certificate(channel.id, public_key, now, ends)
    serial = keep_certificate(connection, channel.id, certificate, at=now)
    content = {"channel": channel.id, "serial": serial}
    record_event(connection, "channel.certificate_added", card=None, content=content, at=now)
    return {"serial": serial}


# ── One certificate less: {"serial": …, "reason": …} ─────────────────────────────────────────────────────────────


def _require_withdrawal(_desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    _require_members(detail, {"serial": str, "reason": str})
    if not 0 < len(detail["reason"]) <= 200:
        raise Malformed("a withdrawal has a reason of at most 200 letters")
    known = {certificate.serial: certificate for certificate in list_certificates(connection, channel.id)}
    if detail["serial"] not in known or known[detail["serial"]].withdrawn_at is not None:
        raise Missing("there is no such certificate, or it was withdrawn before")


def _withdraw(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> dict[str, Any]:
    now = desk.ground.clock()
    if not withdraw_certificate(connection, channel.id, detail["serial"], at=now):
        raise Missing("there is no such certificate, or it was withdrawn before")
    content = {"channel": channel.id, "serial": detail["serial"]}
    record_event(connection, "channel.certificate_withdrawn", card=None, content=content, at=now)
    return {"serial": detail["serial"]}


# ── Other terms: {"from": {"scopes": […]}, "to": {"scopes": […]}} ────────────────────────────────────────────────


def terms_of(channel: RegisteredChannel) -> dict[str, Any]:
    """Give what a channel may do, as a change of terms names it."""
    return {
        "scopes": list(channel.own_scopes),
        "algorithms": list(channel.algorithms),
        "requests_per_minute": channel.requests_per_minute,
        "client": channel.client,
    }


def _require_terms(_desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    _require_members(detail, {"from": dict, "to": dict})
    current = terms_of(channel)
    wanted = detail["to"]
    if not wanted or not wanted.keys() <= set(TERMS) or wanted.keys() != detail["from"].keys():
        raise Malformed(f"terms are {', '.join(TERMS)}")
    if any(current[name] != before for name, before in detail["from"].items()):
        raise ChangeOutdated
    new = current | wanted
    require_terms(channel.channel_class, new["scopes"], new["algorithms"], new["requests_per_minute"])
    if wanted.get("client") is not None:
        _require_partner_client(connection, wanted["client"])


def _require_partner_client(connection: Connection, client: str) -> None:
    require_client(connection, client)
    row = connection.execute(sa.select(oauth_clients.c.profile).where(oauth_clients.c.id == client)).one()
    taken = connection.execute(sa.select(channels.c.id).where(channels.c.client == client)).first()
    if row.profile != "partner" or taken is not None:
        raise Malformed("a channel's client has the profile partner and belongs to no other channel")


def _set_terms(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> dict[str, Any]:
    _update(desk, connection, channel, **detail["to"])
    if "client" in detail["to"]:  # by other terms no client goes on that was stopped by itself
        _align_client(connection, get_channel(connection, channel.id))
    content = {"channel": channel.id, "terms": sorted(detail["to"])}
    record_event(connection, "channel.terms_changed", card=None, content=content, at=desk.ground.clock())
    return dict(detail["to"])


# ── Where its news goes: {"url": "https://…"}, and no longer: {"endpoint": "nep_…"} ───────────────────────────────


def _require_endpoint(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    _require_members(detail, {"url": str})
    if channel.own_standing == "closed":
        raise TransitionNotAllowed("a closed channel is sent nothing")
    require_new_endpoint(desk.ground, connection, channel.id, detail["url"])


def _add_endpoint(
    desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> dict[str, Any]:
    return {"endpoint": add_endpoint(desk.ground, connection, channel.id, detail["url"])}


def _require_endpoint_end(
    _desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> None:
    _require_members(detail, {"endpoint": str})
    require_standing_endpoint(connection, channel.id, detail["endpoint"])


def _end_endpoint(
    desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> dict[str, Any]:
    end_endpoint(desk.ground, connection, channel.id, detail["endpoint"])
    return dict(detail)


# ── Where a bank's core is asked: {"url": "https://…"}, set and taken away ───────────────────────────────────────


def _require_bank_port(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    _require_members(detail, {"url": str})
    if channel.own_standing == "closed":
        raise TransitionNotAllowed("a closed channel is asked nothing")
    require_new_port(desk.ground, connection, channel.id, channel.channel_class, detail["url"])


def _set_bank_port(
    desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> dict[str, Any]:
    url = require_new_port(desk.ground, connection, channel.id, channel.channel_class, detail["url"])
    set_port(desk.ground, connection, channel.id, url)
    return {"url": url}


def _require_bank_port_end(
    _desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> None:
    _require_members(detail, {"url": str})
    require_port(connection, channel.id, detail["url"])


def _end_bank_port(
    _desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> dict[str, Any]:
    end_port(connection, channel.id, detail["url"])
    return dict(detail)


# ── A key more for its OAuth client: {"client": …, "jwk": {…}, "days": 365} ──────────────────────────────────────


def _require_client_key(desk: ChannelDesk, _connection: Connection, channel: RegisteredChannel, detail: Detail) -> None:
    _require_members(detail, {"client": str, "jwk": dict, "days": int})
    if not 1 <= detail["days"] <= MOST_CLIENT_KEY_DAYS:
        raise Malformed(f"a client's key lives between 1 and {MOST_CLIENT_KEY_DAYS} days")
    _require_own_client(channel, detail["client"])
    try:
        read_public_jwk(detail["jwk"], "new", desk.provider)
    except ValueError as error:
        raise Malformed(f"the key cannot be used: {error}") from error


def _add_client_key(
    desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> dict[str, Any]:
    now, client = desk.ground.clock(), detail["client"]
    kid = add_client_key(connection, desk.provider, client, detail["jwk"], at=now, days=detail["days"])
    content = {"channel": channel.id, "client": client, "kid": kid}
    record_event(connection, "channel.client_key_added", card=None, content=content, at=now)
    return {"kid": kid}


# ── Its OAuth client stopped by itself, and no longer: {"client": …, "from": "suspended", "to": "active"} ────────


def _require_client_standing(
    _desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, detail: Detail
) -> None:
    _require_members(detail, {"client": str, "from": str, "to": str})
    _require_own_client(channel, detail["client"])
    query = sa.select(oauth_clients.c.standing).where(oauth_clients.c.id == detail["client"])
    if connection.execute(query).scalar_one() != detail["from"]:
        raise ChangeOutdated
    if detail["to"] not in CLIENT_STANDINGS or detail["to"] == detail["from"]:
        raise Malformed(f"a client is {' or '.join(CLIENT_STANDINGS)}")
    if channel.standing not in MAY_CALL and detail["to"] != STOPS:
        raise TransitionNotAllowed("its client stands no better than the channel")


def _move_client(
    _desk: ChannelDesk, connection: Connection, _channel: RegisteredChannel, detail: Detail
) -> dict[str, Any]:
    set_client_standing(connection, detail["client"], detail["to"])
    return {"standing": detail["to"]}


def _require_own_client(channel: RegisteredChannel, client: str) -> None:
    if channel.client != client:
        raise Missing("the channel has no such client")


CHANGE_KINDS: Mapping[str, ChangeKind] = {
    "standing": ChangeKind(_require_standing, _move, lambda detail: detail["to"] == STOPS),
    "certificate": ChangeKind(_require_certificate, _add, lambda _detail: False),
    "withdrawal": ChangeKind(_require_withdrawal, _withdraw, lambda _detail: True),
    "terms": ChangeKind(_require_terms, _set_terms, lambda _detail: False),
    "endpoint": ChangeKind(_require_endpoint, _add_endpoint, lambda _detail: False),
    "endpoint_end": ChangeKind(_require_endpoint_end, _end_endpoint, lambda _detail: True),
    "bank-port": ChangeKind(_require_bank_port, _set_bank_port, lambda _detail: False),
    "bank-port-end": ChangeKind(_require_bank_port_end, _end_bank_port, lambda _detail: True),
    "client-key": ChangeKind(_require_client_key, _add_client_key, lambda _detail: False),
    "client-standing": ChangeKind(_require_client_standing, _move_client, lambda detail: detail["to"] == STOPS),
}


def _require_members(detail: Detail, types: Mapping[str, type]) -> None:
    if detail.keys() != types.keys() or any(type(detail[name]) is not kind for name, kind in types.items()):
        raise Malformed(f"such a change names {', '.join(types)}")


def _update(desk: ChannelDesk, connection: Connection, channel: RegisteredChannel, **values: object) -> None:
    row = channels.update().where(channels.c.id == channel.id)
    connection.execute(row.values(changed_at=to_millis(desk.ground.clock()), **values))
