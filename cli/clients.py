"""`ecard clients`: OAuth clients - partners, apps, terminals, public services - and the keys with which they sign."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.engine import Connection

from auth.apps.register import ANDROID, APPLE, App, add_app, list_apps, remove_app
from auth.oauth.client_register import (
    STANDINGS,
    Registration,
    add_client_key,
    add_client_secret,
    list_client_keys,
    list_clients,
    register_client,
    require_client,
    set_client_standing,
    withdraw_client_key,
)
from auth.oauth.profiles import AUTHENTICATIONS, PROFILES
from auth.oauth.scopes import SCOPES
from auth.plain_json import read_plain_json
from channels.registry import find_channel_of_client
from cli import Failed
from cli.opening import opened_runtime
from core.clock import from_millis, to_text
from web.runtime import Runtime

_KEY_FILE_LIMIT = 16 * 1024
_OPERATOR = click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
DAYS = click.option("--days", type=click.IntRange(1, 1095), default=365, show_default=True, help="Life of the key.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only tell what would happen.")


class JwkFile(click.ParamType[dict[str, Any]]):
    """A file with one public key as a JWK (RFC 7517)."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Read the key; whether it can be used the register says."""
        try:
            content = Path(value).read_bytes()
            read = read_plain_json(content) if len(content) <= _KEY_FILE_LIMIT else None
        except (OSError, ValueError):
            read = None
        if not isinstance(read, dict):
            self.fail("this is no file with a JWK", param, ctx)
        return read


@click.group()
def clients() -> None:
    """Register OAuth clients, list them, change their keys and apps, and suspend them."""


@clients.command()
@click.option("--profile", type=click.Choice(list(PROFILES)), required=True, help="What kind of client; see above.")
@click.option("--name-zh", required=True, help="What holders are shown, e.g. 示范银行.")
@click.option("--name-en", required=True, help="The same in English.")
@click.option("--authentication", type=click.Choice(AUTHENTICATIONS), required=True, help="How it proves itself.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, metavar="https://…", help="Where browsers come back to."
)
@click.option("--scope", "scopes", type=click.Choice(list(SCOPES)), multiple=True, help="What it may ask for.")
@click.option("--audience", "audiences", multiple=True, help="Resources it may ask for.  [default: this service's /v1]")
@click.option("--tls-subject", help="Subject of its certificate (RFC 4514), for tls_client_auth.")
@click.option("--resource", help="The protected resource that it is itself: it may introspect tokens for it.")
@click.option("--sector", help="Whose pseudonyms of holders it shares.  [default: the host of its redirects]")
@click.option("--dpop/--no-dpop", default=None, help="Whether its tokens are bound to a key.  [default: its profile's]")
@_OPERATOR
def register(operator: str, **fields: Any) -> None:
    """Enter a client and print its id (cli_...).

    The profile says what it must do: partner (a back end; pushed requests, DPoP), native (an app), relying_party (a
    public service that takes the card as login), terminal (software of scanners). Give it a key or a secret next.
    """
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now = runtime.ground.clock()
        made = register_client(connection, Registration(**fields), default_audience=runtime.oauth.desk.api, at=now)
        _record(runtime, connection, operator, "client.registered", made, {"profile": fields["profile"]})
    click.echo(made)


@clients.command("add-key")
@click.argument("client")
@click.option("--jwk", type=JwkFile(), required=True, help="Public key: P-256, SM2, Ed25519, or RSA for PS256.")
@DAYS
@_OPERATOR
def add_key(client: str, jwk: dict[str, Any], days: int, operator: str) -> None:
    """Give a client one more key, to change keys without a gap; print its kid."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _require_no_channel(connection, client)
        now = runtime.ground.clock()
        kid = add_client_key(connection, runtime.provider, client, jwk, at=now, days=days)
        _record(runtime, connection, operator, "client.key_added", client, {"kid": kid})
    click.echo(kid)


@clients.command("add-secret")
@click.argument("client")
@DAYS
@_OPERATOR
def add_secret(client: str, days: int, operator: str) -> None:
    """Draw a secret for a client and print it, this once."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _require_no_channel(connection, client)
        now, stored = runtime.ground.clock(), runtime.oauth.desk.stored
        kid, secret = add_client_secret(connection, stored, client, at=now, days=days)
        _record(runtime, connection, operator, "client.secret_added", client, {"kid": kid})
    click.echo(f"kid    {kid}\nsecret {secret}")


