"""The keys of one city, each named in this one place: what the server opens and what `ecard keys init` makes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sm.answer_keys import ANSWER_RING, Issue, ensure_answer_ring
from sm.canonical import read_time, write_time
from sm.certificates.hierarchy import (
    CITY,
    MINISTRY,
    PROVINCE,
    AuthorityRank,
    AuthoritySubjects,
    Hierarchy,
    issue_authority,
)
from sm.certificates.issuing import Subject, issue, leaf_profile, new_serial
from sm.certificates.names import PLATFORM_PURPOSE
from sm.certificates.reading import Certificate, read_certificate
from sm.certificates.trust import Trust
from sm.errors import KeyNotFound, KeyStoreError
from sm.keyring import KeyRing, KeyState, RingKey, announce, rotate, start_ring, withdraw
from sm.keystore import KeyStore, Kind, Level
from sm.news_keys import NEWS_RINGS
from sm.ring_document import read_ring, write_ring
from sm.sm2 import PrivateKey, Provider, Signer, Verifier
from sm.sm4 import BlockCipher
from sm.token_keys import TOKEN_RINGS, ensure_rings

MINISTRY_CA = "ministry/root-ca"
PROVINCE_CA = "province/ca"
CITY_CA = "city/ca"
MINISTRY_CERTIFICATE = "ministry/root-ca-certificate"
PROVINCE_CERTIFICATE = "province/ca-certificate"
CITY_CERTIFICATE = "city/ca-certificate"

CODE_SIGNING = "city/code-signing/{kid}"
CODE_HANDLE = "city/code-handle/{kid}"
CODE_RING = "city/code-ring"

CARD_CREDENTIAL = "city/card-credential"
FIELD_ENCRYPTION = "city/field-encryption"
BLIND_INDEX = "city/blind-index"
PAIRWISE = "city/pairwise"
VISIT_TOKEN = "city/visit-token"  # noqa: S105 - the name of a key
STORED_SECRETS = "city/stored-secrets"
AUDIT = "city/audit"


@dataclass(frozen=True)
class CityKey:
    """One key that every city has."""

    name: str
    level: Level
    kind: Kind
    purpose: str


CITY_KEYS = (
    CityKey(MINISTRY_CA, "ministry", "sm2", "signs the certificates of provinces"),
    CityKey(PROVINCE_CA, "province", "sm2", "signs the certificates of cities"),
    CityKey(CITY_CA, "city", "sm2", "signs the certificates of cards, terminals and partners"),
    CityKey(CARD_CREDENTIAL, "city", "sm2", "signs the credential of an e-card"),
    CityKey(FIELD_ENCRYPTION, "city", "sm4", "encrypts personal data in the database"),
    CityKey(BLIND_INDEX, "city", "hmac", "finds personal data again without showing it"),
    CityKey(PAIRWISE, "city", "hmac", "makes one pseudonym for each card and merchant"),
    CityKey(VISIT_TOKEN, "city", "hmac", "authenticates visit tokens"),
    CityKey(STORED_SECRETS, "city", "hmac", "hides codes and tokens in the database"),
    CityKey(AUDIT, "city", "hmac", "authenticates audit entries"),
)

SIGNING_RINGS = (*TOKEN_RINGS, *NEWS_RINGS)
FIRST_KID, LAST_KID = 1, 0xFFFF  # two bytes in a code
CODE_KEY_LIFE = timedelta(days=730)
PRODUCTION_LEAD = timedelta(days=1)  # an offline terminal fetches the key list once a day
DEVELOPMENT_LEAD = timedelta(seconds=5)
RETIRED_LIFE = timedelta(minutes=15)  # a code lives for 5 minutes at most; workers and clocks have the rest


@dataclass(frozen=True)
class CodeKey:
    """One epoch of the code keys, ready for use. Whether it may be used its ring tells (`ring.get_for_…`)."""

    ring_key: RingKey
    verifier: Verifier
    handle: BlockCipher
    signer: Signer | None
    """None for a key that signs no more."""


def create_city_keys(
    store: KeyStore, provider: Provider, now: datetime, subjects: AuthoritySubjects, lead: timedelta = PRODUCTION_LEAD
) -> list[str]:
    """Create what is missing of a city's keys, certificates and code ring; tell the names of what was made.

    May be repeated, also after a crash: nothing that is there is touched. Code key 1 signs at once, key 2 is
    announced for `lead` from now; likewise the keys of tokens and news.
    """
    with store.writing():
        before = set(store.names())
        for key in CITY_KEYS:
            _ensure(store, key.name, key.level, key.kind)
        _ensure_certificates(store, provider, now, subjects)
        if CODE_RING not in before:
            ring = start_ring(_new_code_key(store, provider, FIRST_KID, now))
            _write_code_ring(store, _announce_next(store, provider, ring, now, lead))
        ensure_rings(store, provider, SIGNING_RINGS, now, lead)
        ensure_answer_ring(store, provider, now, lead, answer_certifier(store, provider))
        return sorted(set(store.names()) - before)


def missing_city_keys(store: KeyStore) -> list[str]:
    """Tell the names that `create_city_keys` would make, apart from those of code keys."""
    rings = (CODE_RING, ANSWER_RING, *(ring.document for ring in SIGNING_RINGS))
    documents = (MINISTRY_CERTIFICATE, PROVINCE_CERTIFICATE, CITY_CERTIFICATE, *rings)
    return sorted({*(key.name for key in CITY_KEYS), *documents} - set(store.names()))


def read_hierarchy(store: KeyStore) -> Hierarchy:
    """Read the certificates of the three authorities."""
    names = (MINISTRY_CERTIFICATE, PROVINCE_CERTIFICATE, CITY_CERTIFICATE)
    return Hierarchy(*(read_certificate(store.document(name)) for name in names))


def city_trust(store: KeyStore, provider: Provider) -> Trust:
    """Trust what stands below the ministry; give `read_hierarchy(store).intermediates` to `verify_chain`."""
    return Trust((read_hierarchy(store).ministry,), provider)


def issue_leaf(
    store: KeyStore,
    provider: Provider,
    *,
    subject: Subject,
    public_key: bytes,
    purpose: str,
    not_before: datetime,
    not_after: datetime,
) -> Certificate:
    """Let the city's authority certify a card, a terminal or a partner."""
    der = issue(
        subject=subject,
        public_key=public_key,
        profile=leaf_profile(purpose),
        serial=new_serial(),
        not_before=not_before,
        not_after=not_after,
        signer=provider.signer(store.private_key(CITY_CA)),
        issuer=read_hierarchy(store).city,
    )
    return read_certificate(der)


