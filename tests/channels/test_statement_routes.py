"""A channel fetches the statement of a day: its own, when the day is closed, proven by a signature that stays."""

import csv
import io
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import qr.statements.parts
from cli import main
from core.audit import audit_entries
from core.clock import to_text
from qr.models import redemptions, statements
from qr.statements.claims import KEPT_DAYS, plan_day
from qr.statements.errors import StatementChanged
from qr.statements.making import make_statement
from sm import city_keys
from sm.der import write_pem
from tests.channels.partners import make_partner, refused
from tests.service import START, Service, running_service
from tests.statements.channels import make_showing, owner_of, shown_in
from tests.statements.records import DAY as DATE
from tests.statements.records import NEXT_NOON, enter, make_all, nothing, row, tell_all
from web.worker import Worker

DAY = "2026-03-02"
STATEMENTS = "/v1/channel/statements"


@pytest.fixture
def town(sqlite_service: Service) -> Service:
    return sqlite_service


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def app(town):
    return make_showing(town)


def show(app, count: int) -> None:
    """Enter what the app showed on the day, and let the worker make the files."""
    enter(app.service, shown_in(app, count))
    assert make_all(app.service)


def fetch(app, day=DAY, behind=""):
    return app.partner.send("GET", f"{STATEMENTS}/{day}{behind}")


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO("\n".join(answer.text.splitlines()[1:-1]))))


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_what_a_channel_fetches_is_proven_with_the_root_by_the_command(request, tmp_path, database):
    with running_service(request.getfixturevalue(database), tmp_path) as service:
        app = make_showing(service)
        show(app, 20)
        answer, signature = fetch(app), fetch(app, behind="/signature")
        root = write_pem("CERTIFICATE", city_keys.read_hierarchy(service.runtime.store).ministry.der)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert (answer.headers["Cache-Control"], "ESSC-Signature" in answer.headers) == ("no-store", True)
    file, trust = tmp_path / "day.csv", tmp_path / "ministry.pem"
    file.write_bytes(answer.content)
    (tmp_path / "day.csv.sig").write_bytes(signature.content)
    trust.write_text(root, encoding="ascii")
    command = ["statements", "verify", str(file), "--trust", str(trust), "--at", to_text(NEXT_NOON)]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, f"good: {app.channel} 2026-03-02 20 rows" in done.output) == (0, True), done.output
    file.write_bytes(answer.content.replace(b"online", b"0nline", 1))
    assert CliRunner().invoke(main, command).exit_code == 1


def test_fetched_again_after_months_both_are_the_same_and_the_first_is_in_the_audit_trail(town, app):
    show(app, 7)
    signature, content = fetch(app, behind="/signature").content, fetch(app).content
    town.clock.step(80 * 86_400)
    Worker(town.runtime).clean()
    assert (fetch(app).content, fetch(app, behind="/signature").content) == (content, signature)
    with town.database.transaction() as connection:
        signed = sa.select(audit_entries.c.actor, audit_entries.c.subject)
        found = connection.execute(signed.where(audit_entries.c.act == "statement.signed")).all()
    assert sorted(tuple(one) for one in found) == [("worker", app.channel), ("worker", town.institution)]


def test_parts_one_after_the_other_are_the_file(town, app, out, monkeypatch):
    monkeypatch.setattr(qr.statements.parts, "PART_LINES", 10)
    show(app, 25)
    desk, actor = town.runtime.statements, "operator:li"
    made = make_statement(desk, owner_of(app), DATE, out, actor=actor, on_progress=nothing, again=True)
    whole = made.path.read_bytes()
    parts = [fetch(app, behind=f"?part={part}") for part in (1, 2, 3)]
    assert [len(part.text.splitlines()) for part in parts] == [10, 10, 8]
    assert b"".join(part.content for part in parts) == whole
    refused(fetch(app, behind="?part=4"), 404, "not_found")


@pytest.mark.parametrize("part", ["0", "-1", "10001", "x", "1e3", "9" * 5000, ""])
def test_a_part_that_is_no_number_is_refused(app, part):
    answer = fetch(app, behind=f"?part={part}")
    assert answer.status_code == 400, answer.text


def test_another_channel_s_day_has_none_of_its_rows(town, app):
    other = make_showing(town)
    show(app, 5)
    assert len(rows_of(fetch(app))) == 5
    assert rows_of(fetch(other)) == []
    assert app.channel not in fetch(other).text


