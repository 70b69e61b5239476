"""The wallet as a process of its own, in a second language, over the public API alone: from the link to its end."""

import json
import subprocess
from datetime import UTC, datetime

import httpx
import pytest

from ecard.cards import get_card
from ecard.standing import lift_loss, report_loss
from tests.partners import wallets
from tests.partners.books import open_book
from tests.partners.wallets import Refused, copy_of, draw_keys, forget, register_wallet, require_wallet, start
from tests.persons import make_person

pytestmark = pytest.mark.xdist_group("partners")


@pytest.fixture
def customer(wallet):
    return wallet.ask("customers", name="demo", password="demo")["customer"]


@pytest.fixture
def linked(wallet, customer):
    """A customer whose card is in the wallet."""
    if wallet.ask("card", customer=customer).get("state") != "active":
        assert wallet.travel(customer, "link").headers["Location"] == "/"
    return customer


@pytest.fixture
def another(town, tmp_path):
    """A wallet of this test alone, which the test starts and stops."""
    return register_wallet(town, tmp_path)


def redeem(wallet, code, use="medical"):
    inside = wallet.town.inside
    inside.clock.now = datetime.now(UTC)
    return inside.add_till().redeem(code, use)


# ── The card in the wallet ───────────────────────────────────────────────────────────────────────────────────────


def test_a_customer_links_the_card(wallet, linked):
    card = wallet.ask("card", customer=linked)
    assert (card["state"], card["standing"]) == ("active", "active")
    assert card["result"] in {"001", "002"}  # 002 where a wallet of another test has signed the card before
    assert card["carriage"].startswith("crg_")
    assert card["result"] in [act["result"] for act in wallet.ask("acts")["items"]]


def test_it_is_told_that_it_signed_the_card(wallet, linked):
    wallet.deliver()
    assert "carriage.signed" in [news["kind"] for news in wallet.ask("news")["items"]]


def test_it_shows_a_code_that_a_till_redeems_once(wallet, linked):
    code = wallet.ask("code", customer=linked)["code"]
    assert redeem(wallet, code).status_code == 201
    assert redeem(wallet, code).json()["code"] == "already_used"
    assert wallet.ask("uses", customer=linked)["items"][0]["purpose"] == "medical"


def test_codes_come_again_and_again_without_a_redirect(wallet, linked):
    before = len(wallet.town.front.authorizations)
    codes = {wallet.ask("code", customer=linked)["code"] for _ in range(3)}
    assert len(codes) == 3
    assert len(wallet.town.front.authorizations) == before


def test_a_customer_without_a_link_gets_none(wallet, linked):
    other = wallet.ask("customers", name="another", password="another")["customer"]
    with pytest.raises(Refused) as refused:
        wallet.ask("code", customer=other)
    assert refused.value.error == "NotLinked"


# ── Its pages ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_its_pages_show_the_code_and_ask_nobody_else(wallet, linked):
    redeem(wallet, wallet.ask("code", customer=linked)["code"])
    with wallet.browser() as browser:
        assert "登录" in browser.get("/").text
        assert browser.post("/sign-in", data={"name": "demo", "password": "demo"}).status_code == 303
        home = browser.get("/")
        assert "正常" in home.text
        code = browser.get("/code")
        assert "<svg" in code.text
        assert "示范pharmacy" in browser.get("/uses").text
    for answer in (home, code):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert "<script" not in answer.text
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_a_wrong_password_and_a_form_of_another_site_are_refused(wallet, linked):
    with wallet.browser() as browser:
        assert browser.post("/sign-in", data={"name": "demo", "password": "guess"}).status_code == 401
        browser.post("/sign-in", data={"name": "demo", "password": "demo"})
        assert browser.post("/go/unlink", data={"anti": "x"}).status_code == 400


def test_an_answer_that_nobody_asked_for_is_refused(wallet, linked):
    with wallet.browser() as browser:
        query = {"code": "x", "state": "made-up", "iss": wallet.town.issuer}
        assert browser.get("/back", params=query).status_code == 400


