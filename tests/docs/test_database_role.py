"""The two database roles of docs/operations.md: what it prints is run as it stands."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from core.clock import to_text
from core.database import Database
from tests.docs.pages import ROOT, fenced
from tests.servers import PostgresServer
from tests.service import Service, running_service
from web.schema import migrate
from web.worker import Worker

ROLES, GRANTS = fenced(ROOT / "docs" / "operations.md", "sql")
FORBIDDEN = (
    "UPDATE audit_entries SET actor = 'nobody'",
    "DELETE FROM audit_entries",
    "TRUNCATE audit_entries",
    "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
    "UPDATE redemptions SET handle = 'another'",
    "UPDATE carriage_records SET card = 'another'",
    "DELETE FROM carriage_records",
    "UPDATE statements SET sm3 = 'another'",
    "DELETE FROM redemptions",
    "DELETE FROM electronic_cards",
    "DROP TABLE outbox",
    "CREATE TABLE mine (number integer)",
    "UPDATE alembic_version SET version_num = '0000'",
)


@pytest.fixture
def city(postgres_server: PostgresServer) -> Iterator[dict[str, str]]:
    """A database made as the page says; the URLs of its two roles."""
    run(postgres_server.url("postgres"), ROLES)
    address = postgres_server.url("ecard").partition("@")[2]
    urls = {role: f"postgresql+psycopg://ecard_{role}:{role}-password@{address}" for role in ("owner", "app")}
    with contextlib.closing(Database(urls["owner"])) as database:
        migrate(database)
    run(urls["owner"], GRANTS)
    yield urls
    run(postgres_server.url("postgres"), "DROP DATABASE ecard; DROP ROLE ecard_app; DROP ROLE ecard_owner;")


def run(url: str, statements: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(statement)


def test_the_application_s_role_plays_the_story_and_can_rewrite_nothing(city, tmp_path):
    with running_service(city["app"], tmp_path) as service:
        play(service)
    for statement in FORBIDDEN:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(city["app"], statement)


def play(service: Service) -> None:
    phone, till, other = service.enroll(), service.add_till(), service.add_till()
    code = phone.code("medical").json()["code"]
    assert till.redeem(code, "medical").status_code == 201
    assert till.redeem(code, "medical").status_code == 409
    taken = {"code": phone.code("merchant").json()["code"], "accepted_at": to_text(service.clock())}
    assert outcome(till, taken) == "recorded"
    assert outcome(other, taken) == "duplicate"
    assert phone.call("POST", f"/v1/cards/{phone.card}/loss-reports").status_code == 201
    worker = Worker(service.runtime)
    assert worker.tell()
    assert worker.seal()
    assert phone.send("GET", "/v1/notices").json()["items"]
    for days in (1, 400):
        service.clock.step(days * 86_400)
        while worker.tell() + worker.make_statement():
            pass
        worker.clean()


def outcome(till, item) -> str:
    return till.send("POST", "/v1/offline-acceptances", {"items": [item]}).json()["outcomes"][0]["result"]
