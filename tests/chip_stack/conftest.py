from collections.abc import Iterator

import pytest

from tests.readers import Stack, running_stack


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running
