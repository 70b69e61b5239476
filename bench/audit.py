"""The audit chain: how many entries a second are written, sealed and checked."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from bench.processes import cpu_seconds
from bench.report import Report
from bench.seed import sow
from bench.stand import open_stand
from core.audit import audit_entries
from core.ground import Ground
from core.ids import new_id

_ENTRIES = 20_000
_CHECK_GOAL = 20_000  # entries a second: trust.md, figure 22


def run(report: Report) -> None:
    """Write, seal and check a chain in PostgreSQL."""
    report.heading(f"Audit chain of {_ENTRIES:,} entries in PostgreSQL")
    with open_stand() as stand:
        seeded = sow(stand)
        ground = seeded.runtime.ground
        _write(ground)
        sealed = _entries_each_second(lambda: _seal(ground))
        checked = _entries_each_second(lambda: _check(ground))
        seeded.runtime.close()
    report.note(f"- sealed: {sealed:,.0f} entries a second of CPU time, PostgreSQL's included")
    report.at_least_each_second("checked likewise", checked, _CHECK_GOAL)


def _write(ground: Ground) -> None:
    entries = [_entry(ground) for _ in range(_ENTRIES)]
    with ground.database.transaction() as connection:
        connection.execute(audit_entries.insert(), entries)


def _entry(ground: Ground) -> dict[str, object]:
    detail = {"redemption": new_id("red"), "purpose": "merchant"}
    values = ground.audit.values(
        actor=new_id("trm"), act="code.redeemed", subject=new_id("crd"), detail=detail, at=datetime.now(UTC)
    )
    columns = {"audit_id": "id", "audit_at": "happened_at"}
    return {columns.get(name, name.removeprefix("audit_")): value for name, value in values.items()}


def _seal(ground: Ground) -> None:
    sealed = 0
    while sealed < _ENTRIES:
        with ground.database.transaction() as connection:
            sealed += ground.audit.seal(connection)[0]


def _check(ground: Ground) -> None:
    with ground.database.transaction() as connection:
        found = ground.audit.check(connection)
    if found.faults or found.sealed != _ENTRIES:
        raise RuntimeError(f"the chain is broken: {found}")


def _entries_each_second(work: Callable[[], None]) -> float:
    start = cpu_seconds(os.getpid())  # PostgreSQL is a child of this process
    work()
    return _ENTRIES / (cpu_seconds(os.getpid()) - start)
