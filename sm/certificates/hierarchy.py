"""The three authorities above every card: ministry → province → city."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sm.certificates.issuing import Subject, authority_profile, issue, new_serial
from sm.certificates.reading import Certificate, read_certificate
from sm.sm2 import PrivateKey, Provider, Signer


@dataclass(frozen=True)
class AuthorityRank:
    """What an authority's place decides: how many may stand below it, and how long it lives."""

    path_length: int
    life: timedelta


# Each outlives what it issues; a card is valid for at most ten years.
MINISTRY = AuthorityRank(2, timedelta(days=365 * 30))
PROVINCE = AuthorityRank(1, timedelta(days=365 * 20))
CITY = AuthorityRank(0, timedelta(days=365 * 15))


@dataclass(frozen=True)
class Hierarchy:
    """The certificates of one city and those above it."""

    ministry: Certificate
    province: Certificate
    city: Certificate

    @property
    def intermediates(self) -> tuple[Certificate, Certificate]:
        """What stands between the root and a leaf."""
        return self.city, self.province


@dataclass(frozen=True)
class AuthorityKeys:
    """The private keys of the three authorities."""

    ministry: PrivateKey
    province: PrivateKey
    city: PrivateKey


@dataclass(frozen=True)
class AuthoritySubjects:
    """Whom the three certificates name."""

    ministry: Subject
    province: Subject
    city: Subject


def development_subjects(region: str) -> AuthoritySubjects:
    """Name three authorities that belong to nobody, for the region code (six digits) of a city."""
    return AuthoritySubjects(
        ministry=Subject("Development Ministry Root CA", organization="Nobody"),
        province=Subject("Development Province CA", organization="Nobody", province=region[:2]),
        city=Subject("Development City CA", organization="Nobody", province=region[:2], city=region),
    )


def issue_hierarchy(
    keys: AuthorityKeys, provider: Provider, not_before: datetime, subjects: AuthoritySubjects
) -> Hierarchy:
    """Issue the root and the two authorities below it."""
    ministry_signer, province_signer = provider.signer(keys.ministry), provider.signer(keys.province)
    city_key = provider.public_key_of(keys.city)
    ministry = issue_authority(MINISTRY, subjects.ministry, ministry_signer.public_key, not_before, ministry_signer)
    province = issue_authority(
        PROVINCE, subjects.province, province_signer.public_key, not_before, ministry_signer, ministry
    )
    city = issue_authority(CITY, subjects.city, city_key, not_before, province_signer, province)
    return Hierarchy(ministry, province, city)


def issue_authority(
    rank: AuthorityRank,
    subject: Subject,
    public_key: bytes,
    not_before: datetime,
    signer: Signer,
    issuer: Certificate | None = None,
) -> Certificate:
    """Issue one authority's certificate; without an issuer it is the root. Errors are those of `issue`."""
    der = issue(
        subject=subject,
        public_key=public_key,
        profile=authority_profile(rank.path_length),
        serial=new_serial(),
        not_before=not_before,
        not_after=not_before + rank.life,
        signer=signer,
        issuer=issuer,
    )
    return read_certificate(der)
