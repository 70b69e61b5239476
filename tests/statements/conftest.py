from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service, running_service
from tests.statements.records import close_day


@pytest.fixture(params=["sqlite", "postgresql"])
def city(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, once on each database, at noon of the day after."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path) as running:
        close_day(running)
        yield running


@pytest.fixture
def town(sqlite_service: Service) -> Service:
    """A service on SQLite alone, at noon of the day after."""
    close_day(sqlite_service)
    return sqlite_service


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
