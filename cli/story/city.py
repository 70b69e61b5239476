"""A development city: keys, register, a reader desk, a pharmacy, and a chip card for somebody who does not exist."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from auth.oauth.client_register import Registration, add_client_secret, register_client
from auth.parties import register_institution, register_terminal
from cli.key_ceremony import GivenApprovals
from cli.key_creation import City, make_city
from cli.key_store_options import StorePlace
from core.clock import system_clock
from core.database import Database
from core.settings import Settings
from ecard.holders import check_character, number_index
from physical.chip.files import HolderData, IssuerData, Sex, read_ef05
from physical.chip.profiles import CONTACT_3_0
from physical.chip.virtual_card import VirtualCard
from physical.chip.virtual_card_maker import personalise
from physical.register import register_chip_card
from physical.soft_hsm import create_root_keys, development_root_keys
from sm import city_keys
from sm.certificates import CARD_PURPOSE
from sm.certificates.issuing import Subject
from sm.der import export_pkcs8, write_pem
from sm.keystore import FileKeyStore, create_file_store
from sm.providers import open_provider
from sm.sm2 import random_private_key
from web.runtime import Runtime, open_runtime
from web.schema import migrate
from web.schema_version import current_revision, head_revision

REGION = "990100"  # exists nowhere


@dataclass(frozen=True)
class Terminal:
    """A registered terminal and the file with its key."""

    id: str
    serial: str
    key: Path


@dataclass(frozen=True)
class Town:
    """Who there is: a reader at a service desk, a till in a pharmacy."""

    desk: Terminal
    till: Terminal


@dataclass(frozen=True)
class RegisteredService:
    """A public service as an OAuth client."""

    client: str
    secret: str = field(repr=False)
    redirect_uri: str


def prepare_hsm(home: Path) -> tuple[Path, str, str]:
    """Make the soft HSM's own key store, once; return its folder, its secret and the key of the link to it."""
    folder, secret_at, link_at = home / "hsm-keys", home / "hsm.secret", home / "hsm-link.key"
    secret, link = _kept(secret_at, secrets.token_urlsafe(32)), _kept(link_at, secrets.token_hex(32))
    if not folder.exists():
        create_root_keys(create_file_store(folder, secret, "development"))
    return folder, secret, link


def keystore_secret(home: Path) -> str:
    """Draw the development key store's secret, once."""
    return _kept(home / "keystore.secret", secrets.token_urlsafe(32))


def prepare_keys(home: Path, secret: str) -> None:
    """Make the development city's key store, once, as `ecard keys init` does."""
    place = StorePlace(home / "keys", secret, open_provider(), system_clock)
    city = City("development", REGION, "Nobody", {}, city_keys.DEVELOPMENT_LEAD)
    make_city(place, city, GivenApprovals(dry_run=False, plan=None, approvals=()))


def open_city(settings: Settings) -> Runtime:
    """Bring the database up to date and wire the service's own parts, for the register and the card factory."""
    database = Database(settings.database)
    if current_revision(database) != head_revision():
        migrate(database)
    database.close()
    return open_runtime(settings)


def settle_town(runtime: Runtime, home: Path) -> Town:
    """Register the desk and the pharmacy, once."""
    known = home / "town.json"
    if known.exists():
        found = json.loads(known.read_text(encoding="utf-8"))
        return Town(*(Terminal(item["id"], item["serial"], Path(item["key"])) for item in found))
    desk = _register(runtime, home, "desk", "示范社区服务中心 2 号窗口", "centre", ("enroll",), ())
    till = _register(
        runtime, home, "till", "示范药房 1 号收银台", "pharmacy", ("redeem",), ("medical", "merchant", "test")
    )
    _write(known, json.dumps([{"id": t.id, "serial": t.serial, "key": str(t.key)} for t in (desk, till)]))
    return Town(desk, till)


