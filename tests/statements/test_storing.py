"""The worker makes the files of a closed day: each once, whole or not at all, however many workers there are."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

import qr.statements.parts
from core.audit import audit_entries
from core.outbox import record_event
from qr.models import redemptions, statement_days, statement_files, statement_makings, statement_parts, statements
from qr.statements.claims import LEASE, Overtaken, claim_day, claim_next, plan_day
from qr.statements.errors import StatementChanged, StatementNotReady
from qr.statements.making import make_statement
from qr.statements.parts import find_file, read_parts
from qr.statements.storing import make_next, store_statement
from qr.statements.writing import write_statement
from tests.channels.partners import move
from tests.service import START
from tests.statements.channels import make_showing, owner_of, shown_in
from tests.statements.records import DAY, a_day_of, enter, institution_of, make_all, nothing, tell_all
from web.worker import Worker


class Died(Exception):
    """The worker's machine lost its power."""


def all_of(service, table, *columns):
    with service.database.transaction() as connection:
        return connection.execute(sa.select(*(columns or table.columns)).order_by(*table.primary_key)).all()


def stored(service, owner, day=DAY) -> bytes:
    with service.database.transaction() as connection:
        parts = find_file(connection, owner, day)
    assert parts is not None
    return b"".join(read_parts(service.database, owner, day, parts))


def written(service, owner, day=DAY) -> bytes:
    pieces: list[bytes] = []

    class Pieces:
        write = staticmethod(pieces.append)

    write_statement(service.runtime.statements, owner, day, Pieces(), nothing)
    return b"".join(pieces)


def signed_by(service) -> list[tuple[str, str]]:
    with service.database.transaction() as connection:
        acts = sa.select(audit_entries.c.actor, audit_entries.c.subject)
        found = connection.execute(acts.where(audit_entries.c.act == "statement.signed")).all()
    return sorted(tuple(row) for row in found)


def test_each_owner_s_file_of_the_closed_day_is_made_once_and_is_what_the_records_say(city, monkeypatch):
    monkeypatch.setattr(qr.statements.parts, "PART_LINES", 7)
    app = make_showing(city)
    other = city.add_institution()
    enter(city, shown_in(app, 25))
    assert make_all(city) == 2  # the other institution came the day after
    for owner in (institution_of(city), owner_of(app)):
        assert stored(city, owner) == written(city, owner)
    assert [tuple(row) for row in all_of(city, statement_files, statement_files.c.parts)] == [(4,), (4,)]
    assert signed_by(city) == [("worker", app.channel), ("worker", city.institution)]
    assert other not in {row.owner for row in all_of(city, statements)}
    assert all_of(city, statement_makings) == []
    assert make_all(city) == 0


def test_many_workers_beside_each_other_make_each_file_once(city):
    institutions = [city.institution, *(city.add_institution() for _ in range(11))]
    with city.database.transaction() as connection:
        connection.execute(sa.text("UPDATE institutions SET created_at = 0"))
    rows = a_day_of("", 120)
    enter(city, [row | {"institution": institutions[number % 12]} for number, row in enumerate(rows)])
    begin, made = threading.Barrier(6), []

    def work() -> None:
        begin.wait()
        while make_next(city.runtime.statements):
            made.append(threading.get_ident())

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 12
    assert signed_by(city) == sorted(("worker", institution) for institution in institutions)
    assert [row.parts for row in all_of(city, statement_files)] == [1] * 12