def test_an_answer_that_names_another_server_is_refused(wallet, linked):
    back = wallet.town.log_in(wallet.ask("begin", customer=linked, purpose="link")["address"])
    with wallet.browser() as browser:
        assert browser.get(str(httpx.URL(back).copy_set_param("iss", "https://other.example"))).status_code == 400


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def post_news(wallet, message, *, signed_as=None):
    inside = wallet.town.inside
    body = json.dumps(message).encode()
    signed = inside.runtime.news.keys().sign(message["id"], datetime.now(UTC), signed_as or body)
    return httpx.post(f"{wallet.control}/news", content=body, headers=signed, trust_env=False).status_code


def news_of(wallet, number, kind, sequence, **data):
    card = wallet.ask("cards")["items"][0]
    return {
        "id": f"evt_{number}",
        "type": kind,
        "timestamp": "2026-11-29T08:00:00Z",
        "channel": wallet.settings["channel"],
        "position": 1000 + sequence,
        "card": card["subject"],
        "sequence": sequence,
        "data": data,
    }


def test_news_are_taken_twice_and_late_and_an_older_piece_undoes_nothing(another):
    with another.running():
        customer = link_anew(another)
        known = another.ask("card", customer=customer)["sequence"]
        resumed = news_of(another, "later", "carriage.resumed", known + 2)
        paused = news_of(another, "earlier", "carriage.suspended", known + 1)
        assert [post_news(another, one) for one in (resumed, paused, resumed, paused)] == [204] * 4
        card = another.ask("card", customer=customer)
        assert (card["state"], card["sequence"]) == ("active", known + 2)
        kept = [news["id"] for news in another.ask("news")["items"] if news["id"] in ("evt_later", "evt_earlier")]
        assert sorted(kept) == ["evt_earlier", "evt_later"]


def test_news_that_somebody_changed_are_refused_and_not_kept(wallet, linked):
    news = news_of(wallet, "forged", "carriage.ended", 999)
    assert post_news(wallet, news, signed_as=b"{}") == 401
    assert post_news(wallet, {**news, "channel": "chn_another"}) == 401
    assert "evt_forged" not in [one["id"] for one in wallet.ask("news")["items"]]


# ── Restart, loss, end ───────────────────────────────────────────────────────────────────────────────────────────


def link_anew(wallet):
    customer = wallet.ask("customers", name="demo", password="demo")["customer"]
    assert wallet.travel(customer, "link").headers["Location"] == "/"
    return customer


def test_its_state_survives_a_restart(another):
    with another.running():
        customer = link_anew(another)
        before = another.ask("cards")
    with another.running():
        assert another.ask("cards") == before
        assert redeem(another, another.ask("code", customer=customer)["code"]).status_code == 201


def test_a_wallet_that_lost_its_database_converges_from_the_feed(another):
    with another.running():
        link_anew(another)
        another.deliver()
        another.ask("pull")
        before = {card["subject"]: (card["carriage"], card["state"], card["sequence"]) for card in cards_of(another)}
    forget(another)
    with another.running():
        another.ask("pull")
        after = {card["subject"]: (card["carriage"], card["state"], card["sequence"]) for card in cards_of(another)}
        assert after == before
        # who the customer is only the customer can say: the next link finds the same card
        customer = link_anew(another)
        assert another.ask("card", customer=customer)["subject"] in before


def cards_of(wallet):
    return wallet.ask("cards")["items"]


def test_a_customer_unlinks_and_the_wallet_has_no_code_any_more(another):
    with another.running():
        customer = link_anew(another)
        code = another.ask("code", customer=customer)["code"]
        another.travel(customer, "unlink")
        card = another.ask("card", customer=customer)
        assert (card["state"], card["result"]) == ("revoked", "003")
        with pytest.raises(Refused) as refused:
            another.ask("code", customer=customer)
        assert refused.value.error == "NotLinked"
        assert redeem(another, code).status_code in (403, 404, 409, 410)
        another.deliver()
        assert "carriage.ended" in [news["kind"] for news in another.ask("news")["items"]]


