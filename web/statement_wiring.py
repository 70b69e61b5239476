"""The wiring of what statements need; ``web.runtime`` has the rest."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.engine import Connection

from auth.oauth.desk import OAuthDesk
from auth.oauth.pseudonyms import subject_in_sector
from auth.parties import list_institutions
from channels.carriers import find_sector
from channels.registry import list_channels
from core.ground import Ground
from qr.statements.desk import StatementDesk
from qr.statements.owner import Owner
from qr.statements.signature import STATEMENT_PURPOSE, STATEMENT_USER_ID
from sm import city_keys
from sm.certificates.issuing import Subject
from sm.certificates.reading import Certificate, read_certificate
from sm.keystore import KeyStore
from sm.sm2 import Provider

STATEMENT_CERTIFICATE = "city/statement-certificate"
_LIFE, _RENEWED_BEFORE = timedelta(days=365), timedelta(days=30)


def open_statements(ground: Ground, store: KeyStore, provider: Provider, oauth: OAuthDesk) -> StatementDesk:
    """Wire the signing of statements; key and certificate are opened when they are needed."""

    def certificates() -> Sequence[bytes]:
        hierarchy = city_keys.read_hierarchy(store)
        return [_certificate(ground, store, provider).der, hierarchy.city.der, hierarchy.province.der]

    return StatementDesk(
        ground=ground,
        signer=lambda: provider.signer(store.private_key(city_keys.CARD_CREDENTIAL), STATEMENT_USER_ID),
        certificates=certificates,
        owners=_list_owners,
        sector_of=find_sector,
        name=partial(subject_in_sector, oauth),
    )


def _list_owners(connection: Connection, before: datetime) -> Sequence[Owner]:
    """List who was there on a day: institutions, and channels that are not closed."""
    institutions = [Owner("institution", one) for one in list_institutions(connection, before=before)]
    return [
        *institutions,
        *(
            Owner("channel", channel.id)
            for channel in list_channels(connection)
            if channel.applied_at < before and channel.standing != "closed"
        ),
    ]


def _certificate(ground: Ground, store: KeyStore, provider: Provider) -> Certificate:
    """Find the certificate under which the city signs statements, or have its authority issue a new one."""
    now = ground.clock()
    with store.writing():
        if STATEMENT_CERTIFICATE in store.names():
            known = read_certificate(store.document(STATEMENT_CERTIFICATE))
            if known.not_after - now > _RENEWED_BEFORE:
                return known
        issued = city_keys.issue_leaf(
            store,
            provider,
            subject=Subject(common_name=f"ESSC statements {ground.settings.region}"),
            public_key=provider.public_key_of(store.private_key(city_keys.CARD_CREDENTIAL)),
            purpose=STATEMENT_PURPOSE,
            not_before=now,
            not_after=now + _LIFE,
        )
        store.write_document(STATEMENT_CERTIFICATE, "city", issued.der)
        return issued
