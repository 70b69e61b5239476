"""The report of a comparison as CSV that a spreadsheet may open: no cell of theirs becomes a formula."""

from collections.abc import Callable
from typing import IO

from qr.statements.comparing import Difference
from qr.statements.form import write_rows

HEAD = ("what", "id", "column", "ours", "theirs")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def start_report(file: IO[bytes]) -> Callable[[Difference], None]:
    """Write the head, with a byte order mark for spreadsheets, and give back what writes one difference."""
    file.write(b"\xef\xbb\xbf" + write_rows([HEAD]))

    def tell(difference: Difference) -> None:
        cells = (difference.kind, difference.id, difference.column, difference.ours, difference.theirs)
        file.write(write_rows([tuple(_as_text(cell) for cell in cells)]))

    return tell


def _as_text(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would compute (OWASP, CSV Injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
