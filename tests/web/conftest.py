from collections.abc import Iterator

import pytest

from tests.service import Service, running_service
from tests.web.callers import Proven


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for the many small questions of a file; nobody moves its clock or lowers its limits."""
    home = tmp_path_factory.mktemp("service")
    limits = {"phone_requests_per_minute": 6000, "codes_per_minute": 600}
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def edge(shared_service: Service) -> Proven:
    """The shared service behind something that proves requests where they say so."""
    return Proven(shared_service, shared_service.enroll(), shared_service.add_till())
