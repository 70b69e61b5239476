"""Compare the day: fetch the card service's file (T+1), prove whose it is, and hold it to the bank's own ledger."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ecard_client import Statement, prove_statement

from bank.desk import Desk
from bank.ledger import Day, Entry, count_codes, day_of, list_entries, write_ledger
from bank.place import Home

_END = b"ESSC-STATEMENT-END,"


@dataclass(frozen=True, slots=True)
class Difference:
    """What only one side has (``column`` is empty), or a column in which both differ."""

    what: str
    id: str
    column: str = ""
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How a day compares: rows of each side, codes that were shown, and every difference."""

    day: date
    ours: int
    theirs: int
    codes: int
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences

    def count(self, what: str) -> int:
        """Count the rows that are ours_only, theirs_only or differing."""
        return len({one.id for one in self.differences if one.what == what})


@dataclass(frozen=True)
class Reconciler:
    """Compares days with the card service; what it fetched stays in the bank's folder as evidence."""

    desk: Desk
    home: Home

    def reconcile(self, day: date) -> Report:
        """Fetch, prove and compare a day, and keep what came of it.

        Raises ``NotProven`` for a file that is not the card service's: nothing is compared with it then; and
        ``CardServiceRefused`` where there is no file yet.
        """
        name, partner = day.isoformat(), self.desk.service.authorization.partner
        file = self.home.statement(name)
        self._fetch(name)
        with file.open("rb") as opened:
            signature = file.with_suffix(".csv.sig").read_text(encoding="ascii")
            pinned = self.home.ministry.read_text(encoding="ascii")
            statement = prove_statement(pinned, opened, signature, owner=partner.channel, day=name, now=self.desk.now())
            return self._compare(day_of(day), statement)

    def work(self) -> None:
        """Compare the days of which news said that they are ready, each once."""
        with self.desk.database.transaction() as connection:
            waiting = _list_waiting(connection)
        for day in waiting:
            self.reconcile(day)

    def _fetch(self, day: str) -> None:
        """Fetch the parts one after the other, up to the one with the last line, and the signature."""
        content, part = bytearray(), 1
        while True:
            content += self.desk.service.statement(day, part)
            if content.splitlines()[-1].startswith(_END):
                break
            part += 1
        self.home.write(self.home.statement(day), bytes(content))
        signature = self.desk.service.statement_signature(day)
        self.home.write(self.home.statement(day).with_suffix(".csv.sig"), signature)

    def _compare(self, day: Day, statement: Statement) -> Report:
        with self.desk.database.transaction() as connection:
            write_ledger(connection)
            ours = {entry.id: entry for entry in list_entries(connection, day)}
            rows = len(ours)
            found = tuple(_differences(ours, statement))
            report = Report(day.day, rows, statement.count, count_codes(connection, day), found)
            _keep(connection, report, self.desk.seconds)
        return report


def _differences(ours: dict[str, Entry], statement: Statement) -> Iterator[Difference]:
    for theirs in statement.rows():
        entry = ours.pop(theirs["id"], None)
        if entry is None:
            yield Difference("theirs_only", theirs["id"])
            continue
        pairs = {"kind": entry.kind, "recorded_at": entry.recorded_at, "result": entry.result, "card": entry.subject}
        for column, our in pairs.items():
            if our is not None and our != theirs[column]:
                yield Difference("differing", entry.id, column, our, theirs[column])
    for entry in ours.values():
        yield Difference("ours_only", entry.id)


def _list_waiting(connection: sqlite3.Connection) -> list[date]:
    query = "SELECT subject FROM news WHERE kind = 'statement.ready' AND subject NOT IN (SELECT day FROM reconciled)"
    return [date.fromisoformat(row["subject"]) for row in connection.execute(f"{query} ORDER BY subject")]


def _keep(connection: sqlite3.Connection, report: Report, now: int) -> None:
    counts = [report.count(what) for what in ("ours_only", "theirs_only", "differing")]
    values = (report.day.isoformat(), report.ours, report.theirs, *counts, now)
    connection.execute("INSERT OR REPLACE INTO reconciled VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def show_report(report: Report) -> Iterator[str]:
    """Write a report as lines: the differences by id and column, then the totals."""
    for one in report.differences:
        yield f"{one.what} {one.id} {one.column}".rstrip()
    yield f"{report.day}: {report.ours} rows of ours, {report.theirs} of theirs; {report.codes} codes shown"
    only = f"{report.count('ours_only')} only ours, {report.count('theirs_only')} only theirs"
    yield "equal" if report.is_equal else f"{only}, {report.count('differing')} differing"
