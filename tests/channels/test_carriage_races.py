"""Many at once: one carriage, one answer for a number, and no code taken after its link has ended."""

import pytest
import sqlalchemy as sa

from auth.login.endings import end_link
from channels.models import carriages
from qr.models import card_faces, redemptions
from tests.channels.carriers import CarryingApp, make_carrying
from tests.enrollment.together import together
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import make_holder
from tests.service import running_service

AT_ONCE = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request, tmp_path) -> CarryingApp:
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])
    with running_service(url, tmp_path, threads=32, **MANY_A_MINUTE) as service:
        yield make_carrying(service)


def test_of_many_who_sign_at_once_one_makes_the_carriage(app):
    linked = app.link(make_holder(app.service))
    answers = together(*[lambda number=number: linked.sign(f"B-{number}") for number in range(AT_ONCE)])
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    with app.service.database.transaction() as connection:
        assert len(connection.execute(sa.select(carriages.c.id)).all()) == 1
        open_ones = sa.select(card_faces.c.card_index).where(card_faces.c.ended_at.is_(None))
        assert len(connection.execute(open_ones).all()) == 1


def test_one_number_sent_many_times_at_once_has_one_answer(app):
    linked = app.link(make_holder(app.service))
    answers = together(*[lambda: linked.sign("B-1")] * AT_ONCE)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_no_code_is_taken_after_its_link_has_ended(app, kind):
    service, holder = app.service, make_holder(app.service)
    till, verdicts = service.add_till(), []
    for _ in range(6):
        linked = app.link(holder)
        linked.sign()
        code = linked.show(kind).json()["code"]

        def end(grant=linked.link.grant):
            with service.database.transaction() as connection:
                end_link(service.runtime.ground, connection, card=holder.card, grant=grant, actor="holder")

        def take(code=code):
            return till.redeem(code, "medical").json()

        verdicts.append(together(end, take)[1])
        late = till.redeem(code, "medical").json()["code"]
        assert late in {"already_used", "unknown"}
    with service.database.transaction() as connection:
        taken = connection.execute(sa.select(sa.func.count()).select_from(redemptions)).scalar_one()
    assert taken == sum(verdict.get("result") == "accepted" for verdict in verdicts)
    assert {verdict.get("result") or verdict["code"] for verdict in verdicts} <= {"accepted", "unknown"}


def test_a_pause_beside_an_end_or_a_new_signature_never_waits_crosswise(app):
    holder = make_holder(app.service)
    for number in range(16):
        carriage = app.link(holder).sign().json()["id"]
        newer = app.link(holder)
        whole = f'{{"out_request_no":"E-{number}"}}'.encode()

        def pause(carriage=carriage):
            return app.partner.send("POST", f"/v1/carriages/{carriage}/suspend", b'{"reason":"risk"}')

        def end(carriage=carriage, whole=whole):
            return app.partner.send("POST", f"/v1/carriages/{carriage}/end", whole)

        answers = together(pause, newer.sign if number % 2 else end)
        assert {answer.status_code for answer in answers} <= {200, 201, 409}
        end()
