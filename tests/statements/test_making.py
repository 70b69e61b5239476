"""The statement of a day: what stands in it, when it can be made, and that it never changes."""

import csv
import io
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from core.audit import audit_entries
from core.clock import to_text
from core.errors import Missing
from qr.models import redemptions, statements
from qr.statements.errors import DayNotClosed, StatementChanged
from qr.statements.making import make_statement, plan_statement
from qr.statements.reading import StatementFile
from qr.statements.records import PAGE
from qr.statements.writing import write_statement
from sm.digest import sm3
from tests.servers import PostgresServer
from tests.service import START, running_service
from tests.statements.records import DAY, a_day_of, close_day, enter, institution_of, millis, nothing, row
from web.worker import Worker

PSEUDONYM = "ab" * 32


def make(city, out, day=DAY, *, again=False):
    desk, owner = city.runtime.statements, institution_of(city)
    return make_statement(desk, owner, day, out, actor="operator:li", on_progress=nothing, again=again)


def rows_of(made) -> list[dict[str, str]]:
    lines = made.path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(io.StringIO("\n".join(lines[1:-1]))))


def test_a_statement_says_what_the_institution_was_told_and_no_more(city, out):
    at = millis("2026-03-02T10:00:00.123+08:00")
    enter(
        city,
        [
            row(2, city.institution, at, entitlement={"pseudonym": PSEUDONYM, "eligible": True}),
            row(1, city.institution, at, purpose="gate", entitlement={"entitled": True}, idempotency_key="-2+3_x-abc"),
            row(3, city.institution, at + 1, mode="offline", redeemed_at=at - 86_400_000, idempotency_key="offline:00"),
            row(4, "ins_another", at),
        ],
    )
    made = make(city, out)
    text = made.path.read_bytes()
    assert text.decode().splitlines()[:4] == [
        f"ESSC-STATEMENT-1,institution,{city.institution},2026-03-02,3",
        "id,recorded_at,redeemed_at,terminal,purpose,result,reference,pseudonym",
        f"red_{1:026d},2026-03-02T02:00:00.123Z,2026-03-02T02:00:00.123Z,trm_1,gate,online,-2+3_x-abc,",
        f"red_{2:026d},2026-03-02T02:00:00.123Z,2026-03-02T02:00:00.123Z,trm_2,merchant,online,order-00000002,{PSEUDONYM}",
    ]
    offline = rows_of(made)[2]
    assert (offline["redeemed_at"], offline["result"], offline["reference"]) == (
        "2026-03-01T02:00:00.123Z",
        "offline",
        "",
    )
    rows, last = text.splitlines(keepends=True)[:-1], text.splitlines()[-1]
    assert last.decode() == f"ESSC-STATEMENT-END,3,{sm3(*rows).hex()}"
    assert made.sm3 == sm3(text).hex()
    assert b"crd_" not in text


def test_a_redemption_at_a_counter_stands_in_the_statement_of_its_day(city, out):
    city.clock.now = START
    phone, till = city.enroll(), city.add_till()
    done = till.redeem(phone.code("merchant").json()["code"], "merchant").json()
    close_day(city)
    (found,) = rows_of(make(city, out))
    assert (found["id"], found["terminal"]) == (done["id"], till.terminal)
    assert found["pseudonym"] == done["entitlement"]["pseudonym"]


def test_what_is_handed_in_late_stands_in_the_day_on_which_it_came_in(city, out):
    city.clock.now = START
    phone, till = city.enroll(), city.add_till()
    code, at = phone.code("merchant").json()["code"], city.clock()
    city.clock.step(86_400)
    item = {"code": code, "accepted_at": to_text(at)}
    answer = till.send("POST", "/v1/offline-acceptances", {"items": [item]})
    assert answer.json()["outcomes"][0]["result"] == "recorded"
    city.clock.step(86_400)
    assert rows_of(make(city, out)) == []
    (found,) = rows_of(make(city, out, DAY + timedelta(days=1)))
    assert (found["redeemed_at"], found["result"]) == (to_text(at), "offline")


@pytest.mark.parametrize(
    ("moment", "stands_in"),
    [
        ("2026-03-01T23:59:59.999+08:00", "2026-03-01"),
        ("2026-03-02T00:00:00.000+08:00", "2026-03-02"),
        ("2026-03-02T00:00:00.001+08:00", "2026-03-02"),
        ("2026-03-02T23:59:59.999+08:00", "2026-03-02"),
        ("2026-03-03T00:00:00.000+08:00", "2026-03-03"),
    ],
)
def test_a_day_goes_from_midnight_to_midnight_in_shanghai(town, out, moment, stands_in):
    enter(town, [row(1, town.institution, millis(moment))])
    town.clock.step(86_400)
    days = [DAY + timedelta(days=number) for number in (-1, 0, 1)]
    assert [str(day) for day in days if rows_of(make(town, out, day))] == [stands_in]


