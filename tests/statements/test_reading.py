"""Files of others: read in either encoding, or refused with line and column."""

import contextlib
import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qr.statements.errors import StatementAltered, StatementCutOff, StatementUnreadable
from qr.statements.form import COLUMNS, ID
from qr.statements.reading import MAX_LINE, StatementFile
from sm.digest import sm3

HEAD = "ESSC-STATEMENT-1,institution,ins_1,2026-03-02,{count}\n"
TIMES = "2026-03-02T02:00:00.000Z,2026-03-02T02:00:00.000Z"
AGES_AGO = "0001-01-01T00:00:00+14:00"
ROW = f"red_1,{TIMES},trm_1,merchant,online,order-1,\n"
NAMES = ",".join(COLUMNS["institution"]) + "\n"


def read(content: bytes):
    return [(one.id, *one.values) for one in StatementFile(io.BytesIO(content)).records()]


def whole(*rows: str, names: str = NAMES, encoding: str = "utf-8", end: str | None = None) -> bytes:
    body = (HEAD.format(count=len(rows)) + names + "".join(rows)).encode(encoding)
    last = f"ESSC-STATEMENT-END,{len(rows)},{sm3(body).hex()}\n" if end is None else end
    return body + last.encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_both_encodings_are_read(encoding):
    rows = [f'"red_{number}","甲方,""一号""" \n'.replace(" \n", "\n") for number in (1, 2)]
    content = whole(*rows, names="id,terminal\n", encoding=encoding)
    if encoding == "utf-8-sig":
        body = (HEAD.format(count=2) + "id,terminal\n" + "".join(rows)).encode("utf-8-sig")
        content = body + f"ESSC-STATEMENT-END,2,{sm3(body).hex()}\n".encode()
    assert read(content) == [("red_1", '甲方,"一号"'), ("red_2", '甲方,"一号"')]


def test_lines_may_end_as_windows_ends_them():
    assert len(read(whole(ROW, end="ESSC-STATEMENT-END,1,\n").replace(b"\n", b"\r\n"))) == 1


def test_their_file_may_leave_the_sm3_out():
    assert len(read(whole(ROW, end="ESSC-STATEMENT-END,1,\n"))) == 1


