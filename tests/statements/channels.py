"""A channel whose app showed codes on a day that is closed; the redemptions are entered past the service."""

from typing import Any

from qr.statements.owner import Owner
from tests.channels.carriers import CarryingApp, make_carrying
from tests.service import START, Service
from tests.statements.records import a_day_of, close_day


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


def owner_of(app: CarryingApp) -> Owner:
    return Owner("channel", app.channel)
