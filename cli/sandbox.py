"""`ecard sandbox`: the made-up cards of a channel in the sandbox, the phone of their holders, and the till."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from channels.sandbox.holder_acts import HOLDER_ACTS
from cli import Failed
from cli.key_store_options import surroundings
from cli.partner import ADDRESS, by_partner, opened_http, read_identity, send_signed

Command = Callable[..., Any]
_CARDS = "/v1/sandbox/cards"
_CLOCK = "/v1/sandbox/clock"


def asking(command: Command) -> Command:
    """Give a command what it signs with, and where it sends that."""
    return click.pass_context(ADDRESS(by_partner(command)))


@click.group()
def sandbox() -> None:
    """Try a card in your app without a holder: in a development environment, while your channel is in the sandbox."""


@sandbox.command("make-card")
@click.option("--level", type=click.Choice(["L2", "L3"]), default="L3", show_default=True)
@asking
def make_card(context: click.Context, /, level: str, **partner: Any) -> None:
    """Make up a card, and print it with its password; there are at most ten at a time."""
    _show(_ask(context, "POST", _CARDS, {"level": level}, **partner))


@sandbox.command("cards")
@asking
def list_cards(context: click.Context, /, **partner: Any) -> None:
    """List your made-up cards."""
    _show(_ask(context, "GET", _CARDS, None, **partner))


@sandbox.command()
@click.argument("code")
@click.option("--card", metavar="crd_...", help="Whose phone answers.  [default: your first made-up card]")
@click.option("--deny", is_flag=True, help="Say no.")
@asking
def login(context: click.Context, /, code: str, card: str | None, *, deny: bool, **partner: Any) -> None:
    """Log a browser in as a made-up holder: CODE is what the login page shows; prints the number to type in there."""
    body = {"code": code, "decision": "deny" if deny else "approve"}
    answered = _ask(context, "POST", f"{_card(context, card, **partner)}/logins", body, **partner)
    click.echo("refused" if answered["number"] is None else f"number {answered['number']}")


@sandbox.command()
@click.argument("act", type=click.Choice(list(HOLDER_ACTS)))
@click.option("--card", metavar="crd_...", help="Whose.  [default: your first made-up card]")
@asking
def holder(context: click.Context, /, act: str, card: str | None, **partner: Any) -> None:
    """Let a made-up holder do something outside your app: your channel is told of it."""
    _show(_ask(context, "POST", f"{_card(context, card, **partner)}/acts", {"act": act}, **partner))


@sandbox.command()
@click.argument("scanned")
@click.option("--audience", type=click.IntRange(0, 0xFFFF), default=0, show_default=True)
@asking
def take(context: click.Context, /, scanned: str, audience: int, **partner: Any) -> None:
    """Take a code of a made-up card, once, as the sandbox's till."""
    _show(_ask(context, "POST", "/v1/sandbox/redemptions", {"code": scanned, "audience": audience}, **partner))


@sandbox.command()
@asking
def reset(context: click.Context, /, **partner: Any) -> None:
    """Begin anew: end all your made-up cards, and put the time back."""
    _ask(context, "DELETE", "/v1/sandbox", None, **partner)
    click.echo("the sandbox is empty")


@sandbox.command()
@click.option("--advance", type=click.IntRange(1), metavar="SECONDS", help="So much further; back by `reset` alone.")
@asking
def clock(context: click.Context, /, advance: int | None, **partner: Any) -> None:
    """See or put on the time of your sandbox: codes, links and the next tries of news come to their end by it."""
    stands = _ask(context, "GET", _CLOCK, None, **partner)
    if advance is not None:
        stands = _ask(context, "PUT", _CLOCK, {"offset_seconds": stands["offset_seconds"] + advance}, **partner)
    click.echo(f"{stands['now']} ({stands['offset_seconds']} seconds ahead)")


def _card(context: click.Context, given: str | None, /, **partner: Any) -> str:
    """Give the address of a card, the first one where none is named."""
    if given is not None:
        return f"{_CARDS}/{quote(given, safe='')}"
    cards = _ask(context, "GET", _CARDS, None, **partner)["items"]
    if not cards:
        raise Failed("there is no made-up card: `ecard sandbox make-card` · 尚无虚拟卡")
    return f"{_CARDS}/{cards[0]['card']}"


def _ask(
    context: click.Context,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    *,
    address: str,
    app_id: str,
    serial: str,
    key: Path,
) -> dict[str, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    with opened_http(address) as http:
        signer, clock = read_identity(app_id, serial, key), surroundings(context).clock
        answer = send_signed(http, signer, method, path, content, clock)
    told: dict[str, Any] = answer.json() if answer.content else {}
    return told


def _show(told: dict[str, Any]) -> None:
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))
