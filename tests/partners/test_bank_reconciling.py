"""The bank fetches the day's file, proves whose it is, and finds what was planted in it or in its own ledger."""

import json
from dataclasses import dataclass, replace
from datetime import date

import httpx
import pytest
import sqlalchemy as sa
from bank.calls import Calling, CardServiceRefused
from bank.card_service import CardService
from bank.command import main
from bank.ledger import note_code, note_uses
from bank.reconciling import Difference, Reconciler, show_report
from click.testing import CliRunner
from ecard_client import NotProven, prove_statement

from ecard.standing import lift_loss, report_loss
from qr.models import carriage_records, redemptions
from sm import city_keys
from sm.der import write_pem
from tests.channels.carriers import AppWithLink, make_carrying, new_number
from tests.channels.partners import change
from tests.channels.test_carriage import stand
from tests.oauth.holder import make_holder
from tests.partners.bank_of_tests import QuietBank, quiet_bank
from tests.service import ISSUER, START, test_store
from tests.statements.records import make_all, row, tell_all

DAY = date(2026, 3, 2)


@dataclass
class BankOfADay:
    """A bank whose channel carried cards for a day; the service's clock stands at the next one."""

    bank: QuietBank
    app: AppWithLink
    uses: list[dict[str, str]]
    reconciler: Reconciler

    def plant(self, statement: str, *values: object) -> None:
        """Change the bank's own ledger."""
        with self.bank.desk.database.transaction() as connection:
            assert connection.execute(statement, values).rowcount == 1

    def ids(self, kind: str) -> list[str]:
        found = self.bank.rows(f"SELECT id FROM ledger WHERE kind = '{kind}' ORDER BY rowid")
        return [identity for (identity,) in found]


def as_its_channel(bank: QuietBank, channel: str) -> QuietBank:
    """Let the bank sign as a channel that is registered, with a key of its own."""
    detail = {"public_key": bank.proofs.key.public_key.hex(), "days": 30}
    outcome = change(bank.service, channel, "certificate", detail).outcome
    assert outcome is not None
    partner = replace(bank.proofs.partner, channel=channel, serial=outcome["serial"])
    proofs = replace(bank.proofs, partner=partner)
    bank.desk.service.authorization.partner = partner
    desk = replace(bank.desk, service=CardService(bank.desk.service.authorization, proofs))
    return replace(bank, desk=desk, proofs=proofs, clerk=replace(bank.clerk, desk=desk))


@pytest.fixture
def day(sqlite_service, tmp_path):
    """Two cards for a day: codes taken online and offline, one card lost and found, the other taken out of the app."""
    service = sqlite_service
    app = make_carrying(service, scopes=("carriage", "news", "statements"))
    holders = make_holder(service, 1), make_holder(service, 2)
    first, second = (app.link(holder) for holder in holders)
    first.sign(), second.sign()
    till = service.add_till()
    for _ in range(3):
        service.clock.step(1)
        assert till.redeem(first.show().json()["code"], "medical").status_code == 201
    item = {"code": first.show().json()["code"], "accepted_at": "2026-03-02T08:00:06.000Z"}
    service.clock.step(30)
    assert till.send("POST", "/v1/offline-acceptances", {"items": [item]}).json()["outcomes"][0]["result"] == "recorded"
    uses = first.call("GET", "/v1/carriage/uses").json()["items"]
    service.clock.step(1)
    stand(holders[0], report_loss)
    service.clock.step(1)
    stand(holders[0], lift_loss)
    act = json.dumps({"out_request_no": new_number()}).encode()
    carriage = second.call("GET", "/v1/carriage").json()["id"]
    assert app.partner.send("POST", f"/v1/carriages/{carriage}/end", act).status_code == 200
    service.clock.now = START.replace(day=3)
    with quiet_bank(service, tmp_path / "bank") as made:
        bank = as_its_channel(made, app.channel)
        bank.clerk.reconciler = Reconciler(bank.desk, bank.home)
        yield BankOfADay(bank, first, uses, bank.clerk.reconciler)


def make_files(day: BankOfADay) -> None:
    tell_all(day.bank.service)
    make_all(day.bank.service)
    tell_all(day.bank.service)
    day.bank.clerk.read_news()


