"""The city's list of revoked certificates: cards, terminals and partners that must not be believed any more."""

from datetime import datetime, timedelta

from sm.certificates import Revocation, RevocationList, issue_crl, read_crl
from sm.city_keys import CITY_CA, read_hierarchy
from sm.keystore import KeyStore
from sm.sm2 import Provider

CITY_CRL = "city/crl"
CRL_LIFE = timedelta(days=30)
"""A list past its next update is refused as stale (RFC 5280, 6.3.3), and enrollments with it: refresh it in time."""


def find_city_crl(store: KeyStore) -> RevocationList | None:
    """Read the city's list; None before the first certificate was revoked."""
    return read_crl(store.document(CITY_CRL)) if CITY_CRL in store.names() else None


def revoke_certificate(store: KeyStore, provider: Provider, serial: int, now: datetime) -> RevocationList:
    """Put a certificate's serial number on the list, for ever, and issue the list anew."""
    return _issue(store, provider, {serial: now}, now)


def refresh_city_crl(store: KeyStore, provider: Provider, now: datetime) -> RevocationList:
    """Issue the same list anew, good for another ``CRL_LIFE``."""
    return _issue(store, provider, {}, now)


def _issue(store: KeyStore, provider: Provider, added: dict[int, datetime], now: datetime) -> RevocationList:
    with store.writing():
        known = find_city_crl(store)
        revoked = added | (dict(known.revoked) if known else {})  # who was revoked before stays so since then
        der = issue_crl(
            issuer=read_hierarchy(store).city,
            signer=provider.signer(store.private_key(CITY_CA)),
            revoked=[Revocation(serial, at) for serial, at in sorted(revoked.items())],
            number=known.number + 1 if known else 1,
            this_update=now,
            next_update=now + CRL_LIFE,
        )
        store.write_document(CITY_CRL, "city", der)
        return read_crl(der)
