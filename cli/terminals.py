"""`ecard terminals`: institutions, their readers and scanners, and the keys with which those sign."""

import re
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy.engine import Connection

from auth.parties import (
    INSTITUTION_KINDS,
    PURPOSES,
    SCOPES,
    add_key,
    list_terminals,
    register_institution,
    register_terminal,
    require_institution,
    require_party,
    set_standing,
    withdraw_key,
)
from cli import Failed
from cli.opening import opened_runtime
from cli.terminal_operators import appoint, dismiss, operators, set_institution_purposes
from core.clock import from_millis
from web.runtime import Runtime

_KEY = re.compile(r"(?:04)?[0-9a-fA-F]{128}")


class PublicKey(click.ParamType[bytes]):
    """An SM2 public key in hex, as `ecard keys new` prints it."""

    name = "hex"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Read 64 bytes, or 65 with a leading 04."""
        if not _KEY.fullmatch(value):
            self.fail("an SM2 public key has 128 hexadecimal digits", param, ctx)
        return bytes.fromhex(value)


@click.group()
def terminals() -> None:
    """Register and withdraw terminals."""


for command in (appoint, dismiss, operators, set_institution_purposes):
    terminals.add_command(command)


@terminals.command("add-institution")
@click.option("--name", required=True)
@click.option("--kind", type=click.Choice(INSTITUTION_KINDS), required=True)
@click.option("--region", required=True, metavar="990100", help="GB/T 2260 code, six digits.")
@click.option("--audience", type=click.IntRange(0, 0xFFFF), default=0, show_default=True, help="Group named in codes.")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, default=["redeem"], show_default=True)
@click.option(
    "--purpose", "purposes", type=click.Choice(PURPOSES), multiple=True, help="Of terminals it enrols itself."
)
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
def add_institution(region: str, operator: str, **fields: Any) -> None:
    """Enter an institution and print its id (ins_...)."""
    if not re.fullmatch(r"\d{6}", region):
        raise click.UsageError("--region takes six digits")
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now = runtime.ground.clock()
        made = register_institution(connection, region=region, at=now, **fields)
        _record(runtime, connection, operator, "institution.registered", made, {"kind": fields["kind"]})
    click.echo(made)


@terminals.command()
@click.option("--institution", required=True, metavar="ins_...")
@click.option("--name", required=True, help="What holders are shown, e.g. 中山路药房 1 号收银台.")
@click.option("--site", required=True, help="Where it stands.")
@click.option("--purpose", "purposes", type=click.Choice(PURPOSES), multiple=True, help="What it takes codes for.")
@click.option("--public-key", type=PublicKey(), required=True, help="Of its SM2 key (`ecard keys new`).")
@click.option("--days", type=click.IntRange(1, 1095), default=365, show_default=True, help="Life of the key.")
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
def add(
    institution: str, name: str, site: str, purposes: Sequence[str], public_key: bytes, days: int, operator: str
) -> None:
    """Register a terminal and print its id and its key's serial number."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now = runtime.ground.clock()
        require_institution(connection, institution)
        terminal, serial = register_terminal(
            connection,
            name=name,
            site=site,
            institution=institution,
            purposes=purposes,
            public_key=public_key,
            at=now,
            days=days,
        )
        detail = {"institution": institution, "serial": serial}
        _record(runtime, connection, operator, "terminal.registered", terminal, detail)
    click.echo(f"terminal {terminal}\nserial   {serial}")


@terminals.command("add-key")
@click.argument("terminal")
@click.option("--public-key", type=PublicKey(), required=True)
@click.option("--days", type=click.IntRange(1, 1095), default=365, show_default=True)
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
def add_terminal_key(terminal: str, public_key: bytes, days: int, operator: str) -> None:
    """Give a terminal one more key beside those it has, to change keys without a gap; print its serial number."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now = runtime.ground.clock()
        require_party(connection, terminal)
        serial = add_key(connection, terminal, public_key, at=now, days=days)
        _record(runtime, connection, operator, "terminal.key_added", terminal, {"serial": serial})
    click.echo(serial)


@terminals.command("withdraw-key")
@click.argument("terminal")
@click.argument("serial")
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
@click.option("--yes", is_flag=True, help="Do it; without this only what would happen is told.")
def withdraw(terminal: str, serial: str, operator: str, *, yes: bool) -> None:
    """Withdraw one key for good; every worker refuses it within a second."""
    if not yes:
        click.echo(f"{serial} of {terminal} would be withdrawn for good: repeat with --yes")
        return
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now = runtime.ground.clock()
        if not withdraw_key(connection, terminal, serial, at=now):
            raise Failed("there is no such key, or it was withdrawn before")
        _record(runtime, connection, operator, "terminal.key_withdrawn", terminal, {"serial": serial})
    click.echo("withdrawn")


@terminals.command("set-standing")
@click.argument("terminal")
@click.argument("standing", type=click.Choice(["active", "suspended", "stolen"]))
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
def change_standing(terminal: str, standing: str, operator: str) -> None:
    """Suspend a terminal, mark it stolen, or make it active again; counts everywhere within a second."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        require_party(connection, terminal)
        if not set_standing(connection, terminal, standing):
            raise Failed(f"the terminal is {standing} already")
        _record(runtime, connection, operator, "terminal.standing_changed", terminal, {"to": standing})
    click.echo(standing)


@terminals.command("list")
def list_all() -> None:
    """List terminals with their keys, a line for each key: ids whole, for the other commands to take."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        rows = list_terminals(connection)
    for row in rows:
        until = "withdrawn" if row.withdrawn_at else f"until {from_millis(row.not_after):%Y-%m-%d}"
        click.echo(f"{row.id} {row.serial} {until} {row.standing} {row.institution} / {row.name}")


def _record(
    runtime: Runtime, connection: Connection, operator: str, act: str, subject: str, detail: dict[str, str]
) -> None:
    """Leave in the audit trail who changed the register, in the transaction that changes it."""
    ground = runtime.ground
    actor = f"operator:{operator}"[:60]
    ground.audit.record(connection, actor=actor, act=act, subject=subject, detail=detail, at=ground.clock())
