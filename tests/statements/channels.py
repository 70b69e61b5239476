"""A channel whose app showed codes on a day that is closed; the redemptions are entered past the service."""

from typing import Any

from qr.models import carriage_records
from qr.statements.business_day import business_day
from qr.statements.owner import Owner
from tests.channels.carriers import CarryingApp, make_carrying
from tests.service import START, Service
from tests.statements.records import DAY, a_day_of, close_day


def make_showing(service: Service, **application: Any) -> CarryingApp:
    """Register an app on the day before it is closed; it may fetch its statements."""
    service.clock.now = START
    app = make_carrying(service, scopes=("carriage", "news", "statements"), **application)
    close_day(service)
    return app


def shown_in(app: CarryingApp, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Make redemptions of codes that the app has shown, of a few cards, at the one institution."""
    return [
        entry | {"channel": app.channel, "card": f"crd_{number % 9}"} | changes
        for number, entry in enumerate(a_day_of(app.service.institution, count))
    ]


def carried_by(app: CarryingApp, count: int) -> list[dict[str, Any]]:
    """Make entries of the book of carriages: signed, paused, gone on, ended, for many cards."""
    kinds, span = ("signed", "suspended", "resumed", "ended"), business_day(DAY)
    return [
        {
            "channel": app.channel,
            "id": f"evt_{number:026d}",
            "kind": f"carriage.{kinds[number % 4]}",
            "card": f"crd_{number // 4}",
            "result": ("001", "", "", "ended_by_holder")[number % 4],
            "recorded_at": span.begin + (number * 7919) % 80_000_000 // 1000 * 1000,
        }
        for number in range(count)
    ]


def enter_carried(service: Service, rows: list[dict[str, Any]]) -> None:
    with service.database.transaction() as connection:
        connection.execute(carriage_records.insert(), rows)


def owner_of(app: CarryingApp) -> Owner:
    return Owner("channel", app.channel)
