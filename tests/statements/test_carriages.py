"""What became of the cards that a channel carries stands in its day, as it was, whatever happened afterwards."""

import csv
import io

import pytest
import sqlalchemy as sa

from auth.login.endings import end_phone
from channels.carriage.records import get_carriage
from ecard.standing import cancel_card, lift_loss, report_loss
from qr.models import carriage_records
from qr.statements.errors import StatementNotReady
from qr.statements.making import plan_statement
from qr.statements.writing import write_statement
from tests.channels.carriers import AppWithLink, CarryingApp, make_carrying, new_number
from tests.channels.test_carriage import stand
from tests.oauth.holder import Holder, make_holder
from tests.service import START
from tests.statements.channels import owner_of
from tests.statements.records import DAY, NEXT_NOON, close_day, nothing, tell_all
from web.worker import Worker


@pytest.fixture
def day(city):
    """The service on the day, early enough that much can happen on it."""
    city.clock.now = START
    return city


def file_of(app: CarryingApp) -> bytes:
    file = io.BytesIO()
    write_statement(app.service.runtime.statements, owner_of(app), DAY, file, nothing)
    return file.getvalue()


def rows_of(app: CarryingApp) -> list[tuple[str, str]]:
    lines = list(csv.reader(io.StringIO(file_of(app).decode())))[2:-1]
    return [(line[1], line[4]) for line in lines]


def linked_in(service, holder: Holder) -> tuple[CarryingApp, AppWithLink, str]:
    app = make_carrying(service)
    linked = app.link(holder)
    return app, linked, linked.sign().json()["id"]


def act(app: CarryingApp, carriage: str, what: str, body: bytes = b"") -> None:
    app.service.clock.step(1)
    answer = app.partner.send("POST", f"/v1/carriages/{carriage}/{what}", body)
    assert answer.status_code == 200, answer.text


def test_each_step_of_a_carriage_stands_in_the_day_under_the_name_and_id_of_its_news(day):
    app, _, carriage = linked_in(day, make_holder(day))
    act(app, carriage, "suspend", b'{"reason":"risk"}')
    act(app, carriage, "resume")
    act(app, carriage, "end", f'{{"out_request_no":"{new_number()}"}}'.encode())
    close_day(day)
    steps = [("signed", "001"), ("suspended", ""), ("resumed", ""), ("ended", "ended_by_channel")]
    assert rows_of(app) == [(f"carriage.{kind}", result) for kind, result in steps]
    news = app.partner.send("GET", "/v1/news").json()["items"]
    told = {(one["id"], one["type"], one["timestamp"], one["card"]) for one in news}
    lines = list(csv.reader(io.StringIO(file_of(app).decode())))[2:-1]
    assert {(line[0], line[1], line[3], line[5]) for line in lines} == told


def test_a_loss_report_and_its_end_stand_in_the_day_of_each_channel_that_carries_the_card(day):
    holder = make_holder(day)
    (first, _, _), (second, _, _) = (linked_in(day, holder) for _ in range(2))
    beside = make_carrying(day)
    beside.link(holder)  # and has not signed it
    day.clock.step(1)
    for step in (report_loss, lift_loss, cancel_card):
        stand(holder, step)
        day.clock.step(1)
    close_day(day)
    standings = [("loss_reported", "suspended"), ("loss_lifted", "active"), ("cancelled", "revoked")]
    for app, result in ((first, "001"), (second, "002")):
        assert rows_of(app) == [
            ("carriage.signed", result),
            *((f"card.{kind}", standing) for kind, standing in standings),
        ]
    assert rows_of(beside) == []


def test_what_happened_to_the_card_after_its_carriage_ended_is_not_in_it(day):
    holder = make_holder(day)
    app, _, carriage = linked_in(day, holder)
    act(app, carriage, "end", f'{{"out_request_no":"{new_number()}"}}'.encode())
    day.clock.step(1)
    stand(holder, report_loss)
    close_day(day)
    assert [kind for kind, _ in rows_of(app)] == ["carriage.signed", "carriage.ended"]


def test_however_a_link_ends_its_carriage_s_end_stands_in_the_day(day):
    holder = make_holder(day)
    app, _, _ = linked_in(day, holder)
    day.clock.step(1)
    with day.database.transaction() as connection:
        end_phone(day.runtime.ground, connection, card=holder.card, device=holder.device, actor=holder.device)
    close_day(day)
    assert rows_of(app) == [("carriage.signed", "001"), ("carriage.ended", "device_ended")]


def test_a_link_that_runs_out_ends_its_carriage_on_the_day_on_which_that_is_seen(day):
    app, _, carriage = linked_in(day, make_holder(day))
    Worker(day.runtime).clean()
    day.clock.step(181 * 86_400)
    for _ in range(2):  # a second look ends nothing more
        Worker(day.runtime).clean()
    tell_all(day)
    with day.database.transaction() as connection:
        table = carriage_records.c
        found = connection.execute(sa.select(table.kind, table.result).order_by(table.number)).all()
    assert [tuple(row) for row in found] == [("carriage.signed", "001"), ("carriage.ended", "expired")]
    with day.database.transaction() as connection:
        assert get_carriage(day.runtime.carriage, connection, app.channel, carriage).state == "revoked"


def test_the_end_of_a_link_that_was_followed_at_once_by_a_new_one_is_not_forgotten(day):
    holder = make_holder(day)
    app, linked, carriage = linked_in(day, holder)
    act(app, carriage, "end", f'{{"out_request_no":"{new_number()}"}}'.encode())
    app.link(holder).sign()  # before the worker has told anything
    assert linked.call("GET", "/v1/carriage").status_code == 401
    close_day(day)
    assert [kind for kind, _ in rows_of(app)] == ["carriage.signed", "carriage.ended", "carriage.signed"]


def test_what_happens_after_the_day_changes_nothing_in_it(day):
    holder, other = make_holder(day), make_holder(day, 2)
    app, linked, carriage = linked_in(day, holder)
    app.link(other).sign()
    day.add_till().redeem(linked.show().json()["code"], "medical")
    close_day(day)
    before = file_of(app)
    act(app, carriage, "suspend", b'{"reason":"risk"}')
    stand(other, report_loss)
    stand(other, cancel_card)
    act(app, carriage, "end", f'{{"out_request_no":"{new_number()}"}}'.encode())
    app.link(holder).sign()
    day.clock.step(200 * 86_400)
    Worker(day.runtime).clean()
    tell_all(day)
    assert file_of(app) == before
    assert before.count(b"evt_") == 2
    assert before.count(b"red_") == 1


def test_a_day_of_which_something_is_still_untold_is_not_ready(day):
    app, _, _ = linked_in(day, make_holder(day))
    day.clock.now = NEXT_NOON
    with pytest.raises(StatementNotReady) as refused:
        plan_statement(day.runtime.statements, owner_of(app), DAY)
    assert refused.value.retry_after == 60
    tell_all(day)
    assert plan_statement(day.runtime.statements, owner_of(app), DAY).count == 1
