"""`ecard keys init`: found a city's key store, or complete one that is there."""

from dataclasses import dataclass
from datetime import timedelta

from auth.published_key import require_unpublished
from cli.key_ceremony import (
    Act,
    GivenApprovals,
    conduct,
    first_plan,
    open_log,
    read_approvals,
    read_approved_plan,
    show_plan,
)
from cli.key_store_options import StorePlace
from sm.ceremony import Approval, Operators, Plan, require_distinct_operators, verify_approvals, write_operators
from sm.ceremony_log import LEVEL, LOG_HEAD, OPERATORS, Result
from sm.certificates import AuthoritySubjects, Subject
from sm.city_keys import create_city_keys, missing_city_keys, read_hierarchy
from sm.der import write_pem
from sm.keystore import FileKeyStore, create_file_store
from sm.keystore.durable import make_directory, write_durably

CERTIFICATES = "certificates"


@dataclass(frozen=True)
class City:
    """Whose keys shall be made."""

    environment: str
    region: str
    organization: str
    operators: Operators
    lead: timedelta


def make_city(place: StorePlace, city: City, given: GivenApprovals) -> list[str] | None:
    """Make what is missing and tell the names; None when only the plan was to be shown."""
    if not place.holds_store() or LOG_HEAD not in place.open(city.environment).names():
        return _found(place, city, given)
    store = place.open(city.environment)
    missing = missing_city_keys(store)
    if not missing:
        return []
    act = Act("create", {"creates": " ".join(missing)})
    result = conduct(store, place, act, given, lambda: _create_keys(store, place, city))
    return None if result is None else result["made"].split()


def _found(place: StorePlace, city: City, given: GivenApprovals) -> list[str] | None:
    """Make a whole store. What a crash left unfinished has no log yet, and this is simply done again."""
    plan = first_plan(_details(city), place.clock())
    approvals: list[Approval] = []
    for key in city.operators.values():
        require_unpublished(key)
    if city.environment == "production":
        require_distinct_operators(city.operators)
    if given.dry_run:
        show_plan(plan)
        return None
    if city.environment == "production":
        plan, approvals = read_approved_plan(given, plan), read_approvals(given)
        verify_approvals(plan, approvals, city.operators, place.provider, place.clock())
    return _found_as_planned(place, city, plan, approvals)


def _found_as_planned(place: StorePlace, city: City, plan: Plan, approvals: list[Approval]) -> list[str]:
    store = (
        place.open(city.environment)
        if place.holds_store()
        else create_file_store(place.directory, place.secret, city.environment)
    )
    made = _create_keys(store, place, city)
    store.write_document(OPERATORS, LEVEL, write_operators(city.operators))
    log = open_log(store, place)
    log.begin()
    log.append("done", plan, approvals, made, place.clock())
    return made["made"].split()


def _create_keys(store: FileKeyStore, place: StorePlace, city: City) -> Result:
    made = create_city_keys(store, place.provider, place.clock(), _subjects(city), city.lead)
    _save_certificates(store)
    return {"made": " ".join(made)}


def _save_certificates(store: FileKeyStore) -> None:
    """Copy the certificates to where other programs find them; those in the store are the ones that count."""
    hierarchy, directory = read_hierarchy(store), store.directory / CERTIFICATES
    make_directory(directory)
    for certificate, name in (
        (hierarchy.ministry, "ministry"),
        (hierarchy.province, "province"),
        (hierarchy.city, "city"),
    ):
        write_durably(directory / f"{name}.pem", write_pem("CERTIFICATE", certificate.der).encode("ascii"))


def _details(city: City) -> dict[str, str]:
    operators = {f"operator {name}": key.hex() for name, key in city.operators.items()}
    return {
        "environment": city.environment,
        "region": city.region,
        "organization": city.organization,
        "lead_seconds": str(int(city.lead.total_seconds())),
    } | operators


def _subjects(city: City) -> AuthoritySubjects:
    """Name the three authorities; those of development say what they are."""
    prefix = "" if city.environment == "production" else "Development "
    province = city.region[:2]
    return AuthoritySubjects(
        ministry=Subject(f"{prefix}Ministry Root CA", organization=city.organization),
        province=Subject(f"{prefix}Province CA {province}", organization=city.organization, province=province),
        city=Subject(f"{prefix}City CA {city.region}", city.organization, province=province, city=city.region),
    )
