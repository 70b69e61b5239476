"""`ecard channels`: partner apps that carry the card - applications, terms, certificates and how each stands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy.engine import Connection

from auth.plain_json import read_plain_json
from auth.signed_forms.received import ALGORITHMS, HEADER
from channels.bank_ports import find_port
from channels.certificates import WARNED_DAYS, ChannelCertificate, list_certificates
from channels.registry import (
    CLASSES,
    CONTACT_ROLES,
    DEFAULT_REQUESTS,
    MOST_REQUESTS,
    SCOPES,
    Application,
    RegisteredChannel,
    apply_for_channel,
    get_channel,
    list_channels,
    read_contacts,
)
from cli import Failed
from cli.channel_changes import COMMANDS
from cli.key_store_options import FILE, read_file
from cli.opening import opened_runtime
from core.clock import to_text
from core.errors import Malformed
from web.runtime import Runtime

_MAX_FILE = 1024 * 1024
_OPERATOR = click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Check everything and change nothing.")
_MEMBERS = {"name_zh", "name_en", "class", "contacts"}
_OPTIONAL = {"above", "scopes", "algorithms", "requests_per_minute"}


class Contact(click.ParamType[dict[str, str]]):
    """Whom to call: ROLE,NAME,REACH."""

    name = "ROLE,NAME,REACH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Split at the first two commas."""
        parts = value.split(",", 2)
        if len(parts) != 3 or parts[0] not in CONTACT_ROLES:
            self.fail(f"a contact is ROLE,NAME,REACH; roles are {', '.join(CONTACT_ROLES)}", param, ctx)
        return dict(zip(("role", "name", "reach"), parts, strict=True))


@click.group(
    short_help="Register partner apps, their certificates and how they stand.",
    commands=list(COMMANDS),
)
def channels() -> None:
    """Register partner apps, their certificates and how they stand.

    What gives a channel something takes two operators: one proposes, another approves within seven days. What only
    takes away (suspending, withdrawing a certificate) takes one and counts at once.
    """


@channels.command("apply")
@click.option("--name-zh", required=True, help="What holders are shown, e.g. 示范银行手机银行.")
@click.option("--name-en", required=True)
@click.option("--class", "channel_class", type=click.Choice(CLASSES), required=True)
@click.option("--above", metavar="chn_...", help="The first-tier channel through which a second-tier one enters.")
@click.option(
    "--scope", "scopes", type=click.Choice(list(SCOPES)), multiple=True, default=["carriage", "news"], show_default=True
)
@click.option(
    "--algorithm", "algorithms", type=click.Choice(ALGORITHMS), multiple=True, default=[HEADER], show_default=True
)
@click.option(
    "--requests-per-minute", type=click.IntRange(1, MOST_REQUESTS), default=DEFAULT_REQUESTS, show_default=True
)
@click.option("--contact", "contacts", type=Contact(), multiple=True, required=True, help="At least one for security.")
@_DRY_RUN
@_OPERATOR
def apply_(operator: str, *, dry_run: bool, **given: Any) -> None:
    """Enter a partner's application and print the channel's id (chn_...); it may do nothing yet."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        channel = _enter(runtime, connection, Application(**given), operator)
        if dry_run:
            connection.rollback()
            click.echo("the application is good; nothing was entered (dry run)")
            return
    click.echo(channel)


@channels.command("import")
@click.argument("file", type=FILE)
@_DRY_RUN
@_OPERATOR
def import_(file: Path, operator: str, *, dry_run: bool) -> None:
    """Enter the applications of a JSON file: all of them or none; those whose name is known are passed over.

    The file holds {"channels": [...]}, each with name_zh, name_en, class, contacts and, if wanted, above (the Chinese
    name of a channel that stands before it), scopes, algorithms, requests_per_minute.
    """
    rows = _read_rows(read_file(file, _MAX_FILE))
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        known = {channel.name_zh: channel.id for channel in list_channels(connection)}
        entered = [_enter_row(runtime, connection, known, row, operator) for row in rows if row["name_zh"] not in known]
        if dry_run:
            connection.rollback()
            click.echo(f"{len(entered)} of {len(rows)} channels are new and good; nothing was entered (dry run)")
            return
    click.echo("\n".join(entered))


@channels.command("list")
def list_all() -> None:
    """List channels and below each its live certificates; those that end within 30 days are marked."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now = runtime.ground.clock()
        for channel in list_channels(connection):
            click.echo(_line_of(channel))
            for certificate in list_certificates(connection, channel.id):
                if certificate.is_live(now):
                    click.echo(f"  {_certificate_line(certificate, ends_soon=certificate.ends_soon(now))}")


