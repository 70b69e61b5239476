"""The partner bank as a process against the running card service: what a customer does, and what goes wrong."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest
from bank.ledger import SHANGHAI

from cli.story.partner_bank import PYTHONPATH
from tests.partners.books import open_book, rows
from tests.partners.town import (
    ASSURED,
    HOLDER,
    LOSER,
    NEWCOMER,
    OTHER,
    REFUSED,
    PartnerTown,
    run_partner_town,
    wait_until,
)
from tests.redemption.processes import make_city

pytestmark = pytest.mark.xdist_group("partners")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartnerTown]:
    city = make_city(tmp_path_factory.mktemp("keys"))
    with run_partner_town(city, tmp_path_factory.mktemp("town")) as made:
        yield made


def linked(town, number):
    """Open the app of a customer, with the card linked."""
    with town.app(number) as app:
        if app.state()[0] != "active":
            app.result_of("sign", town.robot(number))


def subject_of(town, number):
    return rows(town.place.folder, "SELECT subject FROM links WHERE customer = ?", town.customers[number].number)[0][0]


def test_a_holder_links_shows_a_code_and_the_bank_hears_of_its_use(town):
    with town.app(NEWCOMER) as app:
        assert app.state() == ("none", "")
        assert "签发成功" in app.result_of("sign", town.robot(NEWCOMER))
        assert app.state() == ("active", "active")
        code = app.code()
        assert town.till.redeem(code, "medical").json()["result"] == "accepted"
        assert town.till.redeem(code, "medical").json()["code"] == "already_used"
        wait_until(lambda: "code.redeemed" in app.card())
        assert "data-use=" in app.browser.open("/card/uses").text
    assert rows(town.place.folder, "SELECT came_by FROM news WHERE kind = 'code.redeemed'")


def test_a_customer_s_number_never_reaches_another_s_page_nor_a_log(town):
    linked(town, HOLDER)
    with town.app(HOLDER) as app:
        pages = [app.browser.open(path).text for path in ("/card", "/card/uses")]
    log = (town.folder / "bank.log").read_text(encoding="utf-8")
    for number, customer in town.customers.items():
        row = customer.row()
        personal = [row[name] for name in ("social_security_number", "name", "phone")]
        assert [line for line in log.splitlines() for value in personal if value in line] == []
        if number != HOLDER:
            assert [page for page in pages for value in personal if value in page] == []
    assert "code=" not in log


def test_the_bank_vouches_and_the_card_is_issued_without_a_redirect(town):
    with town.app(ASSURED) as app:
        app.press("/card/issue")
        wait_until(lambda: app.state() == ("active", "active"))
        assert town.till.redeem(app.code(), "medical").json()["result"] == "accepted"
    assert rows(town.place.folder, "SELECT result FROM acts WHERE act = 'issue' AND state = 'done'")


def test_a_customer_whom_the_core_does_not_know_so_gets_no_card(town):
    """The financial function was ended between the customer's wish and the question."""
    number = town.customers[REFUSED].number
    with town.app(REFUSED) as app:
        change = "UPDATE customers SET financial_function = 'inactive' WHERE number = ?"
        with open_book(town.place.folder) as connection:
            connection.execute(change, (number,))
        app.press("/card/issue")
        page = wait_until(lambda: "不符合银行核验签发条件" in (page := app.card()) and page)
        assert "Not possible this way" in page
        assert app.state() == ("none", "")


@pytest.mark.parametrize(("fault", "number"), [("wrong_signature", 6), ("down", 7)])
def test_a_port_that_cannot_be_believed_is_asked_again_until_it_can(town, fault, number):
    town.control(name="port", fault=fault, seconds=5)
    with town.app(number) as app:
        app.press("/card/issue")
        wait_until(lambda: rows(town.place.folder, "SELECT 1 FROM acts WHERE issuance IS NOT NULL AND state = 'open'"))
        assert app.state() == ("none", "")
        wait_until(lambda: app.state() == ("active", "active"), within=60)


def test_a_loss_is_reported_in_the_bank_s_app_and_no_code_is_shown_any_more(town):
    linked(town, LOSER)
    with town.app(LOSER) as app:
        code = app.code()
        assert "已挂失" in app.result_of("loss", town.robot(LOSER))
        assert town.till.redeem(code, "medical").status_code != 201
        wait_until(lambda: app.state()[1] == "suspended")
        assert "/card/code" not in app.card()
        assert "卡已挂失" in app.browser.open("/card/uses").text


def test_a_holder_takes_the_card_out_of_the_app_and_puts_it_back(town):
    linked(town, OTHER)
    with town.app(OTHER) as app:
        code = app.code()
        assert "已解除关联" in app.result_of("end", town.robot(OTHER))
        assert app.state() == ("none", "")
        assert town.till.redeem(code, "medical").status_code != 201
        assert "签发成功" in app.result_of("sign", town.robot(OTHER))
        assert app.state() == ("active", "active")


def test_a_day_that_is_not_over_is_not_compared(town):
    today = datetime.now(SHANGHAI).date().isoformat()
    done = subprocess.run(
        [sys.executable, "-m", "bank", "reconcile", str(town.place.folder), today],
        env={"PYTHONPATH": PYTHONPATH, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "404 day_not_closed" in done.stderr) == (1, True), done.stderr
    assert rows(town.place.folder, "SELECT count(*) FROM reconciled") == [(0,)]


def test_a_restarted_bank_goes_on_where_it_was(town):
    linked(town, HOLDER)
    before = rows(town.place.folder, "SELECT * FROM links ORDER BY customer")
    town.restart_bank()
    assert rows(town.place.folder, "SELECT * FROM links ORDER BY customer") == before
    with town.app(HOLDER) as app:
        assert app.state() == ("active", "active")
        assert town.till.redeem(app.code(), "medical").json()["result"] == "accepted"


def test_a_bank_that_lost_its_database_ends_where_the_card_service_is(town):
    linked(town, HOLDER)
    query = "SELECT subject, carriage, state, standing FROM cards ORDER BY subject"
    told = "SELECT id, position, kind, subject, sequence, data FROM news ORDER BY position"
    wait_until(lambda: rows(town.place.folder, told))
    town.control("/control/work")
    before, news = rows(town.place.folder, query), rows(town.place.folder, told)
    assert before
    town.restart_bank(lose_database=True)
    wait_until(lambda: rows(town.place.folder, query) == before)
    assert wait_until(lambda: len(rows(town.place.folder, told)) >= len(news))
    assert rows(town.place.folder, told)[: len(news)] == news
    with town.app(HOLDER) as app:
        assert app.state() == ("none", "")
        app.result_of("sign", town.robot(HOLDER))
        assert app.state() == ("active", "active")
    assert (subject_of(town, HOLDER),) in [(row[0],) for row in before]