HOSTILE = {
    "empty": (b"", 1, 0, StatementCutOff),
    "another format": (b"id,terminal\n", 1, 0, StatementUnreadable),
    "another version": (whole(ROW).replace(b"STATEMENT-1,", b"STATEMENT-2,"), 1, 1, StatementUnreadable),
    "no such day": (whole(ROW).replace(b"2026-03-02,1", b"2026-02-30,1"), 1, 4, StatementUnreadable),
    "a day in another spelling": (whole(ROW).replace(b"2026-03-02,1", b"20260302,1"), 1, 4, StatementUnreadable),
    "a huge count": (whole(ROW).replace(b"02,1\n", b"02," + b"9" * 5000 + b"\n"), 1, 5, StatementUnreadable),
    "no names": (HEAD.format(count=0).encode(), 1, 0, StatementCutOff),
    "a name twice": (whole(names="id,purpose,purpose\n"), 2, 3, StatementUnreadable),
    "no id": (whole(names="terminal,purpose\n"), 2, 0, StatementUnreadable),
    "a huge line": (whole("x" * 50_000_000 + "\n"), 3, 0, StatementUnreadable),
    "a long line": (whole("x" * (MAX_LINE + 1) + "\n"), 3, 0, StatementUnreadable),
    "no line ends at all": (b"a" * 1_000_000, 1, 0, StatementUnreadable),
    "many cells": (whole("," * 4000 + "\n"), 3, 65, StatementUnreadable),
    "nul": (whole(ROW.replace("trm_1", "trm\0")), 3, 4, StatementUnreadable),
    "an escape sequence": (whole(ROW.replace("trm_1", "\x1b[2J")), 3, 4, StatementUnreadable),
    "a separator of ours": (whole(ROW.replace("trm_1", "a\x1fb")), 3, 4, StatementUnreadable),
    "utf-16": (whole(ROW).decode().encode("utf-16"), 1, 1, StatementUnreadable),
    "neither encoding": (whole(ROW.replace("merchant", "X")).replace(b"X", b"\xff\xff"), 3, 5, StatementUnreadable),
    "an open quotation mark": (whole('red_1,"a\n', 'b"\n', names="id,terminal\n"), 3, 2, StatementUnreadable),
    "a mark in the middle": (whole('red_1,a"b\n', names="id,terminal\n"), 3, 2, StatementUnreadable),
    "text after a mark": (whole('red_1,"a"b\n', names="id,terminal\n"), 3, 2, StatementUnreadable),
    "too few cells": (whole("red_1,trm_1\n"), 3, 3, StatementUnreadable),
    "too many cells": (whole(ROW.replace("\n", ",more\n")), 3, 9, StatementUnreadable),
    "an empty line": (whole("\n"), 3, 2, StatementUnreadable),
    "an empty id": (whole(ROW.replace("red_1", "")), 3, 1, StatementUnreadable),
    "a formula as id": (whole(ROW.replace("red_1", "=1+1")), 3, 1, StatementUnreadable),
    "no time": (whole(ROW.replace("2026-03-02T02:00:00.000Z", "yesterday", 1)), 3, 2, StatementUnreadable),
    "a time without zone": (whole(ROW.replace("00.000Z,trm", "00.000,trm")), 3, 3, StatementUnreadable),
    "a time before all": (
        whole(ROW.replace("2026-03-02T02:00:00.000Z", "0001-01-01T00:00:00+14:00", 1)),
        3,
        2,
        StatementUnreadable,
    ),
    "no last line": (whole(ROW, end=""), 4, 0, StatementCutOff),
    "a row lost": (whole(ROW, ROW).replace(ROW.encode(), b"", 1), 4, 2, StatementCutOff),
    "another count": (whole(ROW, end="ESSC-STATEMENT-END,2,\n"), 4, 2, StatementCutOff),
    "a count that is none": (whole(ROW, end="ESSC-STATEMENT-END,²,\n"), 4, 2, StatementUnreadable),
    "a last line cut": (whole(ROW, end="ESSC-STATEMENT-END\n"), 4, 1, StatementUnreadable),
    "a changed row": (whole(ROW).replace(b"merchant", b"medical"), 4, 3, StatementAltered),
    "an sm3 that is none": (whole(ROW, end="ESSC-STATEMENT-END,1,abc\n"), 4, 3, StatementAltered),
    "more behind": (whole(ROW) + b"x", 5, 1, StatementUnreadable),
    "a second statement": (whole(ROW) * 2, 5, 1, StatementUnreadable),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_statement_is_refused_with_its_line_and_column(name):
    content, line, column, refusal = HOSTILE[name]
    with pytest.raises(StatementUnreadable) as refused:
        read(content)
    assert (type(refused.value), refused.value.extra) == (refusal, {"line": line, "column": column})
    assert len(str(refused.value)) < 200


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(content):
    with contextlib.suppress(StatementUnreadable):
        read(content)


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 30))
def test_no_damage_breaks_the_reader_and_none_passes_unseen(piece, at, cut):
    good = whole(ROW, ROW.replace("red_1", "red_2"))
    damaged = good[:at] + piece + good[at + cut :]
    with contextlib.suppress(StatementUnreadable):
        assert read(damaged) == read(good)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True).filter(lambda name: name != ID),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
        ),
        max_size=5,
    ),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_what_is_written_is_read_again_whatever_stands_in_the_cells(rows, encoding):
    lines = ['{},"{}"\n'.format(given, value.replace('"', '""')) for given, value in rows]
    content = whole(*lines, names="id,terminal\n", encoding=encoding)
    assume(encoding == "utf-8" or not is_utf8(content))  # what can be read as UTF-8 is read so
    assert read(content) == rows


def is_utf8(content: bytes) -> bool:
    return content.decode("utf-8", "replace").encode() == content
