"""`ecard channels`, as an operator uses it."""

import contextlib
import json
import re

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import cli.channel_changes
import cli.channels
from channels.models import channels
from channels.registry import list_channels
from core.audit import audit_entries
from sm.ceremony import write_operators
from sm.ceremony_log import OPERATORS
from sm.certificates import read_certificate
from sm.der import export_pkcs8, write_pem
from sm.sm2 import random_private_key
from tests.channels.partners import apply, make_partner, standing_of
from tests.docs.pages import ROOT
from tests.service import PROVIDER

SAMPLE = ROOT / "docs" / "samples" / "channels.json"
APPLICATION = ["apply", "--name-en", "Example Bank", "--class", "bank", "--contact", "security,值班,s@bank.example"]
KEY = PROVIDER.public_key_of(random_private_key()).hex()
"""Registered nowhere: for dry runs alone."""


@pytest.fixture
def ecard(city, monkeypatch):
    """Run `ecard channels …` on the service of the tests."""

    @contextlib.contextmanager
    def opened():
        yield city.runtime

    monkeypatch.setattr(cli.channels, "opened_runtime", opened)
    monkeypatch.setattr(cli.channel_changes, "opened_runtime", opened)

    def run(*arguments: str, code: str = "") -> str:
        done = CliRunner().invoke(cli.channels.channels, [*arguments])
        assert getattr(done.exception, "code", "") == code, (done.output, done.exception)
        return done.output

    return run


def everything(city) -> list:
    with city.database.transaction() as connection:
        return [list(connection.execute(sa.select(table))) for table in (channels, audit_entries)]


def test_a_partner_goes_all_the_way_by_two_operators(city, ecard):
    channel = ecard(*APPLICATION, "--name-zh", "示范银行一", "--operator", "li").strip()
    key = PROVIDER.public_key_of(random_private_key()).hex()
    told = ecard("add-certificate", channel, "--public-key", key, "--operator", "li")
    outcome = ecard("approve", told.split()[0], "--operator", "wang")
    serial = re.search(r"^serial (\w+)$", outcome, re.MULTILINE)[1]
    issued = read_certificate(outcome[outcome.index("-----BEGIN") :])
    assert (f"{issued.serial:x}", issued.subject_common_name) == (serial, channel)
    for step in ("sandbox", "reviewed", "live"):
        told = ecard("set-standing", channel, step, "--operator", "wang")
        assert told.split()[0] in ecard("changes")
        ecard("approve", told.split()[0], "--operator", "li")
    assert standing_of(city, channel) == "live"
    assert "applied" in ecard("set-standing", channel, "suspended", "--operator", "li")
    assert standing_of(city, channel) == "suspended"
    shown = ecard("show", channel)
    assert serial in shown
    assert "s@bank.example" in shown
    assert channel not in ecard("changes")
    assert ecard("changes", "--all").count(channel) == 5


def test_terms_are_proposed_by_name(city, ecard):
    channel = make_partner(city).channel
    told = ecard("propose", channel, "--requests-per-minute", "9", "--scope", "issue", "--operator", "li")
    ecard("approve", told.split()[0], "--operator", "wang")
    with city.database.transaction() as connection:
        found = next(one for one in list_channels(connection) if one.id == channel)
    assert (found.requests_per_minute, found.scopes, found.algorithms) == (9, ("issue",), ("ESSC-SM2-SM3",))


def test_a_change_can_be_taken_back(city, ecard):
    channel = apply(city)
    told = ecard("set-standing", channel, "sandbox", "--operator", "li")
    assert ecard("reject", told.split()[0], "--operator", "li", "--dry-run").startswith("would be rejected")
    ecard("reject", told.split()[0], "--operator", "li")
    assert told.split()[0] not in ecard("changes")


@pytest.mark.parametrize(
    "arguments",
    [
        [*APPLICATION, "--name-zh", "示范银行二"],
        ["import", str(SAMPLE)],
        ["set-standing", "live", "closed"],
        ["set-standing", "live", "suspended"],
        ["add-certificate", "live", "--public-key", KEY],
        ["withdraw-certificate", "live", "serial", "--reason", "stolen"],
        ["propose", "live", "--requests-per-minute", "9"],
        ["approve", "change"],
        ["reject", "change"],
    ],
    ids=lambda arguments: "-".join(arguments[:3:2]),
)
def test_a_dry_run_changes_nothing(city, ecard, arguments):
    partner = make_partner(city)
    waits = ecard("set-standing", partner.channel, "closed", "--operator", "li").split()[0]
    names = {"live": partner.channel, "serial": partner.serial, "change": waits}
    before = everything(city)
    told = ecard(*(names.get(word, word) for word in arguments), "--operator", "wang", "--dry-run")
    assert "dry run" in told
    assert everything(city) == before


def test_what_would_be_refused_is_refused_in_a_dry_run_too(city, ecard):
    channel = apply(city)
    ecard("set-standing", channel, "live", "--operator", "li", "--dry-run", code="transition_not_allowed")
    waits = ecard("set-standing", channel, "sandbox", "--operator", "li").split()[0]
    ecard("approve", waits, "--operator", "li", "--dry-run", code="same_operator")


