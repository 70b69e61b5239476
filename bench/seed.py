"""What must be there before anything can be measured: keys, a schema, cards on phones, terminals."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from auth.devices import bind_device
from auth.parties import register_institution, register_terminal
from auth.proofs import thumbprint
from bench.naive import models as naive
from bench.stand import Stand
from core.clock import to_millis
from core.database import Database
from core.settings import Settings
from ecard.holders import keep_holder
from ecard.models import electronic_cards
from physical.register import register_chip_card
from physical.soft_hsm import create_root_keys
from sm.certificates import AuthoritySubjects, Subject
from sm.city_keys import create_city_keys
from sm.keystore import create_file_store
from sm.providers import open_provider
from sm.sm2 import PrivateKey, Provider, Signer
from tests.persons import make_person
from web.runtime import Runtime, open_runtime
from web.schema import migrate

PHONES = 250
TERMINALS = 4


@dataclass(frozen=True)
class SeededPhone:
    """A phone that carries a card."""

    device: str
    card: str
    card_index: int
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    public_jwk: Mapping[str, str]
    thumbprint: str


@dataclass(frozen=True)
class SeededTerminal:
    """A scanner of a merchant."""

    id: str
    serial: str
    signer: Signer
    public_key: bytes


@dataclass(frozen=True)
class Seeded:
    """Everything that callers need, and the environments in which the services run."""

    runtime: Runtime
    phones: Sequence[SeededPhone]
    terminals: Sequence[SeededTerminal]
    environment: Mapping[str, str]
    naive: Mapping[str, Any]
    naive_environment: Mapping[str, str]
    token_key: ec.EllipticCurvePrivateKey


def sow(stand: Stand) -> Seeded:
    """Make keys and schema, register everybody, and prepare the settings of all services."""
    settings = _settings(stand)
    provider = open_provider("openssl")
    _make_keys(settings, provider)
    database = Database(settings.database)
    migrate(database)
    database.close()
    runtime = open_runtime(settings)
    with runtime.ground.database.transaction() as connection:
        phones = [_add_phone(runtime, connection, number) for number in range(PHONES)]
        terminals = _add_terminals(connection, provider)
    token_key = ec.generate_private_key(ec.SECP256R1())
    naive_settings = _sow_naive(stand, phones, terminals, provider, token_key)
    path = stand.folder / "naive.json"
    path.write_text(json.dumps(naive_settings))
    return Seeded(
        runtime=runtime,
        phones=phones,
        terminals=terminals,
        environment=_environment(settings),
        naive=naive_settings,
        naive_environment={"NAIVE_SETTINGS": str(path)},
        token_key=token_key,
    )


def _settings(stand: Stand) -> Settings:
    return Settings(
        home=stand.folder,
        database_url=SecretStr(stand.postgres.url(stand.postgres.create_database())),
        redis_url=SecretStr(stand.redis.url),
        keystore_secret=SecretStr(secrets.token_urlsafe(24)),
        code_life_seconds=300,
        token_seconds=600,
        phone_requests_per_minute=6000,
        codes_per_minute=600,
        terminal_requests_per_minute=60000,
        address_requests_per_minute=1_000_000,
        client_requests_per_minute=1_000_000,
        holder_tokens_per_minute=1_000_000,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Write settings as the variables from which a service reads them."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    shown = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()
    }
    return {f"ECARD_{name.upper()}": str(value) for name, value in shown.items()}


def _make_keys(settings: Settings, provider: Provider) -> None:
    assert settings.keystore_secret
    store = create_file_store(settings.keystore, settings.keystore_secret.get_secret_value(), "development")
    subjects = AuthoritySubjects(*(Subject(f"Bench {rank} CA") for rank in ("ministry", "province", "city")))
    create_city_keys(store, provider, datetime.now(UTC), subjects)
    create_root_keys(store)


def _add_phone(runtime: Runtime, connection: Connection, number: int) -> SeededPhone:
    ground, now = runtime.ground, datetime.now(UTC)
    person = make_person(number)
    holder = keep_holder(ground, connection, person.social_security_number, person.name, now)
    chip_card = register_chip_card(
        connection,
        card_identification_code=f"9901{number:028d}",
        generation="3.0",
        region=ground.settings.region,
        at=now,
    )
    card, card_index = f"crd_{number:026d}", secrets.randbits(63)
    row = {
        "id": card,
        "card_index": card_index,
        "chip_card": chip_card,
        "holder": holder,
        "level": "L3",
        "default_pin": False,
        "card_class": "3",
        "region": ground.settings.region,
        "standing": "active",
        "standing_since": to_millis(now),
        "credential": "",
        "issued_at": to_millis(now),
    }
    connection.execute(electronic_cards.insert().values(row))
    key = ec.generate_private_key(ec.SECP256R1())
    public_jwk = public_jwk_of(key)
    name = thumbprint(public_jwk)
    device = bind_device(connection, card=card, channel="bench", thumbprint=name, public_jwk=public_jwk, at=now)
    return SeededPhone(device, card, card_index, key, public_jwk, name)


def public_jwk_of(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Write the public half of a key as a JWK."""
    described = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: described[name] for name in ("crv", "kty", "x", "y")}


def _add_terminals(connection: Connection, provider: Provider) -> list[SeededTerminal]:
    now = datetime.now(UTC)
    shop = register_institution(connection, name="Example shop", kind="merchant", region="990100", at=now)
    terminals = []
    for number in range(TERMINALS):
        private_key: PrivateKey = provider.generate()
        public_key = provider.public_key_of(private_key)
        terminal, serial = register_terminal(
            connection,
            name=f"till {number}",
            site="example",
            institution=shop,
            purposes=["merchant", "test"],
            public_key=public_key,
            at=now,
        )
        terminals.append(SeededTerminal(terminal, serial, provider.signer(private_key), public_key))
    return terminals


def _sow_naive(
    stand: Stand,
    phones: Sequence[SeededPhone],
    terminals: Sequence[SeededTerminal],
    provider: Provider,
    token_key: ec.EllipticCurvePrivateKey,
) -> dict[str, Any]:
    url = stand.postgres.url(stand.postgres.create_database())
    engine = create_engine(url)
    naive.Base.metadata.create_all(engine)
    with Session(engine) as session:
        for number, phone in enumerate(phones, start=1):
            session.add(naive.Holder(id=number, name="示例甲"))
            session.add(
                naive.Card(id=phone.card, card_index=phone.card_index, status="active", level="L3", holder_id=number)
            )
            session.flush()
            session.add(naive.Device(id=phone.device, card_id=phone.card, status="active"))
        for terminal in terminals:
            session.add(
                naive.Terminal(
                    id=terminal.id, institution="shop", status="active", public_key=terminal.public_key.hex()
                )
            )
        session.commit()
    engine.dispose()
    private_key = provider.generate()
    public_pem = token_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "issuer": "http://127.0.0.1:8460",
        "token_key": public_pem.decode(),
        "private_key": private_key.secret_bytes().hex(),
        "public_key": provider.public_key_of(private_key).hex(),
        "handle_key": secrets.token_hex(16),
        "database_url": url,
        "redis_url": stand.redis.url.removesuffix("/0") + "/1",
    }
