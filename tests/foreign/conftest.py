from collections.abc import Iterator

import pytest

from tests.foreign.forger import Forger
from tests.foreign.node import Examples, open_examples
from tests.foreign.town import Town, run_town
from tests.redemption.processes import make_city
from tests.servers import PostgresServer


@pytest.fixture(scope="session")
def town(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The running service with one holder; tests register clients of their own."""
    name, folder = postgres_server.create_database(), tmp_path_factory.mktemp("foreign")
    with run_town(make_city(folder), folder, postgres_server.url(name)) as running:
        yield running
    postgres_server.drop_database(name)


@pytest.fixture(autouse=True)
def trusted(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python's clients trust the certificate, as an operator would, and go there without a proxy."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", town.authorities)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def forger(town: Town) -> Forger:
    """Somebody who changes what the service answers."""
    return town.forger()


@pytest.fixture(scope="session")
def examples(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """The examples that run in Node."""
    return open_examples(town, tmp_path_factory.mktemp("examples"))
