"""Who comes with a holder's token: its channel, and the carriage that the token is about."""

from collections.abc import Collection

from sqlalchemy.engine import Connection

from auth.errors import ChannelNotLive, ScopeMissing
from auth.guard import Partner
from channels.carriage.records import Carriage, find_carriage
from channels.desk import CarriageDesk
from channels.errors import CarriageNotSigned
from channels.registry import RegisteredChannel, find_channel_of_client
from core.errors import Missing
from ecard.cards import get_card

SCOPE = "carriage"
NO_SCOPE = f"scope {SCOPE} of a channel"


def require_channel(connection: Connection, partner: Partner) -> RegisteredChannel:
    """Find the channel of the token's client, allowed to carry this card.

    A live channel carries real cards, one in the sandbox the made-up ones that are its own. Raises ``ScopeMissing``,
    ``ChannelNotLive``.
    """
    channel = find_channel_of_client(connection, partner.client)
    if channel is None:
        raise ScopeMissing(NO_SCOPE)
    sandbox = get_card(connection, card_of(partner)).sandbox
    require_carrier(channel.id, channel.own_standing, channel.standing, channel.scopes, sandbox)
    return channel


def require_carrier(channel: str, own: str, standing: str, scopes: Collection[str], sandbox: str | None) -> None:
    """Raise ``ScopeMissing`` or ``ChannelNotLive`` unless a channel carries a card.

    ``own`` is how the channel stands by itself, ``standing`` in effect; ``sandbox`` is the mark of a made-up card.
    """
    if SCOPE not in scopes:
        raise ScopeMissing(NO_SCOPE)
    carries = standing == "live" if sandbox is None else own == standing == "sandbox" and sandbox == channel
    if not carries:
        raise ChannelNotLive


def get_own_carriage(desk: CarriageDesk, connection: Connection, partner: Partner) -> Carriage:
    """Find the carriage of the token's card in the token's channel, ended or not; raises ``CarriageNotSigned``."""
    channel = require_channel(connection, partner)
    found = find_carriage(desk, connection, channel.id, card_of(partner))
    if found is None:
        raise CarriageNotSigned
    return found


def find_own_carriage(desk: CarriageDesk, connection: Connection, partner: Partner) -> Carriage | None:
    """Find the carriage of the token's card in the token's channel; one that is revoked is none any more."""
    channel = require_channel(connection, partner)
    found = find_carriage(desk, connection, channel.id, card_of(partner))
    return None if found is None or found.state == "revoked" else found


def require_own_carriage(desk: CarriageDesk, connection: Connection, partner: Partner) -> Carriage:
    """Find it, suspended or not; raises ``CarriageNotSigned``."""
    found = find_own_carriage(desk, connection, partner)
    if found is None:
        raise CarriageNotSigned
    return found


def card_of(partner: Partner) -> str:
    """Give the card that a token is about; a terminal's token is about none."""
    if partner.card is None:
        raise Missing
    return partner.card
