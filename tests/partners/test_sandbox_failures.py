"""The sandbox's failure switches against real partner processes: bank and wallet outlast what goes wrong on purpose."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from ecard_client import Partner, SigningKey, sm2, tokens

from tests.partners.books import rows
from tests.partners.town import PartnerTown, run_partner_town, wait_until
from tests.partners.wallet_app import RunningWallet, enter_wallet
from tests.redemption.processes import make_city

pytestmark = pytest.mark.xdist_group("partners")

ANSWERS = {
    "429": {"status": 429},
    "500": {"status": 500},
    "503": {"status": 503},
    "late": {"delay_ms": 400},
    "wrong signature": {"wrong_signature": True},
}
TIMES = 4
"""More than the three tries of a call: the partner has to come back later by itself."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerTown]:
    city = make_city(tmp_path_factory.mktemp("keys"))
    with run_partner_town(city, tmp_path_factory.mktemp("town"), up_to="sandbox") as made:
        yield made


@pytest.fixture(scope="module")
def wallet(town: PartnerTown) -> Iterator[RunningWallet]:
    entered = enter_wallet(town, up_to="sandbox", pull_seconds=1)
    with entered.running():
        yield entered


@dataclass
class Developer:
    """Somebody of the partner's with its keys, beside its running program."""

    calls: Partner
    news: Callable[[], list[str]]

    def trigger(self, count: int, kind: str = "card.loss_reported") -> list[str]:
        channel = self.calls.channel_calls
        return [channel.post_sandbox_news({"kind": kind, "card": "sandbox-1"})["id"] for _ in range(count)]

    def switch(self, *, answers: Any = None, news: Any = None) -> None:
        self.calls.channel_calls.put_sandbox_switches({"answers": answers, "news": news})

    def left(self, about: str) -> int:
        found: Any = self.calls.channel_calls.get_sandbox_switches()
        return int((found[about] or {"times": 0})["times"])


@pytest.fixture(params=["bank", "wallet"])
def developer(request: pytest.FixtureRequest, town: PartnerTown, wallet: RunningWallet) -> Iterator[Developer]:
    folder = (town.place if request.param == "bank" else wallet.place).folder
    key = "signing.pem" if request.param == "bank" else "channel.pem"
    registered = json.loads((folder / "registered.json").read_text())

    def news() -> list[str]:
        return [row[0] for row in rows(folder, "SELECT id FROM news ORDER BY position")]

    with httpx.Client(base_url=town.issuer, timeout=30, trust_env=False) as http:
        calls = calls_of(town, registered, sm2.read_key((folder / "keys" / key).read_bytes()), http)
        made = Developer(calls, news)
        yield made
        made.switch()


def calls_of(town: PartnerTown, registered: dict[str, str], key: SigningKey, http: httpx.Client) -> Partner:
    any_key = tokens.draw_es256_key()
    return Partner(
        issuer=town.issuer,
        channel=registered["channel"],
        serial=registered["serial"],
        channel_key=key,
        client=registered["client"],
        client_key=any_key,
        dpop_key=any_key,
        pinned=town.ministry.read_text(),
        http=http,
    )


@pytest.mark.parametrize("fault", list(ANSWERS))
def test_a_partner_outlasts_answers_that_are_refused_broken_late_or_wrongly_signed(developer, fault):
    developer.switch(news={"times": 3, "fault": "drop"})  # so that the feed alone can bring it
    before = developer.news()
    told = developer.trigger(3)
    developer.switch(answers={"times": TIMES, **ANSWERS[fault]}, news={"times": 3, "fault": "drop"})
    wait_until(lambda: developer.left("answers") == 0)
    wait_until(lambda: developer.news() == [*before, *told])


@pytest.mark.parametrize("fault", ["double", "drop", "wrong_signature"])
def test_a_partner_ends_with_each_piece_once_where_news_is_doubled_lost_or_wrongly_signed(developer, fault):
    before = developer.news()
    developer.switch(news={"times": 5, "fault": fault})
    told = developer.trigger(5)
    wait_until(lambda: developer.left("news") < 5)
    wait_until(lambda: developer.news() == [*before, *told])