@clients.command("withdraw-key")
@click.argument("client")
@click.argument("kid")
@_DRY_RUN
@_OPERATOR
def withdraw_key(client: str, kid: str, operator: str, *, dry_run: bool) -> None:
    """Withdraw one key or secret for good; every worker refuses it within a second."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        if dry_run:
            live = [key.kid for key in list_client_keys(connection, client) if key.withdrawn_at is None]
            click.echo(_foretold(kid, live))
            return
        if not withdraw_client_key(connection, client, kid, at=runtime.ground.clock()):
            raise Failed("there is no such key, or it was withdrawn before")
        _record(runtime, connection, operator, "client.key_withdrawn", client, {"kid": kid})
    click.echo("withdrawn")


@clients.command("set-standing")
@click.argument("client")
@click.argument("standing", type=click.Choice(STANDINGS))
@_OPERATOR
def set_standing(client: str, standing: str, operator: str) -> None:
    """Suspend a client with all its tokens, or make it active again; counts everywhere within a second."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        if standing == "active":
            _require_no_channel(connection, client)
        if not set_client_standing(connection, client, standing):
            raise Failed(f"the client is {standing} already")
        _record(runtime, connection, operator, "client.standing_changed", client, {"to": standing})
    click.echo(standing)


@clients.command("list")
def list_all() -> None:
    """List clients with their profiles."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        rows = list_clients(connection)
    table = Table("client", "name", "profile", "authentication", "standing")
    for row in rows:
        table.add_row(row.id, f"{row.name_zh} / {row.name_en}", row.profile, row.authentication, row.standing)
    Console().print(table)


@clients.command()
@click.argument("client")
def keys(client: str) -> None:
    """List a client's keys and secrets; secrets by their kid alone."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        require_client(connection, client)
        rows = list_client_keys(connection, client)
    table = Table("kid", "what", "until", "standing")
    for row in rows:
        what = "secret" if row.secret else " ".join(row.jwk.get(name, "") for name in ("kty", "crv"))
        standing = "withdrawn" if row.withdrawn_at else "good"
        table.add_row(row.kid, what, to_text(from_millis(row.not_after)), standing)
    Console().print(table)


@clients.command("add-app")
@click.argument("client")
@click.option("--android", metavar="APPLICATION-ID", help="An Android app, e.g. cn.example.app.")
@click.option("--fingerprint", "fingerprints", multiple=True, help="SHA-256 of a certificate that signs it.")
@click.option("--apple", metavar="TEAM.BUNDLE", help="An app on Apple's systems, e.g. TEAM123456.cn.example.app.")
@click.option("--opens-logins", is_flag=True, help="It carries cards: the codes of login pages open it.")
@_OPERATOR
def add_an_app(client: str, operator: str, *, android: str | None, apple: str | None, **more: Any) -> None:
    """Let an app of a native client open its redirect addresses below /app/ on this host; again to change it."""
    platform, name = _named_app(android, apple)
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        ground = runtime.ground
        app = App(platform=platform, name=name, **more)
        add_app(connection, client, app, issuer=ground.settings.issuer, at=ground.clock())
        detail = {"platform": platform, "app": name, "opens_logins": str(app.opens_logins).lower()}
        _record(runtime, connection, operator, "client.app_added", client, detail)
    click.echo(f"{platform} {name}")


@clients.command("remove-app")
@click.argument("client")
@click.option("--android", metavar="APPLICATION-ID")
@click.option("--apple", metavar="TEAM.BUNDLE")
@_OPERATOR
def remove_an_app(client: str, operator: str, *, android: str | None, apple: str | None) -> None:
    """Take an app out of the associations; phones forget it when they ask again, within days."""
    platform, name = _named_app(android, apple)
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        if not remove_app(connection, client, platform, name):
            raise Failed("this client has no such app")
        _record(runtime, connection, operator, "client.app_removed", client, {"platform": platform, "app": name})
    click.echo("removed")


@clients.command()
@click.argument("client")
def apps(client: str) -> None:
    """List a client's apps."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        require_client(connection, client)
        rows = list_apps(connection, client)
    whole = [Column(name, overflow="fold") for name in ("app", "certificates")]
    table = Table("platform", whole[0], "opens logins", whole[1])
    for row in rows:
        table.add_row(row.platform, row.name, "yes" if row.opens_logins else "no", "\n".join(row.fingerprints))
    Console().print(table)


def _require_no_channel(connection: Connection, client: str) -> None:
    """Send who would give a channel's client something to where two people do it; what is taken away one may take."""
    channel = find_channel_of_client(connection, client)
    if channel is not None:
        raise Failed(
            f"this is the client of {channel.id}: `ecard channels add-client-key` or `set-client-standing`, by two"
        )


def _named_app(android: str | None, apple: str | None) -> tuple[str, str]:
    named = [(platform, name) for platform, name in ((ANDROID, android), (APPLE, apple)) if name]
    if len(named) != 1:
        raise click.UsageError("name one app, by --android or by --apple")
    return named[0]


def _foretold(kid: str, live: Sequence[str]) -> str:
    if kid not in live:
        return f"{kid} is not there or was withdrawn before: nothing would happen"
    left = len(live) - 1
    return f"{kid} would be withdrawn for good, {left} would be left (dry run)"


def _record(runtime: Runtime, connection: Any, operator: str, act: str, client: str, detail: dict[str, str]) -> None:
    ground = runtime.ground
    actor = f"operator:{operator}"[:60]
    ground.audit.record(connection, actor=actor, act=act, subject=client, detail=detail, at=ground.clock())
