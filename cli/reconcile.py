"""`ecard reconcile`: an institution's or channel's own records of a day against ours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import click
from rich.console import Console
from rich.progress import Progress

from cli import REFUSED
from cli.key_store_options import FILE
from cli.opening import opened_runtime
from cli.statements import Day, find_owner, owner_options, shown_progress
from core.errors import Refusal
from qr.statements.comparing import Difference, Totals, compare, shared_columns
from qr.statements.making import written_beside
from qr.statements.owner import Owner
from qr.statements.reading import StatementFile
from qr.statements.report import start_report
from qr.statements.writing import write_statement

_SHOWN = 20


class Unreadable(click.ClickException):
    """A file with which nothing can be compared."""

    exit_code = 2


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="[OURS] THEIRS")
@owner_options
@click.option("--day", type=Day(), help="Business day, Shanghai time, with --institution or --channel.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write every difference there (CSV).")
@click.pass_context
def reconcile(
    context: click.Context,
    files: Sequence[Path],
    institution: str | None,
    channel: str | None,
    day: date | None,
    report: Path | None,
) -> None:
    """Report the redemptions that only we have, only they have, and those that differ (对账).

    OURS and THEIRS are files as `ecard statements make` writes them; theirs may have fewer columns and may be in
    GB18030. With --institution or --channel our side is taken from the database. Exit code 0 equal, 1 differences,
    2 wrong usage or a file that cannot be read.
    """
    owner = find_owner(institution, channel)
    if (owner is None) != (day is None) or len(files) != (2 if owner is None else 1):
        raise click.UsageError("give OURS and THEIRS, or --institution or --channel, --day and THEIRS")
    with ExitStack() as opened:
        theirs = opened.enter_context(files[-1].open("rb"))
        if owner is None or day is None:
            ours: IO[bytes] = opened.enter_context(files[0].open("rb"))
        else:
            ours = opened.enter_context(_from_database(owner, day))
        totals = _compare(_read("ours", ours), _read("theirs", theirs), report)
    context.exit(0 if totals.is_equal else REFUSED)


@contextmanager
def _from_database(owner: Owner, day: date) -> Iterator[IO[bytes]]:
    with TemporaryFile() as file:
        with opened_runtime() as runtime, shown_progress("reading our rows") as told:
            write_statement(runtime.statements, owner, day, file, told)
        yield file


def _compare(ours: StatementFile, theirs: StatementFile, report: Path | None) -> Totals:
    with ExitStack() as opened:
        tell = _show_first(_SHOWN)
        if report is not None:
            tell = start_report(opened.enter_context(written_beside(report)))
        told = opened.enter_context(_bar())
        try:
            totals = compare(ours, theirs, tell, told)
        except Refusal as refusal:
            raise _unreadable(refusal, *getattr(refusal, "__notes__", ())) from refusal
    _show(totals, ours, theirs)
    return totals


def _read(side: str, file: IO[bytes]) -> StatementFile:
    try:
        return StatementFile(file)
    except Refusal as refusal:
        raise _unreadable(refusal, side) from refusal


def _unreadable(refusal: Refusal, *sides: str) -> Unreadable:
    return Unreadable(": ".join((*sides, refusal.code, str(refusal))))


@contextmanager
def _bar() -> Iterator[Callable[[int], None]]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("comparing rows", total=None)
        yield lambda count: progress.update(task, advance=count)


def _show_first(most: int) -> Callable[[Difference], None]:
    """Print the first differences, by id and column alone: values of theirs belong in a file."""
    shown = 0

    def tell(difference: Difference) -> None:
        nonlocal shown
        shown += 1
        if shown <= most:
            click.echo(f"{difference.kind} {difference.id} {difference.column}".rstrip())
        elif shown == most + 1:
            click.echo("… more: --report writes them all")

    return tell


def _show(totals: Totals, ours: StatementFile, theirs: StatementFile) -> None:
    click.echo(f"{ours.head.owner.id} {ours.head.day}: {totals.ours} rows of ours, {totals.theirs} of theirs")
    click.echo(f"compared: id {' '.join(shared_columns(ours, theirs))}".rstrip())
    if theirs.passed_over:
        click.echo(f"passed over: {' '.join(theirs.passed_over)}")
    click.echo(
        f"{totals.ours_only} only ours, {totals.theirs_only} only theirs, {totals.differing} differing"
        if not totals.is_equal
        else "equal"
    )
