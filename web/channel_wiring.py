"""The wiring of what partner channels need; ``web.runtime`` has the rest."""

import secrets
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial

from auth.channel_requests import ChannelRegister, SigningChannel
from auth.oauth.desk import OAuthDesk
from auth.oauth.pseudonyms import subject_in_sector
from auth.oauth.stored_secrets import StoredSecrets
from auth.signed_forms.envelope import EnvelopeSecret
from auth.signed_requests import SignedRequests
from channels.bank_port import HttpBankPort
from channels.desk import CarriageDesk, ChannelDesk, NewsDesk
from channels.destinations import resolve_host
from channels.issuance.desk import IssuanceDesk
from channels.news_signing import NewsKeys
from channels.posting import HttpPost
from channels.signing import find_calling_channel, find_signing_channel
from core.ground import Ground
from ecard.desk import EnrollmentDesk
from qr.desk import CodeDesk
from sm import city_keys
from sm.answer_keys import ANSWER_RING, AnswerKeys, answer_edition, load_answer_keys
from sm.ceremony import read_operators
from sm.ceremony_log import OPERATORS
from sm.certificates import PARTNER_PURPOSE, Certificate, RevocationList
from sm.certificates.issuing import Subject
from sm.keystore import KeyStore
from sm.sm2 import Provider
from web.held_keys import UntilTheRingChanges


def open_channel_requests(ground: Ground, provider: Provider) -> SignedRequests[SigningChannel]:
    """Let the guard's verifier find channels in the register."""

    def find(channel: str, serial: str) -> SigningChannel | None:
        return find_calling_channel(ground, channel, serial)

    return SignedRequests(ground, provider, ChannelRegister(ground, find))


def open_envelope_secret(store: KeyStore) -> EnvelopeSecret:
    """Derive the secret of each certificate from the city's own: another certificate is another secret."""
    stored = StoredSecrets(store.symmetric(city_keys.STORED_SECRETS))

    def secret_of(channel: str, serial: str) -> str:
        return stored.derive("channel-envelope", f"{channel}/{serial}").hex()

    return secret_of


def open_answer_keys(ground: Ground, store: KeyStore, provider: Provider) -> Callable[[], AnswerKeys]:
    """Hold the keys that sign answers; opened when the first channel calls."""
    return UntilTheRingChanges(
        store,
        [ANSWER_RING],
        lambda: load_answer_keys(store, provider, ground.clock()),
        lambda: answer_edition(store, ground.clock()),
    )


def open_channels(
    ground: Ground,
    store: KeyStore,
    provider: Provider,
    *,
    crls: Callable[[], Sequence[RevocationList]],
    answer_keys: Callable[[], AnswerKeys],
) -> ChannelDesk:
    """Wire the register of channels; keys are opened when they are needed."""

    def issue_certificate(name: str, public_key: bytes, begins: datetime, ends: datetime) -> Certificate:
        return city_keys.issue_leaf(
            store,
            provider,
            subject=Subject(common_name=name),
            public_key=public_key,
            purpose=PARTNER_PURPOSE,
            not_before=begins,
            not_after=ends,
        )

    def verify_certificate(certificate: Certificate, at: datetime) -> Certificate:
        trust, intermediates = city_keys.city_trust(store, provider), city_keys.read_hierarchy(store).intermediates
        return trust.verify_chain(certificate, intermediates, at, crls(), PARTNER_PURPOSE)

    return ChannelDesk(
        ground=ground,
        provider=provider,
        operators=lambda: read_operators(store.document(OPERATORS)) if OPERATORS in store.names() else {},
        issue_certificate=issue_certificate,
        verify_certificate=verify_certificate,
        answer_keys=answer_keys,
        authorities=lambda: (*city_keys.read_hierarchy(store).intermediates, city_keys.read_hierarchy(store).ministry),
    )


def open_issuance(
    ground: Ground,
    provider: Provider,
    oauth: OAuthDesk,
    cards: EnrollmentDesk,
    carriage: CarriageDesk,
    *,
    answer_keys: Callable[[], AnswerKeys],
) -> IssuanceDesk:
    """Wire the issuance of cards on a bank's word; the system's certificates are read when a bank is asked first."""
    port = HttpBankPort(
        ground=ground,
        provider=provider,
        answer_keys=answer_keys,
        find_channel=partial(find_signing_channel, ground.database),
        resolve=resolve_host,
        post=HttpPost(cache(ssl.create_default_context), keeps_answers=True),
    )
    return IssuanceDesk(ground=ground, oauth=oauth, cards=cards, carriage=carriage, port=port, share=draw_share)


def draw_share() -> float:
    """Draw a number from 0 to 1."""
    return secrets.randbelow(1_000_001) / 1_000_000


def open_carriage(ground: Ground, oauth: OAuthDesk, codes: CodeDesk) -> CarriageDesk:
    """Wire the card inside partners' apps."""
    return CarriageDesk(ground=ground, name=partial(subject_in_sector, oauth), codes=codes)


def open_news(ground: Ground, oauth: OAuthDesk, keys: Callable[[], NewsKeys]) -> NewsDesk:
    """Wire the news for channels; the system's certificates are read at the first delivery."""
    post = HttpPost(cache(ssl.create_default_context), keeps_connections=True)
    return NewsDesk(
        ground=ground,
        keys=keys,
        name=partial(subject_in_sector, oauth),
        resolve=resolve_host,
        post=post,
        hang_up=post.close,
        share=draw_share,
    )
