"""Results 001 to 006 as a customer sees them in the bank's app and in the wallet's: both run, before one service."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from channels.models import carriages
from cli.browser import Browser, PageForm
from ecard.cards import get_card
from ecard.standing import lift_loss
from tests.login.robot import RobotHolder
from tests.partners.town import (
    HOLDER,
    LOSER,
    NEWCOMER,
    OTHER,
    PartnerTown,
    go_and_return,
    run_partner_town,
    wait_until,
)
from tests.partners.wallet_app import RunningWallet, enter_wallet, form_of
from tests.redemption.processes import make_city

pytestmark = pytest.mark.xdist_group("partners")

PASSWORD, ANOTHER = "274958", "358174"
OLDER = 3
"""Somebody with a chip card of the second generation: level L2."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerTown]:
    city = make_city(tmp_path_factory.mktemp("keys"))
    with run_partner_town(city, tmp_path_factory.mktemp("town"), older=(OLDER,)) as made:
        for number in (HOLDER, OTHER, NEWCOMER):
            set_password(made, number, PASSWORD)
        yield made


@pytest.fixture(scope="module")
def wallet(town: PartnerTown) -> Iterator[RunningWallet]:
    entered = enter_wallet(town)
    with entered.running():
        yield entered


@pytest.fixture(autouse=True)
def untouched(town: PartnerTown) -> Iterator[None]:
    """Leave no card in an app, and none lost, to the next test."""
    yield
    if standing_of(town, LOSER) == "suspended":
        town.stand(LOSER, lift_loss)
    town.end_links(HOLDER, OTHER, LOSER, NEWCOMER, OLDER)


def standing_of(town: PartnerTown, number: int) -> str:
    with town.inside.database.transaction() as connection:
        return get_card(connection, town.phones[number].card).standing


def set_password(town: PartnerTown, number: int, password: str) -> None:
    phone = town.phones[number]
    phone.sign_in()
    answer = phone.call("PUT", f"/v1/cards/{phone.card}/password", {"password": password})
    assert answer.status_code == 200, answer.text


def carriages_of(town: PartnerTown, number: int) -> int:
    with town.inside.database.transaction() as connection:
        mine = carriages.c.card == town.phones[number].card
        return connection.execute(sa.select(sa.func.count()).select_from(carriages).where(mine)).scalar_one()


# ── 001 and 002 ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_001_the_card_is_signed_first_in_the_bank_and_002_then_in_the_wallet(town, wallet):
    with town.app(HOLDER) as bank, wallet.app() as app:
        told = bank.journey("sign", town.robot(HOLDER)).text
        assert "签发成功。<" in told
        assert "Your electronic card is signed in this app." in told
        assert app.result_of("link", town.robot(HOLDER)) == "002"
        assert "The card was signed elsewhere before" in app.home()
        assert (bank.state(), app.state()) == (("active", "active"), ("active", "active"))


def test_001_in_the_wallet_and_002_then_in_the_bank(town, wallet):
    with town.app(OTHER) as bank, wallet.app() as app:
        assert app.result_of("link", town.robot(OTHER)) == "001"
        assert "您的卡曾在其他渠道签发" in bank.result_of("sign", town.robot(OTHER))


@pytest.mark.parametrize("partner", ["bank", "wallet"])
def test_002_after_the_card_s_password_was_reset_although_no_other_app_has_it(town, wallet, partner):
    robot = town.robot(NEWCOMER)
    with town.app(NEWCOMER) as bank, wallet.app() as app:
        app_of_partner = bank if partner == "bank" else app
        link, unlink = ("sign", "end") if partner == "bank" else ("link", "unlink")
        app_of_partner.result_of(link, robot)
        app_of_partner.result_of(unlink, robot)
        set_password(town, NEWCOMER, ANOTHER)
        told = app_of_partner.result_of(link, robot)
        set_password(town, NEWCOMER, PASSWORD)
    assert "密码已重置" in told if partner == "bank" else told == "002"


# ── 003 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_003_the_card_is_taken_out_of_one_app_and_stays_in_the_other(town, wallet):
    with town.app(HOLDER) as bank, wallet.app() as app:
        bank.result_of("sign", town.robot(HOLDER))
        app.result_of("link", town.robot(HOLDER))
        assert app.result_of("unlink", town.robot(HOLDER)) == "003"
        assert "The card is no longer in this app." in app.home()
        assert (app.state()[0], bank.state()) == ("revoked", ("active", "active"))
        assert "已解除关联" in bank.result_of("end", town.robot(HOLDER))
        assert bank.state() == ("none", "")