def answer_certifier(store: KeyStore, provider: Provider) -> Issue:
    """Let the city's authority certify the keys that sign its answers, in the city's own name."""

    def issue_answer_certificate(public_key: bytes, not_before: datetime, not_after: datetime) -> Certificate:
        return issue_leaf(
            store,
            provider,
            subject=Subject(common_name=f"ESSC answers, {read_hierarchy(store).city.subject_common_name}"),
            public_key=public_key,
            purpose=PLATFORM_PURPOSE,
            not_before=not_before,
            not_after=not_after,
        )

    return issue_answer_certificate


def code_ring(store: KeyStore) -> KeyRing:
    """Read the ring of the code keys; kids are numbers from 1 to 65535."""
    return read_ring(store.document(CODE_RING))


def load_code_keys(store: KeyStore, provider: Provider, user_id: bytes) -> dict[int, CodeKey]:
    """Open all code keys by kid, for signatures under `user_id`; withdrawn ones too, to read old handles."""
    return {int(key.kid): _load_code_key(store, provider, key, user_id) for key in code_ring(store).keys}


def rotate_code_keys(store: KeyStore, provider: Provider, now: datetime, lead: timedelta) -> KeyRing:
    """Retire the current code key, make the next one current and announce another for `lead` from now.

    Raises KeyNotUsable while the next key's time has not come: verifiers must have had time to hear of it.
    """
    with store.writing():
        now = _whole_seconds(now)
        ring = rotate(code_ring(store), now, now + RETIRED_LIFE)
        return _write_code_ring(store, _announce_next(store, provider, ring, now, lead))


