"""A database that does not answer is no verdict on a code, and nothing is granted (trust.md: fails closed)."""

import contextlib
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from psycopg import sql

from cli.till import Till
from core.errors import Unavailable
from qr.errors import CannotTell, CodeSpent
from sm.errors import KeyStoreUnavailable
from sm.keystore import MemoryKeyStore
from tests.redemption.counter import require_accepted, require_verdict, take
from tests.redemption.processes import Town, at_once, redeem_stubbornly
from tests.servers import PostgresServer
from tests.service import Service

A_LITTLE_OVER_A_SECOND = 1.1  # for so long a worker holds what it made of the code ring
on_postgresql = pytest.mark.parametrize("town", ["postgresql"], indirect=True)


def name_of_database(town: Town) -> sql.Identifier:
    return sql.Identifier(str(town.inside.database.engine.url.database))


def cut_connections(server: PostgresServer, town: Town) -> None:
    """End every connection to the town's database, whatever runs on it."""
    terminate = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
    server.execute(terminate.format(sql.Literal(str(town.inside.database.engine.url.database))))


@contextlib.contextmanager
def closed(server: PostgresServer, town: Town) -> Iterator[None]:
    """Let nobody connect to the town's database."""
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    server.execute(allow.format(name_of_database(town), sql.Literal(False)))
    cut_connections(server, town)
    try:
        yield
    finally:
        server.execute(allow.format(name_of_database(town), sql.Literal(True)))
        wake(town)


def wake(town: Town) -> None:
    """Use up the dead connections of the pools: each worker finds out at its next request."""
    for _ in range(50):
        with contextlib.suppress(Unavailable):
            town.inside.database.ping()
            if all(httpx.get(f"{town.processes.address}/readyz", trust_env=False).is_success for _ in range(10)):
                return
    raise AssertionError("not ready")


@on_postgresql
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_without_its_database_the_service_cannot_tell(
    town: Town, postgres_server: PostgresServer, kind: str, language: str
) -> None:
    code, key = town.phones[0].code("medical", kind).json()["code"], secrets.token_hex(8)
    before = town.books()
    with closed(postgres_server, town):
        for till in town.tills:
            answer = take(till, code, key=key, language=language)
            require_verdict(answer, CannotTell, language)
            assert answer.headers["Retry-After"] == "2"
    assert town.books() == before
    first = require_accepted(take(town.tills[0], code, key=key))
    assert require_accepted(take(town.tills[0], code, key=key)) == first
    require_verdict(take(town.tills[1], code, key=key), CodeSpent)


@on_postgresql
def test_connections_that_are_cut_take_no_code_twice_and_lose_none(town: Town, postgres_server: PostgresServer) -> None:
    card, before = town.card_of(town.phones[0]), set(town.books().redeemed)
    over, taken = threading.Event(), Counter[str]()

    def load(till: Till) -> None:
        while not over.is_set():
            code, key = town.mint(card), secrets.token_hex(8)
            told = redeem_stubbornly(till, code, key)
            assert redeem_stubbornly(till, code, key).content == told.content
            taken[require_accepted(told)["id"]] += 1

    def cut() -> None:
        for _ in range(10):
            over.wait(0.15)
            cut_connections(postgres_server, town)
        over.set()

    at_once([cut, *(lambda till=till: load(till) for till in town.tills * 2)], lambda act: act())
    wake(town)
    books = town.books()
    books.require_whole()
    assert set(books.redeemed) - before == set(taken)


def test_an_embedded_database_that_somebody_holds_cannot_tell(sqlite_service: Service, tmp_path: Path) -> None:
    phone, till = sqlite_service.enroll(), sqlite_service.add_till()
    code = phone.code("medical").json()["code"]
    sa.event.listen(sqlite_service.database.engine, "checkout", be_impatient)
    with contextlib.closing(sqlite3.connect(tmp_path / "ecard.sqlite3", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        require_verdict(take(till, code, key="till-000001"), CannotTell)
        holder.execute("ROLLBACK")
    require_accepted(take(till, code, key="till-000001"))


def be_impatient(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout = 50")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_without_its_key_store_the_service_cannot_tell(
    sqlite_service: Service, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    phone, till = sqlite_service.enroll(), sqlite_service.add_till()
    code = phone.code("medical").json()["code"]
    look = threading.Event().wait
    with monkeypatch.context() as away:
        away.setattr(MemoryKeyStore, "read", refuse_to_read)
        look(A_LITTLE_OVER_A_SECOND)
        require_verdict(take(till, code, key="till-000001", language=language), CannotTell, language)
        assert phone.code("medical").json()["code"] == "keys_unavailable"  # of the phone's token already
        assert phone.http.get("/v1/verification-keys").json()["code"] == "unavailable"
    require_accepted(take(till, code, key="till-000001", language=language))
    assert phone.code("medical").status_code == 201


def refuse_to_read(_store: MemoryKeyStore, _name: str) -> None:
    raise KeyStoreUnavailable("not mounted")