def test_a_certificate_that_ends_soon_is_marked(city, ecard):
    partner = make_partner(city)
    city.clock.step(150 * 86_400 - 1)
    line = next(line for line in ecard("list").splitlines() if partner.serial in line)
    assert "ENDS" not in line
    city.clock.step(1)
    line = next(line for line in ecard("list").splitlines() if partner.serial in line)
    assert line.endswith("ENDS WITHIN 30 DAYS")


def test_the_list_tells_what_a_channel_is_held_back_by(city, ecard):
    first = make_partner(city)
    second = make_partner(city, above=first.channel)
    ecard("set-standing", first.channel, "suspended", "--operator", "li")
    line = next(line for line in ecard("list").splitlines() if line.startswith(second.channel))
    assert f"suspended (live by itself) bank tier 2 below {first.channel}" in line


def test_registered_operators_use_their_keys(city, ecard, monkeypatch, tmp_path):
    keys = {name: random_private_key() for name in ("li", "wang")}
    files = {}
    for name, key in keys.items():
        files[name] = str(tmp_path / f"{name}.pem")
        (tmp_path / f"{name}.pem").write_text(write_pem("PRIVATE KEY", export_pkcs8(key)))
    registered = {name: PROVIDER.public_key_of(key) for name, key in keys.items()}
    monkeypatch.setattr(city.runtime.store, "names", lambda: [OPERATORS])
    monkeypatch.setattr(city.runtime.store, "document", lambda _name: write_operators(registered))
    channel = apply(city)
    ecard("set-standing", channel, "sandbox", "--operator", "li", code="operator_not_proven")
    ecard("set-standing", channel, "sandbox", "--operator", "li", "--key", files["wang"], code="operator_not_proven")
    waits = ecard("set-standing", channel, "sandbox", "--operator", "li", "--key", files["li"]).split()[0]
    ecard("approve", waits, "--operator", "wang", "--key", files["li"], code="operator_not_proven")
    assert "applied" in ecard("approve", waits, "--operator", "wang", "--key", files["wang"])


# ── The sample ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sample_has_eleven_channels_and_is_good(city, ecard):
    told = ecard("import", str(SAMPLE), "--operator", "li", "--dry-run")
    assert told == "11 of 11 channels are new and good; nothing was entered (dry run)\n"


def test_the_sample_is_made_up_as_the_feature_row_says():
    rows = json.loads(SAMPLE.read_text(encoding="utf-8"))["channels"]
    classes = [row["class"] for row in rows]
    assert {name: classes.count(name) for name in set(classes)} == {
        "government": 2,  # with the bureau's app the three government apps
        "hrss": 1,
        "bank": 6,  # five banks and the rural credit union
        "social": 1,  # the city app
        "contracted": 1,  # the wallet
    }


def test_importing_again_enters_nothing(city, ecard, tmp_path):
    file = tmp_path / "channels.json"
    file.write_text(SAMPLE.read_text(encoding="utf-8").replace("示范", "试点"), encoding="utf-8")
    assert ecard("import", str(file), "--operator", "li").count("chn_") == 11
    before = everything(city)
    ecard("import", str(file), "--operator", "li")
    assert everything(city) == before
    with city.database.transaction() as connection:
        found = {channel.name_zh: channel for channel in list_channels(connection)}
    assert found["试点市民生活"].above == found["试点市政务服务"].id


@pytest.mark.parametrize(
    "change",
    [
        {"class": "church"},
        {"class": 5},
        {"name_zh": 5},
        {"name_zh": ["示范"]},
        {"above": "无此渠道"},
        {"scopes": "news"},
        {"requests_per_minute": "600"},
        {"contacts": []},
        {"contacts": "security"},
        {"contacts": [5]},
        {"colour": "red"},
        {"name_en": None},
    ],
    ids=str,
)
def test_one_bad_channel_and_none_is_entered(city, tmp_path, monkeypatch, ecard, change):
    file = tmp_path / "channels.json"
    rows = json.loads(SAMPLE.read_text(encoding="utf-8"))["channels"]
    file.write_text(json.dumps({"channels": [*rows, {**rows[0], "name_zh": "示范末位", **change}]}), encoding="utf-8")
    before = everything(city)
    done = CliRunner().invoke(cli.channels.channels, ["import", str(file), "--operator", "li"])
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert everything(city) == before


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"channels": 5}', '{"channels": [5]}', '{"channels": [], "channels": []}']
)
def test_a_file_of_another_form_is_refused(ecard, tmp_path, content):
    file = tmp_path / "channels.json"
    file.write_text(content)
    done = CliRunner().invoke(cli.channels.channels, ["import", str(file), "--operator", "li"])
    assert (done.exit_code, "Error" in done.output) == (1, True)


def test_the_secret_of_envelopes_is_shown_for_a_certificate_and_noted(city, ecard):
    partner = make_partner(city)
    told = ecard("envelope-secret", partner.channel, partner.serial, "--operator", "li").strip()
    assert told == city.runtime.gate.envelope_secret(partner.channel, partner.serial)
    assert len(told) == 64
    done = CliRunner().invoke(cli.channels.channels, ["envelope-secret", partner.channel, "ab", "--operator", "li"])
    assert done.exit_code == 1
    with city.database.transaction() as connection:
        acts = sa.select(audit_entries.c.act).where(audit_entries.c.subject == partner.channel)
        assert "channel.envelope_secret_shown" in connection.execute(acts).scalars().all()
