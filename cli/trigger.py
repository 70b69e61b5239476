"""`ecard trigger`: let the service tell a channel in the sandbox some news, as a partner's developer asks for it."""

import json
from pathlib import Path

import click

from channels.news import NEWS_KINDS
from cli.key_store_options import surroundings
from cli.partner import ADDRESS, by_partner, opened_http, read_identity, send_signed


@click.command()
@click.argument("kind", type=click.Choice(list(NEWS_KINDS)))
@click.option("--card", default="sandbox-card", show_default=True, help="A card that there is not: sandbox-...")
@click.option("--count", type=click.IntRange(1, 100), default=1, show_default=True, help="So many times.")
@ADDRESS
@by_partner
@click.pass_context
def trigger(
    context: click.Context, /, kind: str, card: str, count: int, address: str, app_id: str, serial: str, key: Path
) -> None:
    """Have news of KIND told to your channel, about a card that there is not.

    It is recorded, signed, posted to your registered addresses and retried like real news, and listed at GET /v1/news;
    `ecard listen` receives it. Only for a channel that is not live yet.
    """
    partner = read_identity(app_id, serial, key)
    body = json.dumps({"kind": kind, "card": card}).encode()
    with opened_http(address) as http:
        for _ in range(count):
            answer = send_signed(http, partner, "POST", "/v1/sandbox/news", body, surroundings(context).clock)
            told = answer.json()
            click.echo(f"{told['id']} position {told['position']} sequence {told['sequence']} {told['type']}")
