"""`ecard statements`: what an institution redeemed, or a channel's app showed, on one day, as a signed file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from cli.key_store_options import FILE, read_file
from cli.opening import opened_runtime
from cli.verify import Moment, PublicKey
from core.clock import system_clock
from core.errors import Malformed
from qr.statements.business_day import read_day
from qr.statements.desk import StatementDesk
from qr.statements.making import make_statement, plan_statement
from qr.statements.owner import Owner
from qr.statements.reading import StatementFile
from qr.statements.signature import (
    MAX_SIGNATURE_FILE,
    STATEMENT_PURPOSE,
    STATEMENT_USER_ID,
    read_signature_file,
    verify_signature,
)
from qr.statements.writing import Progress as Told
from qr.verification_keys import Authority, PinnedKey, TrustedChain
from sm.certificates import Trust, read_certificate
from sm.providers import open_provider

_FOLDER = click.Path(exists=True, file_okay=False, writable=True, path_type=Path)


class Day(click.ParamType[date]):
    """A business day, from midnight to midnight in Shanghai."""

    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read the one spelling 2026-11-20, or fail as click wants it."""
        if isinstance(value, date):
            return value
        try:
            return read_day(value)
        except Malformed as refusal:
            self.fail(str(refusal), param, ctx)


def owner_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says whose statement is meant."""
    of_channel = click.option("--channel", metavar="chn_...", help="Of the codes that this channel's app has shown.")
    of_institution = click.option("--institution", metavar="ins_...", help="Of what this institution has redeemed.")
    return of_institution(of_channel(command))


def find_owner(institution: str | None, channel: str | None) -> Owner | None:
    """Tell whose statement is meant, if anybody's; raises a usage error where two are named."""
    if institution is not None and channel is not None:
        raise click.UsageError("give either --institution or --channel")
    if institution is not None:
        return Owner("institution", institution)
    return None if channel is None else Owner("channel", channel)


@click.group()
def statements() -> None:
    """Make and verify the statements (对账单) of institutions and channels."""


@statements.command()
@owner_options
@click.option("--day", type=Day(), required=True, help="Business day, Shanghai time; closed at 00:15 of the next.")
@click.option("--out", type=_FOLDER, required=True, help="Folder for the file and its .sig.")
@click.option("--operator", default="statements", show_default=True, help="Who does this; stands in the audit trail.")
@click.option("--again", is_flag=True, help="Make it anew from the records and prove that not a byte is another.")
@click.option("--dry-run", is_flag=True, help="Tell what would be written and write nothing.")
def make(
    institution: str | None, channel: str | None, day: date, out: Path, operator: str, *, again: bool, dry_run: bool
) -> None:
    """Write the statement of one institution or channel and one day, and its detached SM2 signature.

    The worker makes both once for each closed day; where it has not, this does. Exit code 1 where the day is not closed
    or still being told, or its records are no longer those that were signed.
    """
    owner = find_owner(institution, channel)
    if owner is None:
        raise click.UsageError("give --institution or --channel")
    with opened_runtime() as runtime:
        if dry_run:
            _show_plan(runtime.statements, owner, day)
            return
        with shown_progress("writing rows") as told:
            actor = f"operator:{operator}"[:60]
            made = make_statement(runtime.statements, owner, day, out, actor=actor, on_progress=told, again=again)
    click.echo(f"{made.path} {made.count} rows, SM3 {made.sm3}")


@statements.command()
@click.argument("file", type=FILE)
@click.option("--signature", type=FILE, help="The signature's file; FILE.sig unless told.")
@click.option("--issuer-key", type=PublicKey(), help="Public key (x, y) that signs statements.")
@click.option("--trust", type=FILE, help="Root certificate (PEM) above the one that signs statements.")
@click.option("--at", "moment", type=Moment(), help="Judge certificates as of this time instead of now.")
def verify(
    file: Path, signature: Path | None, issuer_key: bytes | None, trust: Path | None, moment: datetime | None
) -> None:
    """Verify a statement and its signature; this needs neither the service nor its database.

    Exit code 1 where anything was changed, or somebody else signed.
    """
    beside = signature or file.with_name(f"{file.name}.sig")
    if not beside.is_file():
        raise click.UsageError(f"there is no {beside}")
    unverified = read_signature_file(read_file(beside, MAX_SIGNATURE_FILE))
    with file.open("rb") as opened:
        name = verify_signature(unverified, opened, _authority(issuer_key, trust), moment or system_clock())
        statement = StatementFile(opened)
        count = sum(1 for _ in statement.records())
    head = statement.head
    click.echo(f"good: {head.owner.id} {head.day} {count} rows, signed by {name or 'the key that was given'}")


@contextmanager
def shown_progress(what: str) -> Iterator[Told]:
    """Show a bar on standard error while somebody looks."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _show_plan(desk: StatementDesk, owner: Owner, day: date) -> None:
    plan = plan_statement(desk, owner, day)
    signed = "signed before" if plan.is_signed else "not signed yet"
    click.echo(f"{plan.count} rows, {signed}; nothing was written (dry run)")


def _authority(issuer_key: bytes | None, trust: Path | None) -> Authority:
    provider = open_provider()
    if issuer_key is not None and trust is None:
        return PinnedKey(provider, issuer_key, STATEMENT_USER_ID)
    if trust is None or issuer_key is not None:
        raise click.UsageError("give either --issuer-key or --trust")
    try:
        root = read_certificate(trust.read_text("ascii"))
    except UnicodeDecodeError:
        raise Malformed(f"{trust} is no certificate in PEM") from None
    return TrustedChain(provider, Trust([root], provider), STATEMENT_PURPOSE, STATEMENT_USER_ID)
