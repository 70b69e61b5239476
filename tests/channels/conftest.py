from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import jsonify, request

from auth.blueprints import PLAIN_BODY
from auth.channel_requests import Channel
from auth.guard import allow
from auth.signed_forms.received import ALGORITHMS
from tests.channels.forms_of_partners import PROBE
from tests.channels.partners import PartnerApp, make_partner
from tests.service import ISSUER, START, Service, running_service
from web.app import create_app


@pytest.fixture(scope="module")
def shared_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("channels")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        yield running


@pytest.fixture
def city(shared_city: Service) -> Iterator[Service]:
    """A service on SQLite; tests of a file share it, and its clock is put back after each."""
    shared_city.clock.now = START
    yield shared_city
    shared_city.clock.now = START


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of this test alone, once on each database, with threads enough for races."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, threads=32) as running:
        yield running


@pytest.fixture(scope="module")
def shared_probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("probe")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        app = create_app(running.runtime)
        app.add_url_rule(PROBE, view_func=allow(Channel, scope="news")(_tell), methods=["GET", "POST"])
        running.app = app
        running.http.close()
        running.http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER)
        yield running


@pytest.fixture
def probe(shared_probe: Service) -> Iterator[Service]:
    """A service with a route of the tests' own: a live channel with the scope `news` is told what arrived."""
    shared_probe.clock.now = START
    yield shared_probe
    shared_probe.clock.now = START


def _tell(caller: Channel):
    told = {"id": caller.id, "above": caller.above, "serial": caller.serial, "algorithm": caller.evidence.algorithm}
    return jsonify(told | {"content": request.environ.get(PLAIN_BODY), "query": request.args.to_dict()})


@pytest.fixture
def partner(probe: Service) -> PartnerApp:
    """A live channel on that service, which may sign in every form."""
    return make_partner(probe, algorithms=list(ALGORITHMS), requests_per_minute=60_000)