def test_a_worker_that_dies_on_the_way_leaves_nothing_to_be_seen_and_the_next_one_begins_anew(city, monkeypatch):
    monkeypatch.setattr(qr.statements.parts, "PART_LINES", 5)
    enter(city, a_day_of(city.institution, 23))
    desk, owner = city.runtime.statements, institution_of(city)
    store_part, stored_parts = qr.statements.storing.store_part, []

    def die_at_the_fourth(*arguments) -> None:
        stored_parts.append(arguments)
        if len(stored_parts) == 4:
            raise Died
        store_part(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(qr.statements.storing, "store_part", die_at_the_fourth)
        with pytest.raises(Died):
            make_next(desk)
    assert len(all_of(city, statement_parts, statement_parts.c.part)) == 3
    assert all_of(city, statement_files) == all_of(city, statements) == []
    assert make_all(city) == 0  # the claim still counts
    city.clock.step(LEASE.total_seconds())
    assert make_all(city) == 1
    assert stored(city, owner) == written(city, owner)
    assert [row.part for row in all_of(city, statement_parts)] == [1, 2, 3, 4, 5, 6]


def test_whoever_was_overtaken_stores_nothing_any_more(city, monkeypatch):
    monkeypatch.setattr(qr.statements.parts, "PART_LINES", 5)
    enter(city, a_day_of(city.institution, 23))
    desk, owner = city.runtime.statements, institution_of(city)
    slow = claim_day(desk, owner, DAY)
    assert slow is not None
    city.clock.step(LEASE.total_seconds())
    assert make_all(city) == 1
    before = all_of(city, statement_parts)
    with pytest.raises(Overtaken):
        store_statement(desk, slow, actor="worker", on_progress=nothing)
    assert all_of(city, statement_parts) == before


def test_whoever_is_overtaken_between_two_parts_stops_there(city, monkeypatch):
    monkeypatch.setattr(qr.statements.parts, "PART_LINES", 5)
    enter(city, a_day_of(city.institution, 23))
    desk, owner = city.runtime.statements, institution_of(city)
    claim, faster = claim_day(desk, owner, DAY), []

    def be_overtaken(*_told: int) -> None:
        city.clock.step(LEASE.total_seconds())
        faster.append(claim_day(desk, owner, DAY))

    with pytest.raises(Overtaken):
        store_statement(desk, claim, actor="worker", on_progress=be_overtaken)
    assert all_of(city, statement_files) == all_of(city, statements) == []
    store_statement(desk, faster[0], actor="worker", on_progress=nothing)
    assert stored(city, owner) == written(city, owner)


def test_an_operator_who_comes_while_the_worker_is_at_it_is_told_to_come_again(town, out):
    plan_day(town.runtime.statements)
    assert claim_next(town.runtime.statements) is not None
    with pytest.raises(StatementNotReady) as refused:
        make_statement(
            town.runtime.statements, institution_of(town), DAY, out, actor="operator:li", on_progress=nothing
        )
    assert (refused.value.retry_after, list(out.iterdir())) == (60, [])


def test_what_an_operator_has_made_before_is_not_made_again(town, out):
    desk = town.runtime.statements
    make_statement(desk, institution_of(town), DAY, out, actor="operator:li", on_progress=nothing)
    assert make_all(town) == 0
    assert signed_by(town) == [("operator:li", town.institution)]


def test_days_that_were_missed_are_made_up_for_in_their_order_and_none_twice(town):
    make_all(town)
    town.clock.step(3 * 86_400)
    assert make_all(town) == 3
    days = [f"2026-03-0{number}" for number in (2, 3, 4, 5)]
    assert [row.day for row in all_of(town, statement_days)] == [row.day for row in all_of(town, statements)] == days


def test_a_day_is_not_made_before_all_of_it_is_told(town):
    with town.database.transaction() as connection:
        record_event(connection, "card.issued", card=None, content={}, at=START)
    assert make_all(town) == 0
    assert all_of(town, statement_days) == []
    tell_all(town)
    assert make_all(town) == 1


def test_what_happened_since_midnight_keeps_no_day_waiting(town):
    with town.database.transaction() as connection:
        record_event(connection, "card.issued", card=None, content={}, at=town.clock())
    assert make_all(town) == 1


def test_a_day_that_is_not_what_was_signed_of_it_is_put_off_and_the_others_are_made(town, out):
    desk, owner = town.runtime.statements, institution_of(town)
    other = town.add_institution()
    with town.database.transaction() as connection:
        connection.execute(sa.text("UPDATE institutions SET created_at = 0"))
    enter(town, a_day_of(town.institution, 3))
    make_statement(desk, owner, DAY, out, actor="operator:li", on_progress=nothing)
    with town.database.transaction() as connection:
        connection.execute(redemptions.update().values(purpose="gate"))
        for table in (statement_files, statement_parts):
            connection.execute(table.delete())
    plan_day(desk)
    changed = 0
    for _ in range(3):
        try:
            make_next(desk)
        except StatementChanged:
            changed += 1
    assert changed == 1
    assert [row.owner for row in all_of(town, statement_files)] == [other]
    town.clock.step(timedelta(hours=1).total_seconds())
    with pytest.raises(StatementChanged):
        make_next(desk)


def test_files_are_forgotten_after_90_days_and_what_was_signed_is_not(town, out, monkeypatch):
    monkeypatch.setattr(qr.statements.parts, "PART_LINES", 5)
    enter(town, a_day_of(town.institution, 60))
    make_all(town)
    first = stored(town, institution_of(town))
    town.clock.step(90 * 86_400)
    worker = Worker(town.runtime)
    seen = []
    while all_of(town, statement_parts):
        worker.clean()
        seen.append(len(all_of(town, statement_parts)))
    assert seen == [8, 3, 0]  # some at a time
    assert all_of(town, statement_files) == []
    assert [row.day for row in all_of(town, statements)] == [DAY.isoformat()]
    made = make_statement(
        town.runtime.statements, institution_of(town), DAY, out, actor="operator:li", on_progress=nothing
    )
    assert made.path.read_bytes() == first
    assert all_of(town, statement_parts) == []


def test_a_channel_that_was_closed_has_no_files_made(town):
    app = make_showing(town)
    move(town, app.channel, "suspended")
    move(town, app.channel, "closed")
    tell_all(town)
    assert make_all(town) == 1
    assert [row.owner for row in all_of(town, statements)] == [town.institution]