def settle_public_service(runtime: Runtime, home: Path) -> RegisteredService:
    """Register a public service that lets citizens log in with the card, once."""
    known = home / "public-service.json"
    if not known.exists():
        given = Registration(
            profile="relying_party",
            name_zh="示范公积金中心",
            name_en="Example Housing Fund",
            authentication="client_secret_basic",
            redirect_uris=["https://fund.example/login"],
            scopes=["openid"],
        )
        oauth, now = runtime.oauth.desk, runtime.ground.clock()
        with runtime.ground.database.transaction() as connection:
            client = register_client(connection, given, default_audience=oauth.api, at=now)
            _, secret = add_client_secret(connection, oauth.stored, client, at=now)
        _write(known, json.dumps({"client": client, "secret": secret, "redirect_uri": given.redirect_uris[0]}))
    return RegisteredService(**json.loads(known.read_text(encoding="utf-8")))


def make_chip_card(
    runtime: Runtime, home: Path, hsm: tuple[Path, str, str], pin: bytes, person: HolderData
) -> tuple[VirtualCard, Path]:
    """Produce a 3.0 chip card for somebody, enter it into the register, keep it as a file."""
    card = personalise(
        person,
        CONTACT_3_0,
        region=REGION,
        root_keys=development_root_keys(FileKeyStore(hsm[0], hsm[1])),
        issue_certificate=lambda key, data: _certify(runtime, key, data),
        clock=lambda: datetime.now(UTC),
        randomness=secrets.token_bytes,
        provider=runtime.provider,
        pin=pin,
    )
    _enter(runtime, card, person)
    file = home / "chip-card.json"
    _write(file, card.to_json())
    return card, file


def _certify(runtime: Runtime, public_key: bytes, data: IssuerData) -> bytes:
    now = datetime.now(UTC)
    return city_keys.issue_leaf(
        runtime.store,
        runtime.provider,
        subject=Subject(common_name=data.card_identification_code),
        public_key=public_key,
        purpose=CARD_PURPOSE,
        not_before=now - timedelta(minutes=1),
        not_after=now + timedelta(days=3650),
    ).der


def _enter(runtime: Runtime, card: VirtualCard, person: HolderData) -> None:
    data = read_ef05(card.contents.issuer_records)
    with runtime.ground.database.transaction() as connection:
        register_chip_card(
            connection,
            card_identification_code=data.card_identification_code,
            generation=data.version[:3],
            region=data.region,
            issued_on=data.issued_on,
            expires_on=data.expires_on,
            holder_index=number_index(runtime.ground, person.social_security_number),
            historical_bytes=card.contents.historical_bytes.hex(),
            at=runtime.ground.clock(),
        )


def invent_person() -> HolderData:
    """Invent somebody: the region exists nowhere, the name belongs to nobody."""
    born = date(1950, 1, 1) + timedelta(days=secrets.randbelow(18_000))
    digits = f"{REGION}{born:%Y%m%d}{secrets.randbelow(1000):03}"
    sex = Sex.MALE if int(digits[-1]) % 2 else Sex.FEMALE
    return HolderData(
        social_security_number=digits + check_character(digits),
        name="测试" + secrets.choice("甲乙丙丁戊己庚辛"),
        sex=sex,
        ethnic_group="01",
        birthplace=REGION,
        birth_date=born,
    )


def _register(
    runtime: Runtime, home: Path, name: str, title: str, kind: str, scopes: tuple[str, ...], purposes: tuple[str, ...]
) -> Terminal:
    private_key = random_private_key()
    public_key = runtime.provider.public_key_of(private_key)
    file = home / f"{name}.pem"
    _write(file, write_pem("PRIVATE KEY", export_pkcs8(private_key)))
    now = runtime.ground.clock()
    with runtime.ground.database.transaction() as connection:
        institution = register_institution(
            connection, name=title.split(maxsplit=1)[0], kind=kind, region=REGION, scopes=scopes, at=now
        )
        terminal, serial = register_terminal(
            connection,
            name=title,
            site="示范路 1 号",
            institution=institution,
            purposes=purposes,
            public_key=public_key,
            at=now,
        )
    return Terminal(terminal, serial, file)


def _kept(file: Path, drawn: str) -> str:
    if not file.exists():
        _write(file, drawn)
    return file.read_text(encoding="ascii")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
