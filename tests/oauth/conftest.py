from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oauth.clients_of_tests import OAuthClient, make_native, make_partner, make_relying_party
from tests.service import Service, running_service


@pytest.fixture
def server(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service on SQLite, without a card."""
    with running_service(sqlite_url, tmp_path) as running:
        yield running


@pytest.fixture
def partner(server: Service) -> OAuthClient:
    return make_partner(server)


@pytest.fixture
def native(server: Service) -> OAuthClient:
    return make_native(server)


@pytest.fixture
def relying_party(server: Service) -> OAuthClient:
    return make_relying_party(server)