def test_a_bank_that_heard_everything_agrees_with_the_card_service_row_by_row(day):
    make_files(day)
    report = day.reconciler.reconcile(DAY)
    assert (report.differences, report.ours, report.theirs) == ((), 9, 9)
    assert list(show_report(report))[-1] == "equal"
    kinds = [kind for (kind,) in day.bank.rows("SELECT DISTINCT kind FROM ledger ORDER BY kind")]
    assert kinds == ["card.loss_lifted", "card.loss_reported", "carriage.ended", "carriage.signed", "code.redeemed"]


def test_news_that_the_day_is_ready_lets_the_bank_compare_by_itself_once(day):
    tell_all(day.bank.service)
    make_all(day.bank.service)
    tell_all(day.bank.service)
    for _ in range(2):
        day.bank.clerk.work_once()
    assert day.bank.rows("SELECT day, ours, theirs, ours_only, theirs_only, differing FROM reconciled") == [
        ("2026-03-02", 9, 9, 0, 0, 0)
    ]
    assert day.bank.rows("SELECT count(*) FROM cards WHERE subject LIKE '2026%'") == [(0,)]


def test_what_was_planted_in_the_bank_s_ledger_is_found_and_nothing_else(day):
    make_files(day)
    gone, altered = day.ids("code.redeemed")[:2]
    signed = day.ids("carriage.signed")[1]
    day.plant("DELETE FROM ledger WHERE id = ?", gone)
    day.plant(
        "INSERT INTO ledger VALUES ('evt_x', 'carriage.ended', '2026-03-02T10:00:00.000Z', 'expired', 'somebody')"
    )
    day.plant("UPDATE ledger SET subject = 'another' WHERE id = ?", altered)
    day.plant("UPDATE ledger SET result = '002' WHERE id = ?", signed)
    report = day.reconciler.reconcile(DAY)
    subject = day.app.link.subject
    assert set(report.differences) == {
        Difference("theirs_only", gone),
        Difference("ours_only", "evt_x"),
        Difference("differing", altered, "card", "another", subject),
        Difference("differing", signed, "result", "002", "001"),
    }
    assert [report.count(what) for what in ("ours_only", "theirs_only", "differing")] == [1, 1, 2]
    assert list(show_report(report))[-1] == "1 only ours, 1 only theirs, 2 differing"


def test_what_was_planted_in_the_card_service_s_records_is_found(day):
    service, at = day.bank.service, int(START.timestamp() * 1000)
    tell_all(service)
    with service.database.transaction() as connection:
        channel = day.bank.proofs.partner.channel
        connection.execute(redemptions.insert(), [row(9, service.institution, at, channel=channel)])
        ended = carriage_records.c.kind == "carriage.ended"
        assert connection.execute(carriage_records.update().where(ended).values(result="expired")).rowcount == 1
    make_files(day)
    (ended_id,) = day.ids("carriage.ended")
    assert set(day.reconciler.reconcile(DAY).differences) == {
        Difference("theirs_only", f"red_{9:026d}"),
        Difference("differing", ended_id, "result", "ended_by_channel", "expired"),
    }


def test_uses_that_an_answer_told_are_in_the_ledger_before_their_news_and_say_how_the_code_was_taken(day):
    with day.bank.desk.database.transaction() as connection:
        note_uses(connection, day.app.link.subject, day.uses)
    assert len(day.ids("code.redeemed")) == 3  # of the offline one the news must tell when it was recorded
    make_files(day)
    with day.bank.desk.database.transaction() as connection:
        note_uses(connection, day.app.link.subject, day.uses)
    told = [result for (result,) in day.bank.rows("SELECT result FROM ledger WHERE kind = 'code.redeemed'")]
    assert sorted(told) == ["offline", "online", "online", "online"]
    assert day.reconciler.reconcile(DAY).is_equal
    (first, *_) = day.ids("code.redeemed")
    day.plant("UPDATE ledger SET result = 'offline' WHERE id = ?", first)
    assert day.reconciler.reconcile(DAY).differences == (Difference("differing", first, "result", "offline", "online"),)