def test_a_day_is_closed_fifteen_minutes_after_its_midnight(town, out):
    closes = datetime.fromisoformat("2026-03-03T00:15:00+08:00")
    town.clock.now = closes - timedelta(milliseconds=1)
    with pytest.raises(DayNotClosed):
        make(town, out)
    with pytest.raises(DayNotClosed):
        plan_statement(town.runtime.statements, institution_of(town), DAY)
    assert list(out.iterdir()) == []
    town.clock.now = closes
    assert make(town, out).count == 0


def test_nobody_has_a_statement_who_is_no_institution(town, out):
    town.institution = "ins_nobody"
    with pytest.raises(Missing):
        make(town, out)
    assert list(out.iterdir()) == []


def test_made_again_it_is_the_same_byte_for_byte(city, out):
    enter(city, a_day_of(city.institution, 2 * PAGE + 1))
    plan = plan_statement(city.runtime.statements, institution_of(city), DAY)
    assert (plan.count, plan.is_signed) == (2 * PAGE + 1, False)
    made = make(city, out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(first) == [made.path.name, f"{made.path.name}.sig"]
    for step, again in ((0, False), (0, True), (400 * 86_400, False)):  # another certificate would be used by then
        city.clock.step(step)
        Worker(city.runtime).clean()
        for path in out.iterdir():
            path.unlink()
        make(city, out, again=again)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    with city.database.transaction() as connection:
        signed = connection.execute(sa.select(audit_entries.c.act).where(audit_entries.c.act == "statement.signed"))
        assert len(signed.all()) == 1
    assert plan_statement(city.runtime.statements, institution_of(city), DAY).is_signed


def test_rows_stand_by_time_and_id_and_none_is_lost_between_pages(city, out):
    entered = a_day_of(city.institution, 2 * PAGE + 1)
    enter(city, entered)
    found = [(line["recorded_at"], line["id"]) for line in rows_of(make(city, out))]
    assert found == sorted(found)
    assert {identity for _, identity in found} == {entry["id"] for entry in entered}


def test_both_databases_give_the_same_bytes(postgres_server: PostgresServer, tmp_path):
    written = []
    server = postgres_server.create_database()
    for url in (f"sqlite:///{tmp_path / 'ecard.sqlite3'}", postgres_server.url(server)):
        with running_service(url, tmp_path) as service:
            close_day(service)
            same = a_day_of(service.institution, 40)
            mixed = [entry | {"id": f"red_{'aB_c.D'[number % 6]}{number}"} for number, entry in enumerate(same)]
            enter(service, [entry | {"recorded_at": millis("2026-03-02T09:00:00+08:00")} for entry in mixed])
            file = io.BytesIO()
            write_statement(service.runtime.statements, institution_of(service), DAY, file, nothing)
            written.append(file.getvalue().replace(service.institution.encode(), b"ins").rpartition(b"ESSC")[0])
    postgres_server.drop_database(server)
    assert written[0] == written[1]


@pytest.mark.parametrize("act", ["added", "taken away", "changed"])
def test_a_closed_day_that_was_written_to_is_not_signed_again(city, out, act):
    enter(city, a_day_of(city.institution, 3))
    made = make(city, out)
    before = made.path.read_bytes()
    with city.database.transaction() as connection:
        if act == "added":
            connection.execute(redemptions.insert(), [row(9, city.institution, millis("2026-03-02T09:00:00+08:00"))])
        elif act == "taken away":
            connection.execute(redemptions.delete().where(redemptions.c.id == f"red_{1:026d}"))
        else:
            connection.execute(redemptions.update().values(purpose="gate"))
    with pytest.raises(StatementChanged):
        make(city, out, again=True)
    assert made.path.read_bytes() == before
    assert len(list(out.iterdir())) == 2


def test_what_was_signed_can_be_read(town, out):
    enter(town, a_day_of(town.institution, 5))
    made = make(town, out)
    with made.path.open("rb") as file:
        statement = StatementFile(file)
        assert len(list(statement.records())) == statement.head.count == 5
        assert (statement.head.owner, statement.head.day) == (institution_of(town), DAY)
    with town.database.transaction() as connection:
        kept = connection.execute(sa.select(statements)).one()
    assert (kept.row_count, kept.sm3) == (5, made.sm3)
