"""All wiring on one page: settings in, everything that the service needs out."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from auth.apps.associations import PublishedAssociations
from auth.guard import Gate
from auth.kept_answers import KeptAnswers
from auth.login.desk import LoginDesk
from auth.login.purposes import (
    ACCOUNT,
    DEVICE,
    OAUTH,
    AccountPurpose,
    DevicePurpose,
    LoginAddresses,
    OAuthPurpose,
)
from auth.oauth.clients import Clients
from auth.oauth.desk import OAuthDesk
from auth.oauth.nonces import ProofNonces
from auth.oauth.server import OAuthServer, open_server
from auth.oauth.stored_secrets import StoredSecrets
from auth.oauth.token_keys import TokenKeys, load_token_keys
from auth.signed_requests import SignedRequests, TerminalRegister
from auth.tokens import TokenDesk
from channels.desk import CarriageDesk, ChannelDesk, NewsDesk
from channels.issuance.desk import IssuanceDesk
from channels.news_signing import NewsKeys, load_news_keys
from channels.sandbox.meeting import may_meet
from channels.signing import limits_of_client
from core.audit import AuditTrail
from core.clock import Clock, system_clock
from core.database import Database
from core.ephemeral import DatabaseEphemeral, Ephemeral, FallbackEphemeral, RedisEphemeral, open_redis
from core.errors import UnsafeSettings
from core.ground import Ground
from core.sealed_fields import SealedFields
from core.settings import Environment, Settings
from ecard.credential import USER_ID as CREDENTIAL_USER_ID
from ecard.credential import CredentialSigner
from ecard.desk import EnrollmentDesk, PasswordDesk
from ecard.levels import card_state
from ecard.password import check_password
from physical.card_proofs import CardProofs
from physical.hsm import AbsentCardHsm, CardHsm, RemoteCardHsm
from physical.hsm_wire import read_link_key
from physical.soft_hsm import ROOT_KEY_NAMES, SoftCardHsm
from qr.desk import CodeDesk, IssuerKeys
from qr.signing_keys import USER_ID as CODE_USER_ID
from qr.signing_keys import CodeKeys, MintingKey
from qr.statements.desk import StatementDesk
from qr.verification_keys import KEY_LIST_PURPOSE, build_key_list, open_key_list_signer
from sm import city_keys
from sm.certificates import RevocationList
from sm.certificates.issuing import Subject
from sm.certificates.reading import Certificate, read_certificate
from sm.city_keys import CodeKey
from sm.city_revocation import find_city_crl
from sm.errors import KeyNotFound, KeyNotUsable
from sm.keyring import KeyRing
from sm.keystore import FileKeyStore, KeyStore
from sm.keystore.protocol import require_environment
from sm.news_keys import NEWS_RINGS
from sm.providers import open_provider
from sm.sm2 import Provider
from sm.token_keys import CLIENT_RINGS, PHONE_RINGS, TokenRing
from web.channel_wiring import (
    open_answer_keys,
    open_carriage,
    open_channel_requests,
    open_channels,
    open_envelope_secret,
    open_issuance,
    open_news,
)
from web.held_keys import UntilTheRingChanges
from web.schema_version import require_migrated
from web.statement_wiring import open_statements

KEY_LIST_CERTIFICATE = "city/key-list-certificate"
_CREDENTIAL_KID = "card-1"


@dataclass(frozen=True)
class Runtime:
    """The service, wired: what ``create_app``, the worker and the commands stand on."""

    ground: Ground
    gate: Gate
    oauth: OAuthServer
    apps: PublishedAssociations
    login: LoginDesk
    enrollment: EnrollmentDesk
    passwords: PasswordDesk
    codes: CodeDesk
    channels: ChannelDesk
    carriage: CarriageDesk
    issuance: IssuanceDesk
    statements: StatementDesk
    news: NewsDesk
    store: KeyStore
    provider: Provider
    durable_ephemeral: DatabaseEphemeral

    def close(self) -> None:
        """Let go of connections and keys."""
        self.news.hang_up()
        self.ground.database.close()
        self.provider.close()


def open_runtime(settings: Settings, *, clock: Clock = system_clock, hsm: CardHsm | None = None) -> Runtime:
    """Wire the service; open after fork. Raises ``UnsafeSettings`` or ``SmError`` where it must not start."""
    runtime = wire(settings, open_store(settings), open_provider(settings.sm2_provider), clock=clock, hsm=hsm)
    runtime.ground.database.require_durable()
    require_migrated(runtime.ground.database)
    _give_memory_back()
    return runtime


def wire(
    settings: Settings, store: KeyStore, provider: Provider, *, clock: Clock = system_clock, hsm: CardHsm | None = None
) -> Runtime:
    """Put the parts together around a key store and a provider that are open already."""
    database = Database(settings.database, pool_size=settings.threads + 2)
    durable = DatabaseEphemeral(database, clock)
    fields = SealedFields(store.symmetric(city_keys.FIELD_ENCRYPTION), store.symmetric(city_keys.BLIND_INDEX))
    ground = Ground(
        settings=settings,
        clock=clock,
        database=database,
        ephemeral=_open_ephemeral(settings, durable),
        audit=AuditTrail(store.symmetric(city_keys.AUDIT)),
        fields=fields,
    )
    oauth = _open_oauth(ground, store, provider)
    passwords = PasswordDesk(ground, durable, oauth.desk.stored.derive("card-password", ""))
    gate = _open_gate(ground, store, provider, oauth.desk.stored)
    codes = _open_codes(ground, store, provider)
    enrollment = _open_enrollment(ground, store, provider, hsm or _open_hsm(settings, store))
    carriage = open_carriage(ground, oauth.desk, codes)
    return Runtime(
        ground=ground,
        gate=gate,
        oauth=oauth,
        apps=PublishedAssociations(ground),
        login=_open_login(oauth.desk, passwords, durable),
        enrollment=enrollment,
        issuance=open_issuance(ground, provider, oauth.desk, enrollment, carriage, answer_keys=gate.answer_keys),
        passwords=passwords,
        codes=codes,
        carriage=carriage,
        news=open_news(ground, oauth.desk, _hold_news_keys(store, provider)),
        channels=open_channels(ground, store, provider, crls=lambda: _read_crls(store), answer_keys=gate.answer_keys),
        statements=open_statements(ground, store, provider, oauth.desk),
        store=store,
        provider=provider,
        durable_ephemeral=durable,
    )


def _give_memory_back() -> None:
    """Return to the system what opening the key store took: scrypt's 16 MB would stay in the heap of every worker."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; others give back by themselves
    if trim is not None:
        trim(0)


