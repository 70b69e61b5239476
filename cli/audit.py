import json
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import REFUSED
from cli.opening import opened_runtime
from core.audit import Report


@click.group()
def audit() -> None:
    """Look after the audit trail."""


@audit.command()
@click.option(
    "--head", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A head kept elsewhere (JSON)."
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def verify(context: click.Context, *, head: Path | None, as_json: bool) -> None:
    """Walk the chain and report every entry that was changed, removed or reordered.

    Only a head that was kept elsewhere (`ecard audit head`, or the worker's log) shows that the whole chain was made
    anew or cut off at its end. Exit code 1 where anything was found.
    """
    expected = _read_head(head) if head else None
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with opened_runtime() as runtime, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("checking entries")
        with runtime.ground.database.transaction() as connection:
            report = runtime.ground.audit.check(
                connection,
                expected_head=expected,
                on_progress=lambda count: progress.update(task, description=f"{count:,} entries checked"),
            )
    _show(report, as_json=as_json)
    context.exit(REFUSED if report.faults else 0)


@audit.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it there instead.")
def head(out: Path | None) -> None:
    """Print the sealed chain's head; keep it where nobody who can write the database can write."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        sequence, link = runtime.ground.audit.head(connection)
    text = json.dumps({"sequence": sequence, "head": link})
    if out:
        out.write_text(text + "\n", encoding="ascii")
    else:
        click.echo(text)


def _read_head(path: Path) -> tuple[int, str]:
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        return int(kept["sequence"]), str(kept["head"])
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"{path} holds no head") from error


def _show(report: Report, *, as_json: bool) -> None:
    faults = [{"what": fault.what, "sequence": fault.sequence, "entry": fault.entry} for fault in report.faults]
    if as_json:
        found = {"sealed": report.sealed, "unsealed": report.unsealed, "head": report.head, "faults": faults}
        click.echo(json.dumps(found))
        return
    for fault in faults:
        click.echo(f"{fault['what']}: entry {fault['sequence']} {fault['entry'] or ''}".rstrip())
    verdict = f"{len(faults)} faults" if faults else "whole"
    click.echo(f"{report.sealed} sealed entries, {report.unsealed} not sealed yet, head {report.head[:16]}…: {verdict}")
