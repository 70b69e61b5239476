from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.limits.town import Town, open_town


@pytest.fixture(params=["database", "redis"])
def memory(request: pytest.FixtureRequest) -> str | None:
    """Where limits are counted: in the database alone, or in Redis."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@pytest.fixture
def town(sqlite_url: str, tmp_path: Path) -> Iterator[Town]:
    """A town of this test alone, with the limits out of the way."""
    with open_town(sqlite_url, tmp_path) as opened:
        yield opened
