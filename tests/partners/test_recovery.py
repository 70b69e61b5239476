"""Bank and wallet after a loss: of the database, of a link. What the service knows comes back, customers come back."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from auth.oauth.models import oauth_grants
from channels.models import carriages
from ecard.standing import lift_loss, report_loss
from tests.partners.books import open_book, rows
from tests.partners.town import HOLDER, LOSER, NEWCOMER, OTHER, PartnerTown, go_and_return, run_partner_town, wait_until
from tests.partners.wallet_app import RunningWallet, enter_wallet
from tests.redemption.processes import make_city
from tests.servers import tail

pytestmark = pytest.mark.xdist_group("partners")

PASSWORD = "274958"
ONWARD = re.compile(r'<meta http-equiv="refresh" content="4;url=([^"]+)">')


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerTown]:
    city = make_city(tmp_path_factory.mktemp("keys"))
    with run_partner_town(city, tmp_path_factory.mktemp("town")) as made:
        phone = made.phones[HOLDER]
        phone.sign_in()
        assert phone.call("PUT", f"/v1/cards/{phone.card}/password", {"password": PASSWORD}).status_code == 200
        yield made


@pytest.fixture(scope="module")
def wallet(town: PartnerTown) -> RunningWallet:
    return enter_wallet(town)


def carriages_of(town: PartnerTown, number: int) -> list[str]:
    with town.inside.database.transaction() as connection:
        mine = carriages.c.card == town.phones[number].card
        return sorted(connection.execute(sa.select(carriages.c.id).where(mine)).scalars())


def live_links_of(town: PartnerTown, number: int, folder: Path) -> int:
    client = json.loads((folder / "registered.json").read_text())["client"]
    with town.inside.database.transaction() as connection:
        table = oauth_grants.c
        mine = table.card == town.phones[number].card, table.client == client, table.ended_at.is_(None)
        offline = [row for row in connection.execute(sa.select(table.scopes).where(*mine)) if "offline" in str(row)]
        return len(offline)


@contextmanager
def lost_in(town: PartnerTown, number: int) -> Iterator[None]:
    """Have a chip card reported lost for a while."""
    town.stand(number, report_loss)
    try:
        yield
    finally:
        town.stand(number, lift_loss)


@pytest.fixture(autouse=True)
def untouched(town: PartnerTown) -> Iterator[None]:
    """Leave no card in an app to the next test."""
    yield
    town.end_links(HOLDER, OTHER, LOSER, NEWCOMER)


# ── The database is lost ─────────────────────────────────────────────────────────────────────────────────────────


def test_partners_that_lost_their_databases_get_back_carriages_standings_and_news(town, wallet):
    with wallet.running():
        for number in (HOLDER, LOSER):
            with town.app(number) as bank, wallet.app(f"holder-{number}") as app:
                bank.result_of("sign", town.robot(number))
                app.result_of("link", town.robot(number))
    with lost_in(town, LOSER), wallet.running():
        wait_until(lambda: rows(town.place.folder, "SELECT 1 FROM cards WHERE standing = 'suspended'"))
        wait_until(lambda: wallet.place.ask("pull") and "suspended" in {card["standing"] for card in cards(wallet)})
        of_cards = "SELECT subject, carriage, state, standing, level FROM cards ORDER BY subject"
        of_news = "SELECT id, position, kind, subject, sequence, data FROM news ORDER BY position"
        before = [rows(place.folder, query) for place in (town.place, wallet.place) for query in (of_cards, of_news)]
    town.restart_bank(lose_database=True)
    with wallet.running(lose_database=True):  # while the card is active again: nothing may be remembered wrongly
        wait_until(lambda: len(rows(town.place.folder, of_news)) > len(before[1]))
        wait_until(lambda: len(rows(wallet.place.folder, of_news)) > len(before[3]))
        for at, place in ((0, town.place), (2, wallet.place)):
            wait_until(lambda place=place: {row[3] for row in rows(place.folder, of_cards)} == {"active"})
            found = rows(place.folder, of_cards)
            assert [row[:2] for row in found] == [row[:2] for row in before[at]]
            assert rows(place.folder, of_news)[: len(before[at + 1])] == before[at + 1]


def cards(wallet: RunningWallet) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wallet.place.ask("cards")["items"]
    return found


def test_a_customer_comes_back_by_the_next_login_and_it_stays_one_carriage_in_each_app(town, wallet):
    robot = town.robot(OTHER)
    with town.app(OTHER) as bank, wallet.running(), wallet.app("comes back") as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
    before = carriages_of(town, OTHER)
    assert len(before) == 2  # one in each app
    town.restart_bank(lose_database=True)
    with wallet.running(lose_database=True), town.app(OTHER) as bank, wallet.app("comes back") as app:
        wait_until(lambda: rows(town.place.folder, "SELECT 1 FROM cards"))
        wait_until(lambda: cards(wallet))
        for page in (bank.card(), app.home()):
            assert "本应用的数据已恢复。请重新关联一次" in page
            assert "Link your card once more" in page
        # told again what was told at the first signing: who asks anew without knowing anything has changed nothing
        assert "签发成功。" in bank.result_of("sign", robot)
        assert app.result_of("link", robot) == "002"
        assert bank.state() == app.state() == ("active", "active")
        assert town.till.redeem(bank.code(), "medical").json()["result"] == "accepted"
        assert "数据已恢复" not in bank.card() + app.home()
    assert carriages_of(town, OTHER) == before
    assert [live_links_of(town, OTHER, place.folder) for place in (town.place, wallet.place)] == [1, 1]


def test_a_customer_who_comes_back_by_the_password_is_told_004(town, wallet):
    robot = town.robot(HOLDER)
    with town.app(HOLDER) as bank:
        bank.result_of("sign", robot)
    before = carriages_of(town, HOLDER)
    town.restart_bank(lose_database=True)
    with town.app(HOLDER) as bank:
        bank.result_of("sign", robot)
        assert "密码验证成功" in bank.result_of("check", robot, password=PASSWORD)
    assert carriages_of(town, HOLDER) == before


def test_a_card_service_that_is_away_at_the_start_is_asked_again_until_it_answers(town, wallet):
    """Stock is taken once after each start; a start while nobody answers is no start without stock."""
    with town.app(OTHER) as bank:
        bank.result_of("sign", town.robot(OTHER))
    told = town.place.folder / "partner.json"
    as_told = told.read_text()
    elsewhere = json.loads(as_told) | {"issuer": "http://127.0.0.1:9"}
    try:
        told.write_text(json.dumps(elsewhere))
        town.restart_bank(lose_database=True)
        wait_until(lambda: "take_stock" in tail(town.folder / "bank.log"))
        assert not rows(town.place.folder, "SELECT 1 FROM cards")
    finally:
        told.write_text(as_told)
        town.restart_bank()
    wait_until(lambda: rows(town.place.folder, "SELECT 1 FROM cards"))


# ── A link is lost ───────────────────────────────────────────────────────────────────────────────────────────────


def onward_of(page: str) -> httpx.Response:
    """Follow the page as a browser does: by itself, after it was read."""
    found = ONWARD.search(page)
    assert found, page
    return httpx.Response(303, headers={"Location": unescape(found[1])})


def test_a_bank_whose_link_has_ended_says_so_and_leads_to_a_new_one_by_itself(town):
    robot = town.robot(NEWCOMER)
    with town.app(NEWCOMER) as bank:
        bank.result_of("sign", robot)
        form = bank.form(bank.card(), "/card/code")
        town.end_links(NEWCOMER)
        told = bank.browser.send(form)
        assert told.status_code == 409
        assert "关联已失效，正在前往社保卡服务重新关联" in told.text
        assert "It stays one card." in told.text
        answer = bank.browser.open(go_and_return(onward_of(told.text), robot))
        assert "签发成功" in answer.text
        assert bank.state() == ("active", "active")
        assert town.till.redeem(bank.code(), "medical").json()["result"] == "accepted"


def test_a_wallet_whose_link_has_ended_says_so_and_leads_to_a_new_one_by_itself(town, wallet):
    robot = town.robot(NEWCOMER)
    with wallet.running(), wallet.app() as app:
        app.result_of("link", robot)
        before = carriages_of(town, NEWCOMER)
        town.end_links(NEWCOMER)
        told = app.browser.open("/code")
        assert told.status_code == 409
        assert "关联已失效，正在前往社保卡服务重新关联" in told.text
        assert "It stays one card." in told.text
        app.browser.open(go_and_return(onward_of(told.text), robot))
        assert app.state() == ("active", "active")
        assert app.browser.open("/code").status_code == 200
    assert carriages_of(town, NEWCOMER) == before


def test_a_card_that_is_lost_leads_nowhere_and_is_told_to_be_stopped(town, wallet):
    robot = town.robot(LOSER)
    with town.app(LOSER) as bank, wallet.running(), wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        form = bank.form(bank.card(), "/card/code")
        with lost_in(town, LOSER):
            told = [bank.browser.send(form), app.browser.open("/code")]
        for answer in told:
            assert answer.status_code == 409
            assert "The card is stopped: reported lost, or paused." in answer.text
            assert not ONWARD.search(answer.text)


# ── An answer is lost, and the wallet with it ────────────────────────────────────────────────────────────────────


def leave_open(town: PartnerTown, wallet: RunningWallet, subject: str, purpose: str, *, seconds_ago: int) -> str:
    """Leave an act in the wallet's book as a wallet leaves it that ended before the answer came."""
    number = f"W-{purpose}-{secrets.token_hex(4)}"
    with open_book(wallet.place.folder) as connection:
        (customer,) = connection.execute("SELECT customer FROM cards WHERE subject = ?", (subject,)).fetchone()
        connection.execute("UPDATE acts SET began = began - 3600")
        began = int(town.now().timestamp()) - seconds_ago
        connection.execute("INSERT INTO acts VALUES (?, ?, ?, NULL, ?)", (number, customer, purpose, began))
    return number


