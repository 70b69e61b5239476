"""Who comes with a holder's token: its channel, and the carriage that the token is about."""

from sqlalchemy.engine import Connection

from auth.errors import ChannelNotLive, ScopeMissing
from auth.guard import Partner
from channels.carriage.records import Carriage, find_carriage
from channels.desk import CarriageDesk
from channels.errors import CarriageNotSigned
from channels.registry import RegisteredChannel, find_channel_of_client
from core.errors import Missing

SCOPE = "carriage"


def require_channel(connection: Connection, partner: Partner) -> RegisteredChannel:
    """Find the channel of the token's client, live and allowed to carry cards.

    Raises ``ScopeMissing``, ``ChannelNotLive``.
    """
    channel = find_channel_of_client(connection, partner.client)
    if channel is None or SCOPE not in channel.scopes:
        raise ScopeMissing(f"scope {SCOPE} of a channel")
    if channel.standing != "live":
        raise ChannelNotLive
    return channel


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
