from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import START, Service, running_service


@pytest.fixture(scope="module")
def shared_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("channels")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        yield running


@pytest.fixture
def city(shared_city: Service) -> Iterator[Service]:
    """A service on SQLite; tests of a file share it, and its clock is put back after each."""
    shared_city.clock.now = START
    yield shared_city
    shared_city.clock.now = START


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, once on each database, with threads enough for races."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, threads=32) as running:
        yield running
