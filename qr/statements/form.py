r"""How a statement is written: CSV in UTF-8, lines ended by LF, one spelling for each value.

::

    ESSC-STATEMENT-1,institution,ins_…,2026-11-20,2
    id,recorded_at,redeemed_at,terminal,purpose,result,reference,pseudonym
    red_…,2026-11-19T16:00:00.000Z,2026-11-19T16:00:00.000Z,trm_…,medical,online,order-1,
    red_…,…
    ESSC-STATEMENT-END,2,<SM3 of all bytes before this line, 64 hexadecimal digits>
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date

FORMAT = "ESSC-STATEMENT-1"
END = "ESSC-STATEMENT-END"
SUBJECT = "institution"
ID = "id"
COLUMNS = (ID, "recorded_at", "redeemed_at", "terminal", "purpose", "result", "reference", "pseudonym")
TIMES = frozenset({"recorded_at", "redeemed_at"})


def write_head(institution: str, day: date, count: int) -> bytes:
    """Write the two lines before the rows."""
    return write_rows([(FORMAT, SUBJECT, institution, day.isoformat(), count), COLUMNS])


def write_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Write rows; a cell is quoted only where it holds a comma, a quotation mark or a line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def write_end(count: int, sm3: str) -> bytes:
    """Write the last line."""
    return write_rows([(END, count, sm3)])


def file_name(institution: str, day: date) -> str:
    """Name the file; its signature's file has ``.sig`` behind that."""
    return f"{institution}-{day.isoformat()}.csv"