def open_store(settings: Settings) -> FileKeyStore:
    """Open the key store; keys of development never open in production."""
    store = FileKeyStore(settings.keystore, read_secret(settings))
    require_environment(store, settings.environment.value)
    return store


def read_secret(settings: Settings) -> str:
    """Take the key store's secret from the environment, in development also from a file beside the store."""
    if settings.keystore_secret is not None:
        return settings.keystore_secret.get_secret_value()
    beside = secret_file(settings)
    if settings.environment is Environment.DEVELOPMENT and beside.exists():
        return beside.read_text(encoding="ascii").strip()
    raise UnsafeSettings("ECARD_KEYSTORE_SECRET is not set")


def secret_file(settings: Settings) -> Path:
    return settings.home / "keystore.secret"


def _open_ephemeral(settings: Settings, durable: DatabaseEphemeral) -> Ephemeral:
    if settings.redis_url is None:
        return durable
    return FallbackEphemeral(RedisEphemeral(open_redis(settings.redis_url.get_secret_value())), durable)


def _open_gate(ground: Ground, store: KeyStore, provider: Provider, stored: StoredSecrets) -> Gate:
    return Gate(
        ground=ground,
        requests=SignedRequests(ground, provider, TerminalRegister(ground)),
        channels=open_channel_requests(ground, provider),
        limits_of_client=partial(limits_of_client, ground.database),
        envelope_secret=open_envelope_secret(store),
        answer_keys=open_answer_keys(ground, store, provider),
        tokens=TokenDesk(ground, _hold_token_keys(ground, store, provider, PHONE_RINGS)),
        answers=KeptAnswers(ground, stored.derive("idempotent-answers", "")),
    )


def _hold_token_keys(
    ground: Ground, store: KeyStore, provider: Provider, rings: Sequence[TokenRing]
) -> Callable[[], TokenKeys]:
    algorithm, documents = ground.settings.token_algorithm, [ring.document for ring in rings]
    return UntilTheRingChanges(store, documents, lambda: load_token_keys(store, provider, algorithm, rings))


def _hold_news_keys(store: KeyStore, provider: Provider) -> Callable[[], NewsKeys]:
    documents = [ring.document for ring in NEWS_RINGS]
    return UntilTheRingChanges(store, documents, lambda: load_news_keys(store, provider))


def _open_oauth(ground: Ground, store: KeyStore, provider: Provider) -> OAuthServer:
    stored = StoredSecrets(store.symmetric(city_keys.STORED_SECRETS))
    desk = OAuthDesk(
        ground=ground,
        provider=provider,
        clients=Clients(ground, provider),
        stored=stored,
        nonces=ProofNonces(stored.derive("dpop-nonces", "")),
        token_keys=_hold_token_keys(ground, store, provider, CLIENT_RINGS),
        card_states=card_state,
        may_meet=may_meet,
        pairwise_key=store.symmetric(city_keys.PAIRWISE),
        login=LoginAddresses(),
    )
    return open_server(desk)


def _open_login(oauth: OAuthDesk, passwords: PasswordDesk, durable: DatabaseEphemeral) -> LoginDesk:
    return LoginDesk(
        oauth=oauth,
        purposes={
            OAUTH: OAuthPurpose(oauth),
            ACCOUNT: AccountPurpose(oauth.issuer),
            DEVICE: DevicePurpose(oauth.issuer),
        },
        check_password=partial(check_password, passwords),
        counts=durable,
    )


