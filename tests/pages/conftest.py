from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oauth.conftest import MANY_A_MINUTE
from tests.pages.visitors import Visitors
from tests.service import START, running_service


@pytest.fixture(scope="module")
def shared_visitors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitors]:
    home = tmp_path_factory.mktemp("pages")
    many = {**MANY_A_MINUTE, "logins_per_holder_hour": 1000}
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **many) as running:
        yield Visitors(running)


@pytest.fixture
def visitors(shared_visitors: Visitors) -> Iterator[Visitors]:
    """A service on SQLite with a holder; tests of a file share it, and its clock is put back after each."""
    shared_visitors.service.clock.now = START
    yield shared_visitors
    shared_visitors.service.clock.now = START


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Visitors]:
    """A service of this test alone, once on each database."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, **MANY_A_MINUTE) as running:
        yield Visitors(running)
