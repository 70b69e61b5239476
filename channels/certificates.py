"""The certificates with which channels sign: at most two live ones each, no key ever twice (threats.md C2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.published_key import PUBLISHED_SERIAL, require_unpublished
from channels.desk import ChannelDesk
from channels.errors import CertificateNotAccepted, KeyInUse, TooManyCertificates
from channels.models import channel_certificates
from core.clock import from_millis, to_millis
from core.database import changed_one, insert_if_new
from core.outbox import record_event
from sm.certificates import Certificate, read_certificate
from sm.der import write_pem
from sm.errors import InvalidKey, SmError
from sm.sm2 import read_public_key

MOST_LIVE = 2
DEFAULT_DAYS = 180
MOST_DAYS = 398
WARNED_DAYS = 30
"""A certificate that ends within so many days is told each day."""
_DAY_MILLIS = 86_400_000


@dataclass(frozen=True, slots=True)
class ChannelCertificate:
    """A certificate of a channel, good from ``not_before`` until strictly before ``not_after`` unless withdrawn."""

    channel: str
    serial: str
    public_key: bytes
    pem: str
    not_before: datetime
    not_after: datetime
    withdrawn_at: datetime | None

    def is_live(self, at: datetime) -> bool:
        """Tell whether it counts among the two: neither withdrawn nor over."""
        return self.withdrawn_at is None and at < self.not_after

    def ends_soon(self, at: datetime) -> bool:
        """Tell whether it is live and ends within 30 days."""
        return self.is_live(at) and self.not_after - at <= timedelta(days=WARNED_DAYS)


def require_new_key(connection: Connection, given: bytes) -> bytes:
    """Read a public key that nobody has registered before.

    Raises ``CertificateNotAccepted``, ``PublishedKeyRefused``, ``KeyInUse``.
    """
    try:
        public_key = read_public_key(given)
    except InvalidKey as error:
        raise CertificateNotAccepted(str(error)) from error
    require_unpublished(public_key)
    known = sa.select(channel_certificates.c.serial).where(channel_certificates.c.public_key == public_key.hex())
    if connection.execute(known).first() is not None:
        raise KeyInUse
    return public_key


def require_room(connection: Connection, channel: str, at: datetime) -> None:
    """Raise ``TooManyCertificates`` where two are live; the caller holds the channel's row."""
    if sum(certificate.is_live(at) for certificate in list_certificates(connection, channel)) >= MOST_LIVE:
        raise TooManyCertificates


def read_given_certificate(desk: ChannelDesk, channel: str, pem: str) -> Certificate:
    """Read a certificate that the partner brings: issued below our root to this very channel, and not for too long.

    Raises ``CertificateNotAccepted``.
    """
    now = desk.ground.clock()
    try:
        certificate = desk.verify_certificate(read_certificate(pem), now)
    except SmError as error:
        raise CertificateNotAccepted(f"{error.code}: {error}") from error
    if f"{certificate.serial:x}" == PUBLISHED_SERIAL:
        raise CertificateNotAccepted("its serial number stands for the published test key")
    if certificate.subject_common_name != channel:
        raise CertificateNotAccepted("its common name is not the channel's id")
    if certificate.not_after - now > timedelta(days=MOST_DAYS):
        raise CertificateNotAccepted(f"it would live longer than {MOST_DAYS} days")
    return certificate


def keep_certificate(connection: Connection, channel: str, certificate: Certificate, *, at: datetime) -> str:
    """Enter a certificate and return its serial number; raises ``KeyInUse`` where somebody was faster."""
    serial = f"{certificate.serial:x}"
    values = {
        "channel": channel,
        "serial": serial,
        "public_key": certificate.public_key.hex(),
        "certificate": write_pem("CERTIFICATE", certificate.der),
        "not_before": to_millis(certificate.not_before),
        "not_after": to_millis(certificate.not_after),
        "added_at": to_millis(at),
    }
    if not insert_if_new(connection, channel_certificates, values):
        raise KeyInUse
    return serial


def withdraw_certificate(connection: Connection, channel: str, serial: str, *, at: datetime) -> bool:
    """Withdraw a certificate for good; False if there is none or it was withdrawn before."""
    table = channel_certificates.c
    live = channel_certificates.update().where(
        table.channel == channel, table.serial == serial, table.withdrawn_at.is_(None)
    )
    return changed_one(connection, live.values(withdrawn_at=to_millis(at)))


def list_certificates(connection: Connection, channel: str) -> list[ChannelCertificate]:
    """List all certificates a channel ever had, the newest first."""
    table = channel_certificates.c
    query = sa.select(channel_certificates).where(table.channel == channel)
    rows = connection.execute(query.order_by(table.not_after.desc(), table.serial)).all()
    return [_certificate_of(row) for row in rows]


def warn_of_ends(desk: ChannelDesk, connection: Connection) -> Sequence[ChannelCertificate]:
    """Record an event for each certificate that ends soon, once a day each however many workers ask; list them."""
    now = desk.ground.clock()
    today, millis = to_millis(now) // _DAY_MILLIS, to_millis(now)
    table = channel_certificates.c
    ending = sa.select(channel_certificates).where(
        table.withdrawn_at.is_(None),
        table.not_after > millis,
        table.not_after <= millis + WARNED_DAYS * _DAY_MILLIS,
        table.warned_on < today,
    )
    found = [_certificate_of(row) for row in connection.execute(ending.order_by(table.not_after)).all()]
    return [certificate for certificate in found if _warn(connection, certificate, today, now)]


def _warn(connection: Connection, certificate: ChannelCertificate, today: int, now: datetime) -> bool:
    table = channel_certificates.c
    first = channel_certificates.update().where(table.serial == certificate.serial, table.warned_on < today)
    if not changed_one(connection, first.values(warned_on=today)):
        return False
    content = {
        "channel": certificate.channel,
        "serial": certificate.serial,
        "ends_at": to_millis(certificate.not_after),
    }
    record_event(connection, "channel.certificate_expiring", card=None, content=content, at=now)
    return True


def _certificate_of(row: Any) -> ChannelCertificate:
    return ChannelCertificate(
        channel=row.channel,
        serial=row.serial,
        public_key=bytes.fromhex(row.public_key),
        pem=row.certificate,
        not_before=from_millis(row.not_before),
        not_after=from_millis(row.not_after),
        withdrawn_at=None if row.withdrawn_at is None else from_millis(row.withdrawn_at),
    )
