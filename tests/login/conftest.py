from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.login.browser import Town
from tests.oauth.conftest import MANY_A_MINUTE
from tests.service import running_service


@pytest.fixture
def town(sqlite_url: str, tmp_path: Path) -> Iterator[Town]:
    """A service of this test alone, with a holder, her phone and a relying party."""
    with running_service(sqlite_url, tmp_path, **MANY_A_MINUTE) as running:
        yield Town(running)


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """The same, once on each database."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, threads=32, **MANY_A_MINUTE) as running:
        yield Town(running)
