"""The servers that tests rely on are real, new for each test, and gone with the process that started them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
import sqlalchemy

from tests import servers
from tests.servers import PostgresServer, ServerMissingError

ROOT = Path(__file__).parents[1]


def create_table(url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE kept (id INTEGER PRIMARY KEY)"))
    engine.dispose()


def tables_of(url: str) -> list[str]:
    engine = sqlalchemy.create_engine(url)
    found = sqlalchemy.inspect(engine).get_table_names()
    engine.dispose()
    return found


@pytest.mark.parametrize("time_asked", ["first", "second"])
def test_a_database_is_empty_each_time(database_url, time_asked):
    assert tables_of(database_url) == []
    create_table(database_url)


def test_a_database_can_be_a_copy_of_another(postgres_server: PostgresServer):
    original = postgres_server.create_database()
    create_table(postgres_server.url(original))
    copy = postgres_server.create_database(template=original)
    assert tables_of(postgres_server.url(copy)) == ["kept"]
    postgres_server.drop_database(copy)
    postgres_server.drop_database(original)


def test_postgres_keeps_what_it_has_acknowledged(postgres_url):
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        settings = [connection.scalar(sqlalchemy.text(f"SHOW {name}")) for name in ("fsync", "synchronous_commit")]
    engine.dispose()
    assert settings == ["on", "on"]


@pytest.mark.parametrize("time_asked", ["first", "second"])
def test_redis_is_empty_each_time(redis_url, time_asked):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("seen", "yes")


def test_a_missing_server_names_the_command_that_installs_it(monkeypatch):
    installed = {name: Path("/usr/bin", name) for name in servers.DEBIAN_PACKAGES}
    installed |= {"postgres": None, "redis-server": None}
    monkeypatch.setattr(servers, "find_installed", installed.get)
    with pytest.raises(ServerMissingError, match=r"^sudo apt-get install -y postgresql redis-server$"):
        servers.find_program("postgres")


@pytest.mark.usefixtures("postgres_server", "redis_server")
def test_the_servers_die_with_a_process_that_is_killed():
    by_hand = subprocess.Popen([sys.executable, "-m", "tests.servers"], cwd=ROOT, stdout=subprocess.PIPE)
    with by_hand:
        urls = json.loads(by_hand.stdout.readline())
        assert is_answering(urls["redis_url"])
        started = children_of(by_hand.pid)
        by_hand.send_signal(signal.SIGKILL)
    assert len(started) == 2
    wait_until_gone(started)
    servers.remove_abandoned_folders()


def test_a_folder_left_by_a_killed_run_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(servers.tempfile, "gettempdir", lambda: str(tmp_path))
    ours = tmp_path / f"{servers.FOLDERS}{os.getpid()}-redis-x"
    abandoned = tmp_path / f"{servers.FOLDERS}{2**30}-redis-x"
    for folder in (ours, abandoned):
        folder.mkdir()
    servers.remove_abandoned_folders()
    assert list(tmp_path.iterdir()) == [ours]


def is_answering(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < deadline, f"still there: {pids}"
        time.sleep(0.05)
