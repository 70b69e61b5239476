"""Whose keys the doctor knows: channels in the sandbox for anybody who asks, a channel's own for itself.

Who knows the id of a channel in the sandbox (130 random bits) learns how its certificates stand; of all others nothing,
not even that they exist.
"""

from sqlalchemy.engine import Connection

from auth.published_key import PUBLISHED_KEY, PUBLISHED_SERIAL, published_key_counts
from channels.certificates import ChannelCertificate, list_certificates
from channels.doctor.examination import FindApp, KnownApp, KnownKey
from channels.registry import RegisteredChannel, find_channel
from core.settings import Settings

MOST_KEYS = 4
"""So many of a channel's certificates are looked at, the newest first: each costs some hundred verifications."""


def sandbox_apps(connection: Connection, settings: Settings) -> FindApp:
    """Know the channels that stand in the sandbox, alone."""

    def find(app: str) -> KnownApp | None:
        found = find_channel(connection, app)
        return _known(connection, settings, found) if found is not None and found.standing == "sandbox" else None

    return find


def own_app(connection: Connection, settings: Settings, channel: str) -> FindApp:
    """Know one channel, however it stands."""

    def find(app: str) -> KnownApp | None:
        found = find_channel(connection, app) if app == channel else None
        return None if found is None else _known(connection, settings, found)

    return find


def _known(connection: Connection, settings: Settings, channel: RegisteredChannel) -> KnownApp:
    certificates = list_certificates(connection, channel.id)[:MOST_KEYS]
    published = published_key(counts=channel.in_sandbox and published_key_counts(settings))
    own = [_key_of(certificate) for certificate in certificates]
    return KnownApp([*own, published], frozenset(channel.algorithms))


def published_key(*, counts: bool) -> KnownKey:
    """Give the published test key, which may have signed for whichever channel."""
    return KnownKey(PUBLISHED_SERIAL, PUBLISHED_KEY, is_published=True, counts=counts)


def _key_of(certificate: ChannelCertificate) -> KnownKey:
    return KnownKey(
        certificate.serial,
        certificate.public_key,
        certificate.not_before,
        certificate.not_after,
        is_withdrawn=certificate.withdrawn_at is not None,
    )