def result_of(wallet: RunningWallet, number: str) -> str | None:
    (found,) = [act["result"] for act in wallet.place.ask("acts")["items"] if act["number"] == number]
    return str(found) if found is not None else None


def linked_subject(town: PartnerTown, wallet: RunningWallet, name: str, number: int) -> str:
    with wallet.running(), wallet.app(name) as app:
        app.result_of("link", town.robot(number))
        customer = wallet.place.ask("customers", name=name, password=name)["customer"]
        return str(wallet.place.ask("card", customer=customer)["subject"])


def test_a_wallet_finishes_as_the_channel_an_unlinking_that_was_never_answered(town, wallet):
    subject = linked_subject(town, wallet, "leaves", NEWCOMER)
    number = leave_open(town, wallet, subject, "unlink", seconds_ago=700)
    with wallet.running():
        wait_until(lambda: result_of(wallet, number) == "003")
        with wallet.app("leaves") as app:
            assert app.state()[0] == "revoked"
    assert live_links_of(town, NEWCOMER, wallet.place.folder) == 0


def test_a_wallet_tells_of_a_loss_report_that_nobody_confirmed(town, wallet):
    subject = linked_subject(town, wallet, "lost it", LOSER)
    number = leave_open(town, wallet, subject, "report_loss", seconds_ago=700)
    with wallet.running():
        wait_until(lambda: result_of(wallet, number) == "unconfirmed")
        with wallet.app("lost it") as app:
            assert "您上次的申请未得到确认，请重新办理；急需挂失请拨打 12333。" in app.home()


def test_a_wallet_signs_silently_under_the_same_number_what_was_never_answered(town, wallet):
    subject = linked_subject(town, wallet, "signs", OTHER)
    number = leave_open(town, wallet, subject, "link", seconds_ago=5)
    with wallet.running(), wallet.app("signs") as app:
        assert app.state() == ("active", "active")
        assert result_of(wallet, number) in ("001", "002")
