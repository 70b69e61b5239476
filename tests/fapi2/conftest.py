from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Blueprint

from auth.guard import Partner, allow
from tests.fapi2.walk import PROXY, READING, Party, Variant, make_pair
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import Holder, make_holder
from tests.service import ISSUER, START, Service, running_service


def reading_routes() -> Blueprint:
    """A resource for clients without OpenID Connect, in place of the route that an operator names to the suite."""
    routes = Blueprint("suite", __name__)

    @routes.get(READING)
    @allow(Partner, scope="card.read")
    def read_card(partner: Partner) -> dict[str, Any]:
        return {"acr": partner.acr}

    return routes


@pytest.fixture(scope="module")
def shared_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Holder, httpx.Client]]:
    home = tmp_path_factory.mktemp("fapi2")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, trusted_proxy=PROXY, **MANY_A_MINUTE) as running:
        running.app.register_blueprint(reading_routes())
        transport = httpx.WSGITransport(app=running.app, remote_addr=PROXY)
        with httpx.Client(transport=transport, base_url=ISSUER) as proxy:
            yield running, make_holder(running), proxy


@pytest.fixture
def server(shared_suite: tuple[Service, Holder, httpx.Client]) -> Iterator[Service]:
    """A service on SQLite behind a proxy that takes certificates; its clock is put back after each test."""
    running, _, proxy = shared_suite
    running.clock.now = START
    running.http.cookies.clear()
    proxy.cookies.clear()
    yield running
    running.clock.now = START


@pytest.fixture
def proxy(server: Service, shared_suite: tuple[Service, Holder, httpx.Client]) -> httpx.Client:
    """What comes in through that proxy."""
    return shared_suite[2]


@pytest.fixture
def holder(server: Service, shared_suite: tuple[Service, Holder, httpx.Client]) -> Holder:
    return shared_suite[1]


@pytest.fixture
def pair(server: Service, proxy: httpx.Client, variant: Variant) -> tuple[Party, Party]:
    """The suite's two clients."""
    return make_pair(server, proxy, variant)


@pytest.fixture
def party(pair: tuple[Party, Party]) -> Party:
    """The first of them."""
    return pair[0]
