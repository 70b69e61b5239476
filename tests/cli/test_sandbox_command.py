"""`ecard sandbox`, as a partner's developer uses it."""

import json

import httpx
import pytest
from click.testing import CliRunner

import cli.partner
from cli import main
from cli.browser import Page
from cli.key_store_options import Surroundings
from tests.channels.carriers import new_number
from tests.channels.trials import make_trial
from tests.docs.pages import ROOT
from tests.oauth.conftest import fresh
from tests.service import ISSUER

__all__ = ["fresh"]

KEY = ROOT / "docs" / "samples" / "published-test-key.pem"


@pytest.fixture
def trial(fresh):
    return make_trial(fresh)


@pytest.fixture
def ecard(trial, monkeypatch):
    """Run `ecard sandbox …` against the service of the tests, with the published key."""
    transport = httpx.WSGITransport(app=trial.service.app)
    monkeypatch.setattr(cli.partner.httpx, "Client", lambda **_: httpx_client(transport))
    given = {"PARTNER_APP_ID": trial.app.channel, "PARTNER_SERIAL": "7e57", "PARTNER_KEY": str(KEY)}

    def run(*words):
        return CliRunner(env=given).invoke(main, ["sandbox", *words], obj=Surroundings(trial.service.clock))

    return run


_CLIENT = httpx.Client


def httpx_client(transport):
    return _CLIENT(transport=transport, base_url=ISSUER)


def done(result):
    """Give what the command has printed; the lines between are the log of the service in this process."""
    assert result.exit_code == 0, result.output
    return "".join(line for line in result.stdout.splitlines(keepends=True) if "[info" not in line)


def test_a_made_up_card_is_made_listed_and_ended(ecard):
    made = json.loads(done(ecard("make-card", "--level", "L2")))
    assert (made["level"], made["password"]) == ("L2", "271828")
    assert json.loads(done(ecard("cards"))) == {"items": [made]}
    assert done(ecard("reset")) == "the sandbox is empty\n"
    assert json.loads(done(ecard("cards"))) == {"items": []}


def test_the_phone_of_the_first_card_answers_a_login(trial, ecard):
    first, _second = trial.make_card(), trial.make_card()
    waiting = Page(trial.open_browser().open(trial.begin()))
    assert done(ecard("login", waiting.code)).startswith("number ")
    again = Page(trial.open_browser().open(trial.begin()))
    assert done(ecard("login", again.code, "--deny", "--card", first["card"])) == "refused\n"


def test_the_till_takes_a_code_once(trial, ecard):
    linked = trial.link()
    linked.sign(new_number())
    code = linked.show().json()["code"]
    assert json.loads(done(ecard("take", code)))["result"] == "accepted"
    second = ecard("take", code)
    assert second.exit_code == 1
    assert "409 already_used" in second.stderr


def test_the_holder_acts_elsewhere(trial, ecard):
    card = trial.make_card()
    told = json.loads(done(ecard("holder", "report_loss", "--card", card["card"])))
    assert told["standing"] == "suspended"


def test_without_a_card_nobody_answers(ecard):
    answer = ecard("login", "BCDF-GHJK")
    assert (answer.exit_code, "make-card" in answer.stderr) == (1, True)


def test_a_card_s_name_cannot_lead_elsewhere(ecard):
    assert "404 not_found" in ecard("holder", "cancel", "--card", "../../channel?x=").stderr


def test_the_time_is_seen_and_put_on(trial, ecard):
    assert done(ecard("clock")).endswith("(0 seconds ahead)\n")
    for total in (60, 120):
        assert done(ecard("clock", "--advance", "60")).endswith(f"({total} seconds ahead)\n")
    done(ecard("reset"))
    assert done(ecard("clock")).endswith("(0 seconds ahead)\n")