def test_codes_that_were_shown_are_counted_by_the_day(day):
    at = int(START.timestamp())
    with day.bank.desk.database.transaction() as connection:
        for shown in (at, at + 1, at - 86_400, at + 86_400):
            note_code(connection, "subject-1", shown)
    make_files(day)
    assert day.reconciler.reconcile(DAY).codes == 2


def test_before_it_is_made_there_is_nothing_to_compare(day):
    with pytest.raises(CardServiceRefused) as refused:
        day.reconciler.reconcile(DAY)
    assert refused.value.code == "statement_not_ready"
    assert day.bank.rows("SELECT count(*) FROM reconciled") == [(0,)]


def forged(day: BankOfADay, forge) -> Reconciler:
    """Let whoever answers sign well and hand out another file or signature."""
    service = day.bank.service

    def answer(request: httpx.Request) -> httpx.Response:
        given = service.http.send(httpx.Request(request.method, request.url, headers=request.headers))
        return httpx.Response(given.status_code, content=forge(request.url.path, given.content), headers=given.headers)

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url=ISSUER)
    believing = replace(day.bank.proofs, calling=Calling(http, pause=lambda _seconds: None))
    object.__setattr__(believing, "_verify", lambda *_: None)
    desk = replace(day.bank.desk, service=CardService(day.bank.desk.service.authorization, believing))
    return Reconciler(desk, day.bank.home)


FORGERIES = {
    "a row changed": lambda path, body: body if "signature" in path else body.replace(b"online", b"onlinE", 1),
    "a row away": lambda path, body: (
        body if "signature" in path else b"".join(part for part in body.splitlines(True) if b"loss_lifted" not in part)
    ),
    "another signature": lambda path, body: (
        json.dumps(json.loads(body) | {"signature": "11" * 64}).encode() if "signature" in path else body
    ),
    "no certificates": lambda path, body: (
        json.dumps(json.loads(body) | {"certificates": []}).encode() if "signature" in path else body
    ),
    "no signature at all": lambda path, body: b"{}" if "signature" in path else body,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_with_a_file_that_is_not_the_card_service_s_nothing_is_compared(day, name):
    make_files(day)
    with pytest.raises(NotProven):
        forged(day, FORGERIES[name]).reconcile(DAY)
    assert day.bank.rows("SELECT count(*) FROM reconciled") == [(0,)]


def test_a_good_file_under_another_ministry_of_another_day_or_owner_is_not_believed(day):
    make_files(day)
    day.reconciler.reconcile(DAY)
    file, home = day.bank.home.statement("2026-03-02"), day.bank.home
    signature = file.with_suffix(".csv.sig").read_text()
    pinned, channel = home.ministry.read_text(), day.bank.proofs.partner.channel
    other = write_pem("CERTIFICATE", city_keys.read_hierarchy(test_store()).ministry.der)
    now = day.bank.service.clock().timestamp()
    good = {"owner": channel, "day": "2026-03-02", "now": now}
    for ministry, changes in (
        (other, {}),
        (pinned, {"day": "2026-03-03"}),
        (pinned, {"owner": "chn_other"}),
        (pinned, {"now": now + 366 * 86_400}),
    ):
        with file.open("rb") as opened, pytest.raises(NotProven):
            prove_statement(ministry, opened, signature, **good | changes)
    with file.open("rb") as opened:
        assert prove_statement(pinned, opened, signature, **good).count == 9


def test_the_command_ends_with_1_where_there_is_no_bank(tmp_path):
    done = CliRunner().invoke(main, ["reconcile", str(tmp_path), "2026-03-02"])
    assert (done.exit_code, "partner.json is missing" in done.output) == (1, True)


def test_nothing_that_the_bank_compares_with_is_in_its_ledger(day):
    make_files(day)
    before = day.bank.rows("SELECT * FROM ledger ORDER BY rowid")
    day.plant("DELETE FROM ledger WHERE id = ?", day.ids("code.redeemed")[0])
    for _ in range(2):
        assert day.reconciler.reconcile(DAY).count("theirs_only") == 1
    assert len(day.bank.rows("SELECT * FROM ledger")) == len(before) - 1
    with day.bank.service.database.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(carriage_records)).scalar_one() == 5
