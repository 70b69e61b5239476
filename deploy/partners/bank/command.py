"""`python -m bank`: make the bank's keys, then run it."""

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import httpx
from ecard_client import NotProven

from bank.calls import TIMEOUT, CardServiceRefused, CardServiceSilent
from bank.clerk import Clerk
from bank.house import open_desk, open_house
from bank.keys import make_keys, show_client_jwk
from bank.place import Home, NotReady, process_environment, read_partner
from bank.proofs import make_signing_key, show_signing_key
from bank.reconciling import Reconciler, show_report
from bank.serving import serving

_HOME = click.argument("home", type=click.Path(file_okay=False, path_type=Path))
_PORT = click.IntRange(0, 65535)


@click.group()
def main() -> None:
    """Run a partner bank in small. HOME is its folder: keys, database, partner.json, ministry.pem, customers.json."""


@main.command()
@_HOME
def keys(home: Path) -> None:
    """Make the keys that are missing; print the public ones as JSON, and write them beside, for the card centre."""
    place = Home(home)
    make_keys(place)
    make_signing_key(place)
    public_key, jwk = show_signing_key(place), show_client_jwk(place)
    place.write(place.key("signing.hex"), f"{public_key}\n".encode())
    place.write(place.key("client.jwk"), f"{jwk}\n".encode())
    shown: dict[str, Any] = {"sm2_public_key": public_key, "jwk": json.loads(jwk)}
    click.echo(json.dumps(shown))


@main.command()
@_HOME
@click.option("--front-port", type=_PORT, default=8471, show_default=True, help="For customers' browsers, over TLS.")
@click.option("--back-port", type=_PORT, default=8472, show_default=True, help="For news and the bank port.")
@click.option(
    "--pause", type=click.FloatRange(0.05, 600), default=2.0, show_default=True, help="Of the clerk, seconds."
)
@click.option("--slow-seconds", type=click.FloatRange(0.1, 60), default=12.0, show_default=True, hidden=True)
def run(home: Path, front_port: int, back_port: int, pause: float, slow_seconds: float) -> None:
    """Serve until Ctrl-C; prints one line of JSON with both addresses once the doors are open."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines hold whole addresses
    place = Home(home.resolve())
    try:
        partner = read_partner(place, process_environment())
        house = open_house(place, partner, front_port=front_port, back_port=back_port, pause=pause)
    except NotReady as missing:
        raise click.ClickException(str(missing)) from missing
    house.switches.slow_seconds = slow_seconds
    with house, _ended_by_signals() as ended, serving(house.front, house.back):
        click.echo(json.dumps({"front": house.front.address, "back": house.back.address}))
        ended.wait()


@main.command()
@_HOME
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
def reconcile(home: Path, day: datetime) -> None:
    """Fetch the card service's file of a DAY such as 2026-11-20, prove it, and compare it with the bank's own ledger.

    Exit code 0 equal, 1 differences, or a file that is not there yet or not the card service's.
    """
    place = Home(home.resolve())
    try:
        partner = read_partner(place, process_environment())
        with httpx.Client(base_url=partner.issuer, timeout=TIMEOUT, trust_env=False) as http:
            desk, _ = open_desk(place, partner, http, "")
            Clerk(desk).read_news()
            report = Reconciler(desk, place).reconcile(day.date())
    except (NotReady, NotProven, CardServiceRefused, CardServiceSilent) as fault:
        raise click.ClickException(str(fault)) from fault
    for line in show_report(report):
        click.echo(line)
    sys.exit(not report.is_equal)


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    yield ended