# ── 004 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_004_the_password_is_proven_in_a_login_for_a_card_that_is_carried(town, wallet):
    robot = town.robot(HOLDER)
    with town.app(HOLDER) as bank, wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        before = carriages_of(town, HOLDER)
        assert "密码验证成功" in bank.result_of("check", robot, password=PASSWORD)
        assert app.result_of("check_password", robot, password=PASSWORD) == "004"
        assert carriages_of(town, HOLDER) == before
        assert (bank.state(), app.state()) == (("active", "active"), ("active", "active"))
        assert town.till.redeem(bank.code(), "medical").json()["result"] == "accepted"


# ── 005 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_005_payment_is_opened_by_a_step_up_in_each_app(town, wallet):
    robot = town.robot(HOLDER)
    with town.app(HOLDER) as bank, wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        assert app.result_of("pay", robot, password=PASSWORD) == "005"
        assert "支付：已开通" in app.home()
        assert "/go/pay" not in app.home()
        assert "<dd>未开通</dd>" in bank.card()  # each app asks for itself
        assert "支付功能已开通。" in bank.result_of("pay", robot, password=PASSWORD)
        assert "<dd>已开通</dd>" in bank.card()


def test_a_card_at_l2_is_told_that_payment_needs_l3(town, wallet):
    robot = town.robot(OLDER)
    with town.app(OLDER) as bank, wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        for page in (bank.card(), app.home()):
            assert 'id="needs-l3"' in page
            assert "Payment needs level L3" in page
            assert "/pay" not in page


def test_a_card_at_l2_that_asks_for_payment_all_the_same_is_refused_and_told_why(town, wallet):
    robot = town.robot(OLDER)
    with town.app(OLDER) as bank, wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        for told in (
            force(bank.browser, bank.form(bank.card(), "/card/loss"), "/card/pay", robot),
            force(app.browser, form_of(app.browser, app.home(), "/go/unlink"), "/go/pay", robot),
        ):
            assert 400 <= told.status_code < 500
            assert "开通支付需要 L3 等级" in told.text
        assert "<dd>未开通</dd>" in bank.card()
        assert "支付：未开通" in app.home()


def force(browser: Browser, form: PageForm, path: str, robot: RobotHolder) -> httpx.Response:
    """Send a form of a page to where the page would not send it, and go the whole way."""
    leaving = browser.send(form, f"{browser.origin}{path}")
    return browser.open(go_and_return(leaving, robot))


# ── 006 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_006_a_loss_reported_by_phone_is_told_in_both_apps_and_a_lifted_one_too(town, wallet):
    robot = town.robot(LOSER)
    with town.app(LOSER) as bank, wallet.app() as app:
        bank.result_of("sign", robot)
        app.result_of("link", robot)
        report_by_phone(town, LOSER)
        page = wait_until(lambda: "卡状态已在其他渠道变更，已同步。" in (page := bank.card()) and page)
        assert 'data-standing="suspended"' in page
        assert "/card/code" not in page
        assert app.state() == ("suspended", "suspended")
        assert app.result() == "006"
        assert "/code" not in app.home()
        assert "卡状态已在其他渠道变更" not in bank.card()  # told once
        town.stand(LOSER, lift_loss)
        assert "卡状态已在其他渠道变更，已同步。" in bank.card()
        assert bank.state() == app.state() == ("active", "active")
        assert town.till.redeem(bank.code(), "medical").json()["result"] == "accepted"


def test_006_a_link_that_the_holder_ends_at_the_phone_is_told(town, wallet):
    with town.app(HOLDER) as bank, wallet.app() as app:
        bank.result_of("sign", town.robot(HOLDER))
        app.result_of("link", town.robot(HOLDER))
        town.end_links(HOLDER)
        assert "卡状态已在其他渠道变更，已同步。" in bank.card()
        assert bank.state() == ("none", "")
        assert app.state()[0] == "revoked"
        assert app.result() in ("003", "006")


def test_what_is_reported_in_the_app_itself_is_not_told_as_a_change_elsewhere(town, wallet):
    robot = town.robot(LOSER)
    with town.app(LOSER) as bank:
        bank.result_of("sign", robot)
        assert "已挂失" in bank.result_of("loss", robot)
        wait_until(lambda: "card.loss_reported" in (page := bank.card()) and "其他渠道" not in page)
    town.stand(LOSER, lift_loss)
    with wallet.app() as app:
        app.result_of("link", robot)
        assert app.result_of("report_loss", robot) == "loss"
        wait_until(lambda: any(news["kind"] == "card.loss_reported" for news in wallet.place.ask("news")["items"]))
        wallet.place.ask("pull")
        assert app.result() == "loss"


def report_by_phone(town: PartnerTown, number: int) -> None:
    phone = town.phones[number]
    assert phone.sign_in().status_code == 200
    answer = phone.call("POST", f"/v1/cards/{phone.card}/loss-reports")
    assert answer.is_success, answer.text
