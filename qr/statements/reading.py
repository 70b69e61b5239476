"""Read a statement that anybody wrote: line by line, and every fault with its line and cell."""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, NoReturn

from core.clock import to_text
from core.errors import Malformed
from qr.statements.business_day import read_day
from qr.statements.errors import StatementAltered, StatementCutOff, StatementUnreadable
from qr.statements.form import COLUMNS, END, FORMAT, ID, TIMES
from qr.statements.owner import OWNER_KINDS, Owner, OwnerKind
from sm.digest import start_sm3

MAX_LINE = 8192  # bytes
MAX_CELLS = 64
_PIECE = 1 << 20
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_COUNT = re.compile(r"[0-9]{1,9}")
_SM3 = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Head:
    """Whose a statement is and of which day, and how many rows it says it has."""

    owner: Owner
    day: date
    count: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line as cells."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its id and its values in the order of ``StatementFile.columns``."""

    line: int
    id: str
    values: tuple[str, ...]


class StatementFile:
    """A statement in UTF-8 (with or without a byte order mark) or GB18030, read once from beginning to end.

    A file of the owner's own may leave columns out, add others, which are passed over, and leave the SM3 of the
    last line empty. Raises StatementUnreadable and what is below it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._encoding = _find_encoding(file)
        self._digest = start_sm3()
        self._before = b""
        self._lines = self._read_lines()
        self.head = _read_head(self._next("the file is empty"))
        named = self._next("the line of column names is missing")
        known = COLUMNS[self.head.owner.kind]
        self._places = _read_columns(named, known)
        self.columns = tuple(name for name in self._places if name != ID)
        self.passed_over = tuple(name for name in named.cells if name not in known)
        self._width = len(named.cells)

    def records(self) -> Iterator[Record]:
        """Give the rows; after the last one the count and the SM3 have been checked."""
        count = 0
        for line in self._lines:
            if line.cells[0] == END:
                self._require_end(line, count)
                return
            yield self._read_record(line)
            count += 1
        raise StatementCutOff("the file ends without its last line", count + 3)

    def _read_lines(self) -> Iterator[Line]:
        number = 0
        while raw := self._file.readline(MAX_LINE + 1):
            number += 1
            self._digest.update(self._before)
            self._before = raw
            yield Line(number, _split(_decode(raw, number, self._encoding), number))

    def _next(self, otherwise: str) -> Line:
        for line in self._lines:
            return line
        raise StatementCutOff(otherwise, 1)

    def _read_record(self, line: Line) -> Record:
        if len(line.cells) != self._width:
            _refuse(f"{len(line.cells)} cells instead of {self._width}", line, min(len(line.cells), self._width) + 1)
        place = self._places[ID]
        given = line.cells[place]
        if not _ID.fullmatch(given):
            _refuse("this is no id of a redemption", line, place + 1)
        return Record(line.number, given, tuple(self._read_value(line, name) for name in self.columns))

    def _read_value(self, line: Line, name: str) -> str:
        place = self._places[name]
        given = line.cells[place]
        return _read_time(given, line, place + 1) if name in TIMES else given

    def _require_end(self, line: Line, count: int) -> None:
        if len(line.cells) != 3 or not _COUNT.fullmatch(line.cells[1]):
            _refuse("the last line is its name, the number of rows and the SM3", line, min(len(line.cells), 2))
        if not count == int(line.cells[1]) == self.head.count:
            raise StatementCutOff(f"{count} rows, {self.head.count} in the first line", line.number, 2)
        expected = self._digest.hexdigest()  # of all lines before this one
        if line.cells[2] and (not _SM3.fullmatch(line.cells[2]) or line.cells[2].lower() != expected):
            raise StatementAltered("the SM3 is another", line.number, 3)
        if self._file.read(1):
            _refuse("nothing may stand after the last line", Line(line.number + 1, []), 1)


def _find_encoding(file: IO[bytes]) -> str:
    """Tell UTF-8 if the whole file is that, else GB18030; a line that is neither is refused when it is read."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while piece := file.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "gb18030"
    finally:
        file.seek(0)
    return "utf-8"


def _decode(raw: bytes, number: int, encoding: str) -> str:
    if len(raw) > MAX_LINE:
        raise StatementUnreadable(f"longer than {MAX_LINE} bytes", number)
    given = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
    try:
        return given.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
    except UnicodeDecodeError as fault:
        cell = given[: fault.start].count(b",") + 1
        raise StatementUnreadable("neither UTF-8 nor GB18030", number, cell) from None


def _split(text: str, number: int) -> list[str]:
    """Split at commas outside of quotation marks (RFC 4180); a cell does not reach over the end of its line."""
    unseen = _UNSEEN.search(text)
    if unseen:
        cell = text.count(",", 0, unseen.start()) + 1
        raise StatementUnreadable(f"character {ord(unseen[0]):#04x} has no place here", number, cell)
    if text.count(",") >= MAX_CELLS:
        raise StatementUnreadable(f"more than {MAX_CELLS} cells", number, MAX_CELLS + 1)
    return text.split(",") if '"' not in text else _split_quoted(text, number)


def _split_quoted(text: str, number: int) -> list[str]:
    cells: list[str] = []
    at, more = 0, True
    while more:
        found = _CELL.match(text, at)
        if found is None:
            raise StatementUnreadable("quotation marks do not match", number, len(cells) + 1)
        quoted, plain, mark = found.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        at, more = found.end(), mark == ","
    return cells


def _read_head(line: Line) -> Head:
    if len(line.cells) != 5:
        _refuse("the first line is the format, whose statement it is, id, day and number of rows", line)
    kind, day = _find_kind(line.cells[1]), _find_day(line.cells[3])
    fits = (
        line.cells[0] == FORMAT,
        kind is not None,
        bool(_ID.fullmatch(line.cells[2])),
        day is not None,
        bool(_COUNT.fullmatch(line.cells[4])),
    )
    if kind is None or day is None or not all(fits):
        _refuse("the first line cannot be read", line, fits.index(False) + 1)
    return Head(Owner(kind, line.cells[2]), day, int(line.cells[4]))


def _read_columns(line: Line, known: Sequence[str]) -> dict[str, int]:
    """Map the columns that we know to where they stand, in our order."""
    for place, name in enumerate(line.cells):
        if name in line.cells[:place]:
            _refuse("this column is named twice", line, place + 1)
    if ID not in line.cells:
        _refuse(f"there is no column {ID}", line)
    return {name: line.cells.index(name) for name in known if name in line.cells}


def _find_kind(given: str) -> OwnerKind | None:
    return next((kind for kind in OWNER_KINDS if kind == given), None)


def _find_day(given: str) -> date | None:
    try:
        return read_day(given)
    except Malformed:
        return None


def _read_time(given: str, line: Line, cell: int) -> str:
    """Read a time with its zone and write it as we do: what is the same moment is no difference."""
    try:
        moment = datetime.fromisoformat(given)
        text = to_text(moment)
    except (ValueError, OverflowError):
        _refuse("not a time", line, cell)
    if moment.tzinfo is None:
        _refuse("a time without its zone", line, cell)
    return text


def _refuse(what: str, line: Line, cell: int = 0) -> NoReturn:
    raise StatementUnreadable(what, line.number, cell)