def test_a_day_is_there_from_a_quarter_past_midnight_on(town, app):
    closes = datetime.fromisoformat("2026-03-03T00:15:00+08:00")
    town.clock.now = closes - timedelta(milliseconds=1)
    for behind in ("", "/signature"):
        refused(fetch(app, behind=behind), 404, "day_not_closed")
        assert fetch(app, behind=behind).headers["Retry-After"] == "1"
    assert make_all(town) == 0  # of the day before there is none: nobody was there yet
    town.clock.now = closes
    assert make_all(town) == 2
    assert (fetch(app).status_code, fetch(app, behind="/signature").status_code) == (200, 200)


@pytest.mark.parametrize("day", ["2026-03-01", "2026-02-28", "1970-01-01", "0001-01-01"])
def test_from_before_the_channel_was_registered_there_is_none(town, app, day):
    refused(fetch(app, day), 404, "not_found")
    with town.database.transaction() as connection:
        assert connection.execute(sa.select(statements)).all() == []


@pytest.mark.parametrize("day", ["2026-03-03", "2099-12-31", "9999-12-31"])
def test_a_day_to_come_is_not_closed(app, day):
    refused(fetch(app, day), 404, "day_not_closed")


@pytest.mark.parametrize(
    "day",
    [
        "yesterday",
        "20260302",
        "2026-3-2",
        "2026-02-30",
        "2026-W10-1",
        "2026-03-02T00:00",
        "-026-03-02",
        "%202026-03-02",
        "2026-03-02%0A",
        "..%5C2026-03-02",
        "2026-03-02'--",
        "9" * 4000,
        "chn_1-2026-03-02.csv",
    ],
)
def test_what_is_no_day_is_refused(app, day):
    refused(fetch(app, day), 400, "malformed_request")
    refused(fetch(app, day, "/signature"), 400, "malformed_request")


def test_without_the_scope_and_before_it_is_live_a_channel_fetches_nothing(town):
    bare = make_partner(town, scopes=("carriage", "news"))
    trying = make_partner(town, "sandbox", scopes=("statements",))
    for behind in ("", "/signature"):
        refused(bare.send("GET", f"{STATEMENTS}/{DAY}{behind}"), 403, "scope_missing")
        refused(trying.send("GET", f"{STATEMENTS}/{DAY}{behind}"), 403, "channel_not_live")


def test_what_was_stored_stays_whatever_is_written_past_the_service_and_the_operator_finds_it(town, app, out):
    show(app, 3)
    before = fetch(app).content
    with town.database.transaction() as connection:
        late = row(9, town.institution, int(START.timestamp() * 1000), channel=app.channel)
        connection.execute(redemptions.insert(), [late])
    assert fetch(app).content == before
    desk, owner = town.runtime.statements, owner_of(app)
    with pytest.raises(StatementChanged):
        make_statement(desk, owner, DATE, out, actor="operator:li", on_progress=nothing, again=True)


def test_before_the_worker_has_made_it_a_channel_is_told_when_to_come_again(town, app):
    enter(town, shown_in(app, 3))
    for behind in ("", "/signature"):
        refused(fetch(app, behind=behind), 404, "statement_not_ready")
        assert fetch(app, behind=behind).headers["Retry-After"] == "60"
    plan_day(town.runtime.statements)  # entered, and not begun
    refused(fetch(app), 404, "statement_not_ready")
    make_all(town)
    assert len(rows_of(fetch(app))) == 3


def test_a_day_that_is_no_longer_kept_says_so_and_its_signature_stays(town, app):
    show(app, 3)
    signature = fetch(app, behind="/signature").content
    town.clock.step((KEPT_DAYS - 1) * 86_400)
    Worker(town.runtime).clean()
    assert fetch(app).status_code == 200
    town.clock.step(86_400)
    make_all(town)
    Worker(town.runtime).clean()
    refused(fetch(app), 410, "statement_not_kept")
    assert fetch(app, behind="/signature").content == signature


def test_a_day_from_before_files_were_made_is_not_kept(town, app):
    town.clock.step(3 * 86_400)
    make_all(town)
    refused(fetch(app), 410, "statement_not_kept")
    refused(fetch(app, behind="/signature"), 410, "statement_not_kept")
    assert fetch(app, "2026-03-05").status_code == 200


def test_the_channel_is_told_that_its_day_is_there(town, app):
    show(app, 3)
    tell_all(town)
    told = [one for one in app.partner.send("GET", "/v1/news").json()["items"] if one["type"] == "statement.ready"]
    assert [(one["card"], one["data"], one["sequence"]) for one in told] == [(DAY, {"day": DAY}, 1)]