@channels.command()
@click.argument("channel")
def show(channel: str) -> None:
    """Show all that is registered of a channel, contacts included."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        found, now = get_channel(connection, channel), runtime.ground.clock()
        contacts = read_contacts(runtime.ground, connection, found.id)
        certificates, port = list_certificates(connection, found.id), find_port(connection, found.id)
    for name, value in _facts(found):
        click.echo(f"{name:12} {value}")
    if port is not None:
        silent = f" (no answer {port.failures} times)" if port.failures else ""
        click.echo(f"{'bank port':12} {port.url}{silent}")
    for contact in contacts:
        click.echo(f"{'contact':12} {contact['role']}: {contact['name']}, {contact['reach']}")
    for certificate in certificates:
        click.echo(f"{'certificate':12} {_certificate_line(certificate, ends_soon=certificate.ends_soon(now))}")


@channels.command("envelope-secret")
@click.argument("channel")
@click.argument("serial")
@_OPERATOR
def envelope_secret(channel: str, serial: str, operator: str) -> None:
    """Print the secret under which a channel encrypts, in envelopes and H5 entries, for one of its certificates."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        known = [
            certificate.serial for certificate in list_certificates(connection, get_channel(connection, channel).id)
        ]
        if serial not in known:
            raise Failed("this channel has no such certificate")
        _record(runtime, connection, operator, "channel.envelope_secret_shown", channel, {"serial": serial})
        secret = runtime.gate.envelope_secret(channel, serial)
    click.echo(secret)


def _enter(runtime: Runtime, connection: Connection, application: Application, operator: str) -> str:
    channel = apply_for_channel(runtime.ground, connection, application)
    detail = {"class": application.channel_class, "above": application.above}
    _record(runtime, connection, operator, "channel.applied", channel, detail)
    return channel


def _record(
    runtime: Runtime, connection: Connection, operator: str, act: str, channel: str, detail: dict[str, Any]
) -> None:
    ground, actor = runtime.ground, f"operator:{operator}"[:60]
    ground.audit.record(connection, actor=actor, act=act, subject=channel, detail=detail, at=ground.clock())


def _read_rows(content: bytes) -> Sequence[Mapping[str, Any]]:
    try:
        read = read_plain_json(content)
    except ValueError as error:
        raise Failed(f"this is no plain JSON: {error}") from error
    rows = read.get("channels") if isinstance(read, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Failed('the file holds {"channels": [...]}')
    for number, row in enumerate(rows, 1):
        if not row.keys() >= _MEMBERS or not row.keys() <= _MEMBERS | _OPTIONAL:
            raise Failed(f"channel {number}: members are {', '.join(sorted(_MEMBERS | _OPTIONAL))}")
        if not all(isinstance(row.get(name), str | None) for name in ("name_zh", "name_en", "class", "above")):
            raise Failed(f"channel {number}: names and class are texts")
    return rows


def _enter_row(
    runtime: Runtime, connection: Connection, known: dict[str, str], row: Mapping[str, Any], operator: str
) -> str:
    fields = {name: value for name, value in row.items() if name not in {"class", "above"}}
    above = row.get("above")
    if above is not None and above not in known:
        raise Failed(f"{row['name_zh']}: there is no channel {above} before it")
    application = Application(**fields, channel_class=row["class"], above=above and known[above])
    try:
        channel = _enter(runtime, connection, application, operator)
    except (Malformed, TypeError, AttributeError) as error:  # a member of the wrong type
        raise Failed(f"{row['name_zh']}: {error}") from error
    known[row["name_zh"]] = channel
    return channel


def _line_of(channel: RegisteredChannel) -> str:
    held = "" if channel.standing == channel.own_standing else f" ({channel.own_standing} by itself)"
    below = f" below {channel.above}" if channel.above else ""
    rank = f"{channel.channel_class} tier {channel.tier}{below}"
    return f"{channel.id} {channel.standing}{held} {rank} {channel.name_zh} / {channel.name_en}"


def _certificate_line(certificate: ChannelCertificate, *, ends_soon: bool) -> str:
    until = "withdrawn" if certificate.withdrawn_at else f"until {to_text(certificate.not_after)}"
    return f"{certificate.serial} {until}{f' ENDS WITHIN {WARNED_DAYS} DAYS' if ends_soon else ''}"


def _facts(channel: RegisteredChannel) -> Sequence[tuple[str, object]]:
    return (
        ("channel", channel.id),
        ("name", f"{channel.name_zh} / {channel.name_en}"),
        ("class", channel.channel_class),
        ("tier", f"{channel.tier}{f' below {channel.above}' if channel.above else ''}"),
        ("standing", f"{channel.standing} (by itself {channel.own_standing})"),
        ("scopes", " ".join(channel.scopes)),
        ("algorithms", " ".join(channel.algorithms)),
        ("limit", f"{channel.requests_per_minute} requests a minute"),
        ("client", channel.client or "-"),
        ("applied", to_text(channel.applied_at)),
        ("changed", to_text(channel.changed_at)),
    )
