"""`ecard news`: what channels are told - look at deliveries, send them again, try an address."""

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy.engine import Connection

from channels.endpoints import Endpoint, get_endpoint, list_endpoints, set_endpoint_state
from channels.errors import DestinationNotAllowed
from channels.news import get_news
from channels.registry import get_channel
from channels.webhooks import (
    Delivery,
    last_position,
    list_deliveries,
    pin,
    ping,
    replay,
    signed_headers,
    write_message,
)
from cli import Failed
from cli.opening import opened_runtime
from core.clock import from_millis, to_text
from web.runtime import Runtime

_STATES = ("waiting", "delivered", "dead")
_STEP = 1000
"""Positions that one transaction of a replay covers."""
_OPERATOR = click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
_LIMIT = click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)


@click.group(
    epilog="Addresses are registered with `ecard channels add-endpoint`; without one a channel pulls GET /v1/news."
)
def news() -> None:
    """Look at the news for channels and its deliveries, send it again, try an address.

    News is posted to each address of a channel until it answers 2xx: 16 tries in 24 hours, then it is a dead letter,
    which `replay` sends again. 410 disables an address; `enable` lets it go on.
    """


@news.command()
@click.argument("channel", required=False)
def endpoints(channel: str | None) -> None:
    """List the addresses of a channel, or of all, with how they stand."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        found = list_endpoints(connection, channel)
    table = Table("endpoint", "channel", "state", "failures in a row", "address")
    for one in found:
        table.add_row(one.id, one.channel, one.state, str(one.failures), one.url)
    Console().print(table)


@news.command("list")
@click.argument("channel")
@click.option("--state", type=click.Choice(_STATES), help="Only those that stand like this.")
@_LIMIT
def list_all(channel: str, state: str | None, limit: int) -> None:
    """List a channel's deliveries, the newest first."""
    _show(_find(channel, state=state, limit=limit))


@news.command()
@click.argument("channel")
@_LIMIT
def dead(channel: str, limit: int) -> None:
    """List a channel's dead letters; exit code 1 where there are any."""
    found = _find(channel, state="dead", limit=limit)
    _show(found)
    if found:
        raise Failed(f"{len(found)} dead letters: `ecard news replay ENDPOINT --dead` sends them again")


