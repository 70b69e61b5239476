"""`ecard cards`: the card centre's register of chip cards, and loss, lifting and cancellation by its staff."""

import csv
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from sqlalchemy.engine import Connection

from cli import Failed
from cli.opening import opened_runtime
from core.clock import from_millis, to_text
from core.ground import Ground
from ecard.holders import is_social_security_number, number_index
from ecard.standing import cancel_card, lift_loss, report_loss
from physical.register import ChipCard, get_chip_card, register_chip_card
from qr.offline_uploads import list_duplicates
from web.runtime import Runtime

COLUMNS = (
    "card_identification_code",
    "generation",
    "region",
    "issued_on",
    "expires_on",
    "historical_bytes",
    "social_security_number",
)
_CODE = re.compile(r"[0-9A-F]{32}")


@click.group()
def cards() -> None:
    """Look at chip cards and change their standing."""


@cards.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check every row and change nothing.")
def import_cards(file: Path, *, dry_run: bool) -> None:
    """Enter produced cards from a CSV file (UTF-8) into the register.

    Columns: card_identification_code, generation (3.0), region (6 digits), issued_on, expires_on (YYYY-MM-DD or
    empty), historical_bytes (13 of the answer to reset, in hex; may be empty for 3.0), social_security_number (or
    empty; only its blind index is kept). Importing a row again changes nothing.
    All rows are checked first: one bad row, and none is entered.
    """
    rows = [(number, _checked(number, row)) for number, row in _rows(file)]
    if dry_run:
        click.echo(f"{len(rows)} rows are good; nothing was entered (dry run)")
        return
    with opened_runtime() as runtime:
        shown = track(rows, description="entering cards", console=Console(stderr=True), transient=True)
        with runtime.ground.database.transaction() as connection:
            for _, row in shown:
                _enter(runtime.ground, connection, row)
    click.echo(f"{len(rows)} cards are in the register")


@cards.command()
@click.argument("code")
def show(code: str) -> None:
    """Show how a chip card stands, by its card identification code; no personal data."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        card = _get(connection, code)
    click.echo(f"{card.id} generation {card.generation} region {card.region} standing {card.standing}")


@cards.command("report-loss")
@click.argument("code")
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
def report(code: str, operator: str) -> None:
    """Report a card lost (挂失): its electronic card stops at once, everywhere."""
    with opened_runtime() as runtime:
        _change(runtime, code, operator, "lost")


@cards.command("lift-loss")
@click.argument("code")
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
def lift(code: str, operator: str) -> None:
    """Lift a loss report (解挂)."""
    with opened_runtime() as runtime:
        _change(runtime, code, operator, "active")


@cards.command()
@click.argument("code")
@click.option("--operator", required=True, help="Who does this; stands in the audit trail.")
@click.option("--yes", is_flag=True, help="Do it; without this only what would happen is told.")
def cancel(code: str, operator: str, *, yes: bool) -> None:
    """Cancel a card for good (注销); its electronic card is revoked."""
    with opened_runtime() as runtime:
        if not yes:
            with runtime.ground.database.transaction() as connection:
                card = _get(connection, code)
            click.echo(f"{card.id} stands {card.standing} and would be cancelled for good: repeat with --yes")
            return
        _change(runtime, code, operator, "cancelled")


@cards.command("taken-twice")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def taken_twice(limit: int) -> None:
    """Report codes that two offline terminals took, the newest first: when, card, terminal, and who was first."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        rows = list_duplicates(connection, limit)
    for row in rows:
        click.echo(f"{to_text(from_millis(row.accepted_at))} {row.card} {row.terminal} first {row.first_terminal}")
    click.echo(f"{len(rows)} codes taken twice")


def _change(runtime: Runtime, code: str, operator: str, to: str) -> None:
    change = {"lost": report_loss, "active": lift_loss, "cancelled": cancel_card}[to]
    with runtime.ground.database.transaction() as connection:
        card = _get(connection, code)
        change(runtime.ground, connection, card.id, actor=f"operator:{operator}"[:60])
    click.echo(f"{card.id}: {card.standing} -> {to}")


def _get(connection: Connection, code: str) -> ChipCard:
    if not _CODE.fullmatch(code.upper()):
        raise click.UsageError("a card identification code has 32 hexadecimal digits")
    return get_chip_card(connection, code.upper())


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise Failed(f"the first line must be {','.join(COLUMNS)}")
            yield from ((number, row) for number, row in enumerate(reader, start=2))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Failed(f"{file} is no CSV in UTF-8") from error


def _checked(number: int, row: dict[str, str]) -> dict[str, str]:
    """Refuse a bad row by its number and column; the value itself is never shown."""
    wrong = [
        name
        for name, good in (
            ("card_identification_code", bool(_CODE.fullmatch(row["card_identification_code"] or ""))),
            ("generation", bool(re.fullmatch(r"[123]\.0", row["generation"] or ""))),
            ("region", bool(re.fullmatch(r"\d{6}", row["region"] or ""))),
            ("issued_on", _is_date(row["issued_on"])),
            ("historical_bytes", _is_chip(row["historical_bytes"] or "", row["generation"])),
            ("expires_on", _is_date(row["expires_on"])),
            (
                "social_security_number",
                not row["social_security_number"] or is_social_security_number(row["social_security_number"]),
            ),
        )
        if not good
    ]
    if wrong or None in row:
        raise Failed(f"line {number}: {', '.join(wrong) or 'too many columns'}; nothing was entered")
    return row


def _is_chip(given: str, generation: str) -> bool:
    """Tell whether the historical bytes are 13 in hex; only a card that signs can do without them."""
    return bool(re.fullmatch(r"[0-9a-fA-F]{26}", given)) or (not given and generation == "3.0")


def _is_date(text: str | None) -> bool:
    try:
        return not text or bool(date.fromisoformat(text))
    except ValueError:
        return False


def _enter(ground: Ground, connection: Connection, row: dict[str, str]) -> None:
    number = row["social_security_number"]
    register_chip_card(
        connection,
        card_identification_code=row["card_identification_code"],
        generation=row["generation"],
        region=row["region"],
        issued_on=date.fromisoformat(row["issued_on"]) if row["issued_on"] else None,
        expires_on=date.fromisoformat(row["expires_on"]) if row["expires_on"] else None,
        holder_index=number_index(ground, number) if number else None,
        historical_bytes=row["historical_bytes"].lower() or None,
        at=ground.clock(),
    )
