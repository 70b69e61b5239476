from collections.abc import Iterator

import pytest

from tests.service import START, Service, running_service


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for the many small questions of a file; whoever moves its clock must put it back."""
    home = tmp_path_factory.mktemp("service")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, phone_requests_per_minute=6000) as running:
        yield running


@pytest.fixture
def still_service(shared_service: Service) -> Iterator[Service]:
    """The shared service at its start time; the clock is put back afterwards."""
    shared_service.clock.now = START
    yield shared_service
    shared_service.clock.now = START