@news.command()
@click.argument("channel")
@click.argument("event")
def show(channel: str, event: str) -> None:
    """Show one piece of news (evt_...) and how each of its deliveries stands."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        told = get_news(connection, get_channel(connection, channel).id, event)
        found = list_deliveries(connection, channel, message=event)
    click.echo(write_message(told.message()).decode())
    _show(found)


@news.command("replay")
@click.argument("endpoint")
@click.option("--event", help="One piece of news (evt_...).")
@click.option("--from", "first", type=click.IntRange(1), help="First position of a range.")
@click.option("--to", "last", type=click.IntRange(1), help="Last position of a range.  [default: the latest]")
@click.option("--dead", "dead_alone", is_flag=True, help="Only dead letters, in the range or all of them.")
@click.option("--dry-run", is_flag=True, help="Only tell which positions it would go through.")
@_OPERATOR
def replay_(
    endpoint: str,
    event: str | None,
    first: int | None,
    last: int | None,
    operator: str,
    *,
    dead_alone: bool,
    dry_run: bool,
) -> None:
    """Let news be sent to ENDPOINT (nep_...) again, from its first try on; the worker sends it.

    Name --event, a range by --from, or --dead. The ids stay the same, so a receiver knows what it had.
    """
    if (event is not None) + (first is not None) + (dead_alone and first is None) != 1:
        raise click.UsageError("name --event, or --from, or --dead")
    with opened_runtime() as runtime:
        with runtime.ground.database.transaction() as connection:
            known = get_endpoint(connection, endpoint)
            begin, end = _range(connection, known, event, first, last)
        if dry_run:
            click.echo(f"positions {begin} to {end} of {known.channel} would be looked at (dry run)")
            return
        again = _replay(runtime, known, begin, end, dead_alone=dead_alone)
        detail = {"channel": known.channel, "from": begin, "to": end, "count": again}
        _record(runtime, operator, "news.replayed", endpoint, detail)
    click.echo(f"{again} deliveries wait again")


@news.command("test")
@click.argument("endpoint")
def test_(endpoint: str) -> None:
    """Send a signed `ping` to ENDPOINT now and tell what it answers; nothing else is changed."""
    with opened_runtime() as runtime:
        posted = ping(runtime.news, _endpoint(runtime, endpoint))
    if not posted.is_accepted:
        raise Failed(f"not accepted: {posted.reason}")
    click.echo(f"accepted: {posted.reason}")


@news.command("dry-run")
@click.argument("endpoint")
@click.argument("event")
def dry_run_(endpoint: str, event: str) -> None:
    """Show the request that would carry EVENT to ENDPOINT, and the address it would go to; nothing is sent."""
    with opened_runtime() as runtime:
        known = _endpoint(runtime, endpoint)
        with runtime.ground.database.transaction() as connection:
            body = write_message(get_news(connection, known.channel, event).message())
        headers = signed_headers(runtime.news, event, body)
        click.echo(f"POST {known.url}\n" + "\n".join(f"{name}: {value}" for name, value in headers.items()))
        click.echo(f"\n{body.decode()}\n")
        try:
            click.echo(f"would be sent to {pin(runtime.news, known.url).address} (dry run)")
        except DestinationNotAllowed as refusal:
            raise Failed(f"would not be sent: {refusal}") from refusal


@news.command()
@click.argument("endpoint")
@_OPERATOR
def enable(endpoint: str, operator: str) -> None:
    """Let an address go on that was disabled because it answered 410; what waits is sent."""
    with opened_runtime() as runtime:
        with runtime.ground.database.transaction() as connection:
            known = get_endpoint(connection, endpoint)
            if not set_endpoint_state(connection, endpoint, "active", at=runtime.ground.clock()):
                raise Failed(f"the address is {known.state}")
        _record(runtime, operator, "news.endpoint_enabled", endpoint, {"channel": known.channel})
    click.echo("active")


def _find(channel: str, **which: Any) -> Sequence[Delivery]:
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        return list_deliveries(connection, get_channel(connection, channel).id, **which)


def _endpoint(runtime: Runtime, given: str) -> Endpoint:
    with runtime.ground.database.transaction() as connection:
        return get_endpoint(connection, given)


def _range(
    connection: Connection, known: Endpoint, event: str | None, first: int | None, last: int | None
) -> tuple[int, int]:
    if event is not None:
        position = get_news(connection, known.channel, event).position
        return position, position
    return first or 1, min(last or last_position(connection, known.channel), last_position(connection, known.channel))


def _replay(runtime: Runtime, known: Endpoint, begin: int, end: int, *, dead_alone: bool) -> int:
    """Go through the range in steps, each its own transaction; stopped half way, what was done stays done."""
    steps = range(begin, end + 1, _STEP)
    return sum(
        replay(runtime.news, known, start, min(start + _STEP - 1, end), dead_alone=dead_alone)
        for start in track(steps, "replaying", console=Console(stderr=True), transient=True)
    )


def _show(found: Sequence[Delivery]) -> None:
    table = Table("position", "news", "kind", "endpoint", "state", "tries", "next", "answer")
    for one in found:
        following = to_text(from_millis(one.next_at)) if one.state == "waiting" else ""
        table.add_row(
            str(one.position), one.message, one.kind, one.endpoint, one.state, str(one.tries), following, one.reason
        )
    Console().print(table)


def _record(runtime: Runtime, operator: str, act: str, endpoint: str, detail: dict[str, Any]) -> None:
    ground = runtime.ground
    with ground.database.transaction() as connection:
        actor = f"operator:{operator}"[:60]
        ground.audit.record(connection, actor=actor, act=act, subject=endpoint, detail=detail, at=ground.clock())
