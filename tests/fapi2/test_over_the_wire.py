"""What the suite sees of a server only over a socket: headers that stand twice, and the Date of every answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from auth.oauth.client_register import Registration, add_client_key, register_client
from core.clock import system_clock
from core.database import Database
from core.settings import Settings
from tests.fapi2.walk import REDIRECT, SCOPES, refused
from tests.oauth.clients_of_tests import Key, OAuthClient
from tests.redemption.processes import Processes, make_city, run_processes
from tests.servers import free_port
from tests.service import ISSUER, PROVIDER
from web.schema import migrate

pytestmark = pytest.mark.xdist_group("test_over_the_wire")  # what is costly to set up is set up once


class SocketService:
    """As much of a service as an ``OAuthClient`` needs: its clock, and a browser that really connects."""

    def __init__(self, processes: Processes) -> None:
        self.clock = system_clock
        self.http = httpx.Client(base_url=processes.address, trust_env=False)


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthClient]:
    city = make_city(tmp_path_factory.mktemp("city"))
    url = f"sqlite:///{tmp_path_factory.mktemp('data') / 'ecard.sqlite3'}"
    key, database = Key(), Database(url)
    migrate(database)
    given = Registration(
        profile="partner",
        name_zh="示范银行",
        name_en="Example Bank",
        authentication="private_key_jwt",
        redirect_uris=[REDIRECT],
        scopes=SCOPES,
    )
    with database.transaction() as connection:
        made = register_client(connection, given, default_audience=f"{ISSUER}/v1", at=system_clock())
        add_client_key(connection, PROVIDER, made, key.jwk, at=system_clock())
    database.close()
    place = {"home": city.folder, "keystore_secret": city.secret, "database_url": url, "listen_port": free_port()}
    with run_processes(Settings(issuer=ISSUER, **place), tmp_path_factory.mktemp("logs") / "serve.log") as processes:
        service = SocketService(processes)
        yield OAuthClient(service, made, REDIRECT, " ".join(SCOPES), key, None, Key())
        service.http.close()


def push(partner: OAuthClient, *headers: tuple[str, str]) -> httpx.Response:
    form = {**partner.identity(), **partner.parameters()}
    return partner.http.post("/oauth/par", data=form, headers=list(headers))


def test_a_pushed_request_is_taken_over_a_socket(partner):
    assert push(partner, ("DPoP", partner.proof("/oauth/par"))).status_code == 201


def test_two_proofs_in_one_request_are_refused_though_each_is_good(partner):
    headers = [("DPoP", partner.proof("/oauth/par")) for _ in range(2)]
    refused(push(partner, *headers), "invalid_dpop_proof")
    assert push(partner, headers[0]).status_code == 201  # the refused request has used neither


@pytest.mark.parametrize("path", ["/oauth/userinfo", "/oauth/jwks", "/.well-known/openid-configuration"])
def test_every_answer_bears_its_date(partner, path):
    said = parsedate_to_datetime(partner.http.get(path).headers["Date"])
    assert abs((datetime.now(UTC) - said).total_seconds()) < 60