def withdraw_code_key(store: KeyStore, provider: Provider, kid: int, now: datetime, lead: timedelta) -> KeyRing:
    """Stop believing a code key at once. In place of the current or the next key another one is brought up.

    The next key takes over if its time has come. If not, no key signs until then: `rotate_code_keys` ends that.
    """
    with store.writing():
        now = _whole_seconds(now)
        ring = withdraw(code_ring(store), kid)
        coming = _in_state(ring, KeyState.NEXT)
        if _in_state(ring, KeyState.CURRENT) is None and coming is not None and coming.not_before <= now:
            ring = rotate(ring, now, now + RETIRED_LIFE)
        if _in_state(ring, KeyState.NEXT) is None:
            ring = _announce_next(store, provider, ring, now, lead)
        return _write_code_ring(store, ring)


def _ensure(store: KeyStore, name: str, level: Level, kind: Kind) -> None:
    if name not in store.names():
        store.create(name, level, kind)


def _ensure_certificates(store: KeyStore, provider: Provider, now: datetime, subjects: AuthoritySubjects) -> None:
    root_key, province_key, city_key = (store.private_key(name) for name in (MINISTRY_CA, PROVINCE_CA, CITY_CA))
    root = _Authority(MINISTRY_CERTIFICATE, "ministry", MINISTRY, subjects.ministry, root_key, root_key)
    province = _Authority(PROVINCE_CERTIFICATE, "province", PROVINCE, subjects.province, province_key, root_key)
    city = _Authority(CITY_CERTIFICATE, "city", CITY, subjects.city, city_key, province_key)
    issuer = None
    for authority in (root, province, city):
        issuer = _ensure_certificate(store, provider, _whole_seconds(now), authority, issuer)


@dataclass(frozen=True)
class _Authority:
    document: str
    level: Level
    rank: AuthorityRank
    subject: Subject
    key: PrivateKey
    issuer_key: PrivateKey


def _ensure_certificate(
    store: KeyStore, provider: Provider, now: datetime, authority: _Authority, issuer: Certificate | None
) -> Certificate:
    if authority.document in store.names():
        return read_certificate(store.document(authority.document))
    public_key, signer = provider.public_key_of(authority.key), provider.signer(authority.issuer_key)
    certificate = issue_authority(authority.rank, authority.subject, public_key, now, signer, issuer)
    store.write_document(authority.document, authority.level, certificate.der)
    return certificate


def _announce_next(store: KeyStore, provider: Provider, ring: KeyRing, now: datetime, lead: timedelta) -> KeyRing:
    kid = max(int(key.kid) for key in ring.keys) + 1
    coming = _new_code_key(store, provider, kid, _whole_seconds(now) + lead)
    return announce(ring, coming, now)


def _new_code_key(store: KeyStore, provider: Provider, kid: int, not_before: datetime) -> RingKey:
    if kid > LAST_KID:
        raise KeyStoreError("a code has no room for another key epoch")
    signing, start = CODE_SIGNING.format(kid=kid), _whole_seconds(not_before)
    _ensure(store, signing, "city", "sm2")
    _ensure(store, CODE_HANDLE.format(kid=kid), "city", "sm4")
    public_key = provider.public_key_of(store.private_key(signing))
    return RingKey(kid, KeyState.NEXT, public_key, start, start + CODE_KEY_LIFE, f"file:{signing}")


def _load_code_key(store: KeyStore, provider: Provider, key: RingKey, user_id: bytes) -> CodeKey:
    is_signing = key.state in (KeyState.NEXT, KeyState.CURRENT)
    private_key = store.private_key(CODE_SIGNING.format(kid=key.kid))
    if provider.public_key_of(private_key) != key.public_key:
        raise KeyNotFound(f"the key store holds another code key {key.kid} than its ring")
    return CodeKey(
        ring_key=key,
        verifier=provider.verifier(key.public_key, user_id),
        handle=BlockCipher(store.symmetric(CODE_HANDLE.format(kid=key.kid))),
        signer=provider.signer(private_key, user_id) if is_signing else None,
    )


def _write_code_ring(store: KeyStore, ring: KeyRing) -> KeyRing:
    store.write_document(CODE_RING, "city", write_ring(ring))
    return ring


def _in_state(ring: KeyRing, state: KeyState) -> RingKey | None:
    return next((key for key in ring.keys if key.state is state), None)


def _whole_seconds(moment: datetime) -> datetime:
    return read_time(write_time(moment))
