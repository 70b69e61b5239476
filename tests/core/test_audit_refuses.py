"""No answer without an entry: where the audit trail cannot be written, nothing changes (trust.md, figure 23)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from cli.phone import Phone
from core.database import metadata
from tests.service import Service

# What is no state: evidence that a request came, and what is remembered for seconds.
NOT_STATE = {"signed_requests", "ephemeral"}
Act = Callable[[], httpx.Response]


@contextmanager
def full_disk(service: Service) -> Iterator[None]:
    """Let no audit entry in, as a full disk would."""
    with service.database.transaction() as connection:
        for statement in _FULL[connection.dialect.name]:
            connection.exec_driver_sql(statement)
    try:
        yield
    finally:
        with service.database.transaction() as connection:
            connection.exec_driver_sql(_EMPTY[connection.dialect.name])


_FULL = {
    "sqlite": ["CREATE TRIGGER full_disk BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END"],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$""",
        "CREATE TRIGGER full_disk BEFORE INSERT ON audit_entries EXECUTE FUNCTION full_disk()",
    ],
}
_EMPTY = {"sqlite": "DROP TRIGGER full_disk", "postgresql": "DROP TRIGGER full_disk ON audit_entries"}


def state(service: Service) -> dict[str, list[Any]]:
    with service.database.transaction() as connection:
        tables = [table for table in metadata.sorted_tables if table.name not in NOT_STATE]
        return {table.name: sorted(map(str, connection.execute(sa.select(table)))) for table in tables}


def begin(service: Service) -> Act:
    session = service.add_till().send("POST", "/v1/terminal-sessions", {"operator": "op-1"}).json()
    phone = service.phone()
    return lambda: phone.begin(session["display"])


def abandon(service: Service) -> Act:
    till, phone = service.add_till(), service.phone()
    session = till.send("POST", "/v1/terminal-sessions", {"operator": "op-1"}).json()
    enrollment = phone.begin(session["display"]).json()["id"]
    return lambda: till.send("POST", f"/v1/enrollments/{enrollment}/abandon", {"reason": "operator"})


def _verified(service: Service) -> tuple[Phone, str, str]:
    phone, begun = service.phone(), {}
    agent = service.agent(
        service.add_till(), service.make_card(), on_show=lambda text: begun.update(phone.begin(text).json())
    )
    agent.enroll()
    return phone, begun["id"], phone.look(begun["id"]).json()["chip_card"]


def confirm(service: Service) -> Act:
    phone, enrollment, chip_card = _verified(service)
    return lambda: phone.confirm(enrollment, chip_card)


def deny(service: Service) -> Act:
    phone, enrollment, chip_card = _verified(service)
    body = {"chip_card": chip_card, "confirmed": False}
    return lambda: phone.send("POST", f"/v1/enrollments/{enrollment}/confirm", body)


def redeem(service: Service) -> Act:
    code, till = service.enroll().code("medical").json()["code"], service.add_till()
    return lambda: till.redeem(code, "medical", key="till-000001")


def upload(service: Service) -> Act:
    code, till = service.enroll().code("test").json()["code"], service.add_till()
    items = [{"code": code, "accepted_at": "2026-03-02T08:00:00Z"}]
    return lambda: till.send("POST", "/v1/offline-acceptances", {"items": items})


def report_loss(service: Service) -> Act:
    phone = service.enroll()
    return lambda: phone.call("POST", f"/v1/cards/{phone.card}/loss-reports")


@pytest.mark.parametrize("prepare", [begin, abandon, confirm, deny, redeem, upload, report_loss])
def test_what_cannot_be_written_down_does_not_happen_and_may_be_tried_again(service, prepare):
    act = prepare(service)
    before = state(service)
    with full_disk(service):
        answer = act()
        assert answer.status_code in {500, 503}, answer.text
        assert "disk full" not in answer.text
        assert state(service) == before
    assert act().status_code < 500
    after = state(service)
    assert len(after["audit_entries"]) > len(before["audit_entries"])
    assert {name for name in after if after[name] != before[name]} >= {"audit_entries"}