def _open_hsm(settings: Settings, store: KeyStore) -> CardHsm:
    """Reach the card HSM; where none is named, in development, the soft one if this key store has root keys."""
    if settings.card_hsm is None:
        has_roots = set(ROOT_KEY_NAMES.values()) <= set(store.names())
        return SoftCardHsm(store, settings.environment.value) if has_roots else AbsentCardHsm()
    host, _, port = settings.card_hsm.rpartition(":")
    if settings.card_hsm_link_key is None or not port.isdigit():
        raise UnsafeSettings("ECARD_CARD_HSM needs host:port, and ECARD_CARD_HSM_LINK_KEY")
    return RemoteCardHsm((host, int(port)), read_link_key(settings.card_hsm_link_key.get_secret_value()))


def _open_enrollment(ground: Ground, store: KeyStore, provider: Provider, hsm: CardHsm) -> EnrollmentDesk:
    signer = provider.signer(store.private_key(city_keys.CARD_CREDENTIAL), CREDENTIAL_USER_ID)
    proofs = CardProofs(
        hsm=hsm,
        trust=city_keys.city_trust(store, provider),
        intermediates=city_keys.read_hierarchy(store).intermediates,
        provider=provider,
        crls=lambda: _read_crls(store),
    )
    return EnrollmentDesk(ground, proofs, CredentialSigner(signer, _CREDENTIAL_KID))


def _read_crls(store: KeyStore) -> Sequence[RevocationList]:
    """Read the city's list; in production one that is missing is no empty one."""
    found = find_city_crl(store)
    if found is None and store.environment == "production":
        raise KeyNotFound("there is no revocation list: `ecard keys crl --refresh` issues the first one")
    return [found] if found else []


def _open_codes(ground: Ground, store: KeyStore, provider: Provider) -> CodeDesk:
    signer = open_key_list_signer(provider, store.private_key(city_keys.CARD_CREDENTIAL))

    def write_key_list() -> bytes:
        certificate = _key_list_certificate(ground, store, provider)
        hierarchy = city_keys.read_hierarchy(store)
        chain = [certificate.der, hierarchy.city.der, hierarchy.province.der]
        return build_key_list(
            city_keys.code_ring(store),
            signer,
            issuer=certificate.subject_common_name,
            issued_at=ground.clock(),
            certificates=chain,
        )

    return CodeDesk(
        ground=ground,
        keys=UntilTheRingChanges(
            store,
            [city_keys.CODE_RING],
            lambda: _load_issuer_keys(ground, store, provider),
            lambda: _signing_kid(store, ground.clock()),
        ),
        key_list=UntilTheRingChanges(store, [city_keys.CODE_RING], write_key_list, lambda: _hour(ground)),
        pairwise_key=store.symmetric(city_keys.PAIRWISE),
        visit_key=store.symmetric(city_keys.VISIT_TOKEN),
    )


def _load_issuer_keys(ground: Ground, store: KeyStore, provider: Provider) -> IssuerKeys:
    """Open the code keys; while none may sign, what was signed before can still be taken."""
    loaded = city_keys.load_code_keys(store, provider, CODE_USER_ID)
    ring = city_keys.code_ring(store)
    return IssuerKeys(
        minting=_minting_key(ring, loaded, ground.clock()),
        verifying=CodeKeys(ring, provider),
        ciphers={kid: key.handle for kid, key in loaded.items()},
    )


def _minting_key(ring: KeyRing, loaded: Mapping[int, CodeKey], now: datetime) -> MintingKey | None:
    try:
        kid = int(ring.get_for_signing(now).kid)
    except (KeyNotFound, KeyNotUsable):  # withdrawn, and the next one's time has not come
        return None
    key = loaded[kid]
    return MintingKey(kid, key.signer, key.handle) if key.signer else None


def _signing_kid(store: KeyStore, now: datetime) -> bytes:
    """Name the key that may sign now: its dates begin and end without the ring being written."""
    try:
        return str(city_keys.code_ring(store).get_for_signing(now).kid).encode()
    except (KeyNotFound, KeyNotUsable):
        return b""


def _hour(ground: Ground) -> bytes:
    """Name the hour: a list is signed anew each hour, long before terminals stop believing the last one."""
    return str(int(ground.clock().timestamp()) // 3600).encode()


def _key_list_certificate(ground: Ground, store: KeyStore, provider: Provider) -> Certificate:
    """Find the certificate under which the city signs key lists, or have the city's authority issue a new one."""
    now = ground.clock()
    with store.writing():
        if KEY_LIST_CERTIFICATE in store.names():
            known = read_certificate(store.document(KEY_LIST_CERTIFICATE))
            if known.not_after - now > timedelta(days=30):
                return known
        issued = city_keys.issue_leaf(
            store,
            provider,
            subject=Subject(common_name=f"ESSC code keys {ground.settings.region}"),
            public_key=provider.public_key_of(store.private_key(city_keys.CARD_CREDENTIAL)),
            purpose=KEY_LIST_PURPOSE,
            not_before=now,
            not_after=now + timedelta(days=365),
        )
        store.write_document(KEY_LIST_CERTIFICATE, "city", issued.der)
        return issued