@pytest.fixture
def found_again(town):
    """Let the card be found again after a test that has it lost."""
    yield
    move_chip_card(town, lift_loss)


def move_chip_card(town, act):
    inside = town.inside
    inside.clock.now = datetime.now(UTC)
    with inside.database.transaction() as connection:
        chip_card = get_card(connection, town.robot.phone.card).chip_card
        act(inside.runtime.ground, connection, chip_card, actor="test")


@pytest.mark.usefixtures("found_again")
def test_a_customer_reports_the_loss_in_the_wallet(another):
    with another.running():
        customer = link_anew(another)
        another.travel(customer, "report_loss")
        card = another.ask("card", customer=customer)
        assert (card["state"], card["standing"]) == ("suspended", "suspended")
        with pytest.raises(Refused):
            another.ask("code", customer=customer)


def test_a_wallet_that_was_away_finds_in_the_feed_what_it_missed(town, another):
    with another.running():
        link_anew(another)
    move_chip_card(town, report_loss)
    try:
        another.deliver()  # to a port where nobody listens
        with another.running():
            another.ask("pull")
            assert (cards_of(another)[0]["state"], cards_of(another)[0]["standing"]) == ("suspended", "suspended")
    finally:
        move_chip_card(town, lift_loss)
    another.deliver()
    with another.running():
        another.ask("pull")
        assert (cards_of(another)[0]["state"], cards_of(another)[0]["standing"]) == ("active", "active")


# ── When it must not start ───────────────────────────────────────────────────────────────────────────────────────


def end_of(wallet, **changes):
    """Start the wallet where it must not run, and tell what it says."""
    process = start(wallet, wallet.write_settings(**changes), subprocess.PIPE)
    said, _ = process.communicate(timeout=30)
    return process.returncode, said.decode()


def test_development_keys_are_refused_for_an_issuer_elsewhere(registered, tmp_path):
    wallet = copy_of(registered, tmp_path)
    ended, said = end_of(wallet, issuer="https://card.gov.cn")
    assert (ended, "development keys are refused" in said) == (2, True)


def test_production_has_no_control_endpoint_and_no_plain_http(registered, tmp_path):
    wallet = copy_of(registered, tmp_path)
    (tmp_path / "keys" / "environment").write_text("production\n")
    assert "control" in end_of(wallet, issuer="https://card.gov.cn")[1]
    del wallet.settings["control"]
    assert "not https" in end_of(wallet, issuer="http://card.gov.cn")[1]


def test_keys_that_others_can_read_are_refused(registered, tmp_path):
    wallet = copy_of(registered, tmp_path)
    (tmp_path / "keys" / "channel.pem").chmod(0o644)
    ended, said = end_of(wallet)
    assert (ended, "chmod 600" in said) == (2, True)


def test_keys_and_database_are_for_the_wallet_alone(wallet):
    for path in (*(wallet.folder / "keys").glob("*.pem"), wallet.database):
        assert path.stat().st_mode & 0o077 == 0, path


def test_keys_that_exist_are_not_drawn_over(wallet):
    before = (wallet.folder / "keys" / "channel.pem").read_bytes()
    assert draw_keys(wallet.folder / "keys").returncode != 0
    assert (wallet.folder / "keys" / "channel.pem").read_bytes() == before


def test_no_number_and_no_name_is_in_its_database(wallet, linked):
    person = make_person(1)
    with open_book(wallet.folder) as connection:
        dump = "\n".join(connection.iterdump())
    assert person.social_security_number not in dump
    assert person.name not in dump


def test_a_missing_node_names_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(wallets, "NODE", tmp_path / "nowhere")
    with pytest.raises(pytest.fail.Exception, match=r"deploy/bootstrap\.sh partners"):
        require_wallet()
