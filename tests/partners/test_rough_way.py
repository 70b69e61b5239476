"""Bank and wallet as processes on a network that fails: whatever it loses, doubles, delays or forges, they converge.

Run it with ``-s`` to see the figures.
"""

import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from channels.models import business_keys, carriages, news
from cli.story.partner_bank import BankPlace
from cli.story.partner_wallet import WalletPlace
from core.clock import system_clock
from ecard.cards import get_card
from ecard.standing import lift_loss, report_loss
from tests.partners.books import rows
from tests.partners.rough_way import Asked, RoughWay, open_way
from tests.partners.town import HOLDER, LOSER, NEWCOMER, OTHER, App, PartnerTown, run_partner_town, wait_until
from tests.partners.wallet_app import RunningWallet, WalletApp, enter_wallet
from tests.redemption.processes import make_city
from tests.servers import end, free_port

pytestmark = pytest.mark.xdist_group("partners")

PEOPLE = (HOLDER, OTHER, LOSER, NEWCOMER)
CALLS = {"unsent": 0.06, "lost": 0.08, "broken": 0.08, "doubled": 0.06, "late": 0.06, "forged": 0.06}
NEWS = {"dropped": 0.3, "doubled": 0.2, "held": 0.3}
ROUNDS, MOVES = 12, 120
PATIENCE = 90.0  # seconds

Place = BankPlace | WalletPlace


def is_call_of_a_partner(asked: Asked) -> bool:
    """The holder's browser goes the same way, and a code is good for one try: both are let through."""
    if asked.path == "/oauth/token":
        return b"authorization_code" not in asked.body
    return asked.path == "/oauth/par" or asked.path.startswith(("/v1/carriage", "/v1/news", "/v1/platform"))


@pytest.fixture(scope="module")
def ways() -> Iterator[dict[str, RoughWay]]:
    yield {}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, ways: dict[str, RoughWay]) -> Iterator[PartnerTown]:
    city, folder = make_city(tmp_path_factory.mktemp("keys")), tmp_path_factory.mktemp("town")
    with contextlib.ExitStack() as stack:
        issuer, bank_back = free_port(), free_port()

        def between(made: PartnerTown) -> None:
            calls = RoughWay(issuer, made.service, CALLS, is_call_of_a_partner)
            to_bank = RoughWay(made.place.ports()[1], f"http://127.0.0.1:{bank_back}", NEWS, is_news)
            for name, way in (("calls", calls), ("to bank", to_bank)):
                ways[name] = stack.enter_context(open_way(way))

        yield stack.enter_context(run_partner_town(city, folder, behind=issuer, back_port=bank_back, on_ready=between))


def is_news(asked: Asked) -> bool:
    return asked.path in ("/ecard/news", "/news")


@pytest.fixture(scope="module")
def wallet(town: PartnerTown, ways: dict[str, RoughWay]) -> Iterator[RunningWallet]:
    news_port = free_port()
    entered = enter_wallet(town, news_port=news_port, pull_seconds=1)
    way = RoughWay(news_port, entered.place.control, NEWS, is_news, seed=2)
    with open_way(way) as opened, entered.running():
        ways["to wallet"] = opened
        yield entered


# ── What everybody's books say ───────────────────────────────────────────────────────────────────────────────────


