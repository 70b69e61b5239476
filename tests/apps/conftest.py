from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service, running_service


@pytest.fixture
def fresh(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    with running_service(sqlite_url, tmp_path) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, once on each database."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path) as running:
        yield running
