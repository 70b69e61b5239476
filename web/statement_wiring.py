"""The wiring of what statements need; ``web.runtime`` has the rest."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from auth.oauth.desk import OAuthDesk
from auth.oauth.pseudonyms import subject_in_sector
from channels.carriers import find_sector
from core.ground import Ground
from qr.statements.making import StatementDesk
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
        sector_of=find_sector,
        name=partial(subject_in_sector, oauth),
    )


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