def told(town: PartnerTown, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
    """Ask the service's."""
    with town.inside.database.transaction() as connection:
        return [tuple(row) for row in connection.execute(query)]


def channel_of(place: Place) -> str:
    registered: dict[str, str] = json.loads((place.folder / "registered.json").read_text())
    return registered["channel"]


def numbers_of(town: PartnerTown, place: Place) -> list[str]:
    mine = business_keys.c.channel == channel_of(place)
    return sorted(row[0] for row in told(town, sa.select(business_keys.c.out_request_no).where(mine)))


def news_of(town: PartnerTown, place: Place) -> list[str]:
    return sorted(row[0] for row in told(town, sa.select(news.c.id).where(news.c.channel == channel_of(place))))


def stubbornly(act: Callable[[], object]) -> None:
    """Do what customers do whose app says that the service does not answer: try again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if act():
                return
        except (AssertionError, httpx.TransportError):
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.1)


def link_in_both(town: PartnerTown, bank: App, app: WalletApp, number: int) -> None:
    def in_bank() -> bool:
        return bank.state()[0] == "active" or bank.journey("sign", town.robot(number)) is None

    def in_wallet() -> bool:
        return app.state()[0] == "active" or app.journey("link", town.robot(number)) is None

    stubbornly(in_bank)
    stubbornly(in_wallet)


def show_and_redeem(town: PartnerTown, code: str) -> bool:
    return bool(town.till.redeem(code, "medical").json()["result"] == "accepted")


# ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_calls_lost_doubled_late_broken_or_forged_each_act_is_done_once(town, wallet, ways):
    for number in PEOPLE:
        with town.app(number) as bank, wallet.app(f"holder-{number}") as app:
            link_in_both(town, bank, app, number)
            for _ in range(ROUNDS // len(PEOPLE)):
                stubbornly(lambda bank=bank: show_and_redeem(town, bank.code()))
    with wallet.app(f"holder-{OTHER}") as app:
        stubbornly(lambda: app.state()[0] == "revoked" or app.journey("unlink", town.robot(OTHER)) is None)
    wait_until(lambda: not rows(town.place.folder, "SELECT 1 FROM acts WHERE state = 'open'"))
    wait_until(lambda: not rows(wallet.place.folder, "SELECT 1 FROM acts WHERE result IS NULL"))
    one_each = sa.select(carriages.c.channel, carriages.c.card, sa.func.count()).group_by("channel", "card")
    assert [row[2] for row in told(town, one_each)] == [1] * 2 * len(PEOPLE)
    done = rows(town.place.folder, "SELECT out_request_no FROM acts WHERE state = 'done'")
    assert sorted(row[0] for row in done) == numbers_of(town, town.place)
    done = rows(wallet.place.folder, "SELECT number FROM acts WHERE result NOT IN ('refused', 'unconfirmed')")
    assert sorted(row[0] for row in done) == numbers_of(town, wallet.place)
    assert set(ways["calls"].seen) == {"all", "", *CALLS}
    sys.stdout.write(f"\ncalls of both partners: {dict(ways['calls'].seen)}\n")


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def move(town: PartnerTown, number: int) -> str:
    """Be the card centre's staff: report a chip card lost, or lift that; tell how it stands then."""
    inside = town.inside
    inside.clock.now = system_clock()
    with inside.database.transaction() as connection:
        card = get_card(connection, town.phones[number].card)
        is_active = card.standing == "active"
        (report_loss if is_active else lift_loss)(inside.runtime.ground, connection, card.chip_card, actor="test")
    return "suspended" if is_active else "active"


def test_partners_that_lose_double_shuffle_and_are_down_end_where_the_service_is(town, wallet, ways):
    for number in PEOPLE:
        with town.app(number) as bank, wallet.app(f"holder-{number}") as app:
            link_in_both(town, bank, app, number)
    places: dict[str, Place] = {"bank": town.place, "wallet": wallet.place}
    standing = {}
    for moved in range(MOVES):
        number = PEOPLE[moved % len(PEOPLE)]
        standing[number] = move(town, number)
        if moved == MOVES // 3:
            end(town.bank)
        if moved == 2 * MOVES // 3:
            town.start_bank()
        if moved % 7 == 0:
            for name in places:
                ways[f"to {name}"].release()
    wait_until(lambda: len(news_of(town, town.place)) >= MOVES and len(news_of(town, wallet.place)) >= MOVES)
    begun = time.monotonic()
    for name, place in places.items():
        kept = "SELECT id FROM news ORDER BY id"
        wait_until(lambda place=place, kept=kept: [row[0] for row in rows(place.folder, kept)] == news_of(town, place))
        wait_until(lambda place=place: standings_in(place) == Counter(standing.values()))
        ways[f"to {name}"].release()  # what comes last of all is old, and undoes nothing
        assert standings_in(place) == Counter(standing.values())
        assert set(ways[f"to {name}"].seen) == {"all", "", *NEWS}
        way, count = dict(ways[f"to {name}"].seen), len(news_of(town, place))
        took = time.monotonic() - begun
        sys.stdout.write(f"\n{name}: {count} pieces of news, on the way {way}; as the service is after {took:.1f} s\n")


def standings_in(place: Place) -> Counter[str]:
    return Counter(row[0] for row in rows(place.folder, "SELECT standing FROM cards"))
