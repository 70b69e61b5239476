from collections.abc import Iterator

import pytest

from tests.servers import PostgresServer
from tests.service import Service, running_service


@pytest.fixture
def crowded(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on PostgreSQL with room for as many requests at once as a test sends."""
    name, home = postgres_server.create_database(), tmp_path_factory.mktemp("crowded")
    limits = {"phone_requests_per_minute": 6000, "codes_per_minute": 600}
    with running_service(postgres_server.url(name), home, threads=32, **limits) as running:
        yield running
    postgres_server.drop_database(name)
