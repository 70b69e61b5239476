"""`ecard sign`: sign a request as a partner, for curl; or explain one that is refused (`cli.sign_explain`)."""

from pathlib import Path

import click

from cli.key_store_options import FILE, read_file, surroundings
from cli.partner import by_partner, read_identity
from cli.sign_explain import explain

_MAX_BODY = 1024 * 1024
_METHODS = ("GET", "POST", "PUT", "DELETE")


class SignGroup(click.Group):
    """`ecard sign explain …` explains; `ecard sign METHOD TARGET …` signs, for that is what it is for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name; a method of HTTP stands for signing."""
        return super().get_command(ctx, "request" if cmd_name in _METHODS else cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take whatever is no command's name for a request to be signed."""
        is_known = bool(args) and (args[0] in self.commands or args[0].startswith("-"))
        return super().resolve_command(ctx, args if is_known else ["request", *args])


@click.group(cls=SignGroup, short_help="Sign a partner's request; explain a refused one.", commands=[explain])
def sign() -> None:
    """Sign a request as a partner: `ecard sign GET /v1/channel`. Explain a refused one: `ecard sign explain`."""


@sign.command()
@click.argument("method", type=click.Choice(_METHODS))
@click.argument("target", metavar="PATH[?QUERY]")
@click.option("--body", type=FILE, help="File with the body, byte for byte as it is sent.")
@click.option("--data", help="The body itself, instead of a file.")
@click.option("--timestamp", type=int, help="Seconds since 1970.  [default: now]")
@click.option("--nonce", help="16 to 64 letters, digits, - and _.  [default: random]")
@by_partner
@click.pass_context
def request(
    context: click.Context,
    /,
    method: str,
    target: str,
    body: Path | None,
    data: str | None,
    timestamp: int | None,
    nonce: str | None,
    app_id: str,
    serial: str,
    key: Path,
) -> None:
    """Sign a request and print its headers, for `curl -H @-`; send the very body that was signed.

    The headers are good once, for 300 seconds. The private key is never shown.
    """
    if body is not None and data is not None:
        raise click.UsageError("give --body or --data, not both · --body 与 --data 只能使用一个")
    content = read_file(body, _MAX_BODY) if body is not None else (data or "").encode()
    at = int(surroundings(context).clock().timestamp()) if timestamp is None else timestamp
    header = read_identity(app_id, serial, key).sign(method, target, content, at=at, nonce=nonce)
    click.echo(f"Authorization: {header}")
    if content:
        click.echo("Content-Type: application/json")
