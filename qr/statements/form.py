r"""How a statement is written: CSV in UTF-8, lines ended by LF, one spelling for each value.

::

    ESSC-STATEMENT-1,institution,ins_…,2026-11-20,2
    id,recorded_at,redeemed_at,terminal,purpose,result,reference,pseudonym
    red_…,2026-11-19T16:00:00.000Z,2026-11-19T16:00:00.000Z,trm_…,medical,online,order-1,
    red_…,…
    ESSC-STATEMENT-END,2,<SM3 of all bytes before this line, 64 hexadecimal digits>

A channel's has ``channel,chn_…`` in its first line, and the columns ``id,kind,recorded_at,happened_at,result,card``:
first its codes that were taken, then what became of the cards that it carries.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from qr.statements.owner import Owner, OwnerKind

FORMAT = "ESSC-STATEMENT-1"
END = "ESSC-STATEMENT-END"
ID = "id"
COLUMNS: Mapping[OwnerKind, tuple[str, ...]] = {
    "institution": (ID, "recorded_at", "redeemed_at", "terminal", "purpose", "result", "reference", "pseudonym"),
    "channel": (ID, "kind", "recorded_at", "happened_at", "result", "card"),
}
"""Each knows what it was told at the time and no more: where and for what a code was taken is no channel's to know."""
TIMES = frozenset({"recorded_at", "redeemed_at", "happened_at"})


def write_head(owner: Owner, day: date, count: int) -> bytes:
    """Write the two lines before the rows."""
    return write_rows([(FORMAT, owner.kind, owner.id, day.isoformat(), count), COLUMNS[owner.kind]])


def write_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Write rows; a cell is quoted only where it holds a comma, a quotation mark or a line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_end(count: int, sm3: str) -> bytes:
    """Write the last line."""
    return write_rows([(END, count, sm3)])


def file_name(owner: Owner, day: date) -> str:
    """Name the file; its signature's file has ``.sig`` behind that."""
    return f"{owner.id}-{day.isoformat()}.csv"
