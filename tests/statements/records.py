"""Redemptions entered past the service, so that a day with many of them is there at once."""

import json
from datetime import date, datetime
from typing import Any

import psycopg
import sqlalchemy as sa

from core.clock import to_millis
from qr.statements.business_day import business_day
from qr.statements.owner import Owner
from web.worker import Worker

DAY = date(2026, 3, 2)
NEXT_NOON = datetime.fromisoformat("2026-03-03T12:00:00+08:00")


def nothing(*_told: object) -> None:
    """Nobody looks at the progress."""


def institution_of(service: Any) -> Owner:
    return Owner("institution", service.institution)


def row(number: int, institution: str, recorded_at: int, **changes: Any) -> dict[str, Any]:
    values = {
        "id": f"red_{number:026d}",
        "handle": f"{number:032x}",
        "card": "crd_one",
        "terminal": f"trm_{number % 7}",
        "institution": institution,
        "purpose": "merchant",
        "rendering": "signed",
        "mode": "online",
        "idempotency_key": f"order-{number:08d}",
        "request_sm3": "0" * 64,
        "request_nonce": "n",
        "entitlement": {"pseudonym": f"{number:064x}"},
        "redeemed_at": recorded_at,
        "visit_expires_at": recorded_at,
        "recorded_at": recorded_at,
    }
    return values | changes


def enter(service: Any, rows: list[dict[str, Any]]) -> None:
    """Enter rows by the driver's own fastest way: SQLAlchemy's takes many times as long."""
    values = [
        tuple(json.dumps(value) if isinstance(value, dict) else value for value in each.values()) for each in rows
    ]
    names = ", ".join(rows[0])
    with service.database.transaction() as connection:
        connection.execute(sa.text("SELECT 1"))  # begins the transaction that SQLAlchemy commits
        driver = connection.connection.driver_connection
        if isinstance(driver, psycopg.Connection):
            with driver.cursor() as cursor, cursor.copy(f"COPY redemptions ({names}) FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
        else:
            marks = ", ".join("?" * len(rows[0]))
            driver.executemany(f"INSERT INTO redemptions ({names}) VALUES ({marks})", values)


def a_day_of(institution: str, count: int, day: date = DAY) -> list[dict[str, Any]]:
    """Rows spread over the day; ids stand in another order than times, and many share a millisecond."""
    span = business_day(day)
    return [
        row(number, institution, span.begin + (number * 7919) % 80_000_000 // 1000 * 1000) for number in range(count)
    ]


def close_day(service: Any) -> None:
    """Let it be noon of the next day, and all be told that happened before."""
    service.clock.now = NEXT_NOON
    tell_all(service)


def make_all(service: Any) -> int:
    """Let the worker make what is due, and tell how many files that were."""
    made = 0
    while Worker(service.runtime).make_statement():
        made += 1
    return made


def tell_all(service: Any) -> None:
    while Worker(service.runtime).tell():
        pass


def millis(text: str) -> int:
    return to_millis(datetime.fromisoformat(text))
