"""Ours against theirs: what was planted is found, and nothing else."""

import csv
import io

import pytest

from qr.statements.comparing import Difference, compare
from qr.statements.errors import StatementOfAnother, StatementRowTwice
from qr.statements.form import COLUMNS as ALL_COLUMNS
from qr.statements.form import write_end, write_head, write_rows
from qr.statements.owner import Owner
from qr.statements.reading import StatementFile
from qr.statements.report import start_report
from qr.statements.writing import write_statement
from sm.digest import sm3
from tests.statements.records import DAY, a_day_of, enter, institution_of, nothing

COLUMNS = ALL_COLUMNS["institution"]
ROW = ("red_1", "2026-03-02T02:00:00.000Z", "2026-03-02T02:00:00.000Z", "trm_1", "merchant", "online", "order-1", "")


def statement(rows, *, columns=COLUMNS, institution="ins_1", day=DAY) -> io.BytesIO:
    first = write_head(Owner("institution", institution), day, len(rows)).splitlines(keepends=True)[0]
    body = first + write_rows([columns, *rows])
    return io.BytesIO(body + write_end(len(rows), sm3(body).hex()))


def differences(ours: io.BytesIO, theirs: io.BytesIO):
    found: list[Difference] = []
    totals = compare(StatementFile(ours), StatementFile(theirs), found.append, nothing)
    return totals, found


def changed(row, **values):
    return tuple(values.get(name, value) for name, value in zip(COLUMNS, row, strict=True))


def test_of_100000_rows_all_100_planted_differences_are_found_and_none_else(city):
    enter(city, a_day_of(city.institution, 100_000))
    ours = io.BytesIO()
    write_statement(city.runtime.statements, institution_of(city), DAY, ours, nothing)
    lines = list(csv.reader(io.StringIO(ours.getvalue().decode())))[2:-1]
    assert len(lines) == 100_000
    places = range(500, 100_000, 1000)
    missing = {lines[place][0] for place in places[:34]}
    altered = {lines[place][0]: COLUMNS[1 + number % 7] for number, place in enumerate(places[34:67])}
    extra = [changed(lines[place], id=f"red_x{place}") for place in places[67:]]
    values = {"recorded_at": "2026-03-02T01:02:03.004Z", "redeemed_at": "2026-03-02T01:02:03.005Z", "purpose": "gate"}
    theirs = [
        changed(line, **{name: values.get(name, "other")}) if (name := altered.get(line[0])) else tuple(line)
        for line in reversed(lines)
        if line[0] not in missing
    ]
    ours.seek(0)
    totals, found = differences(ours, statement(theirs + extra, institution=city.institution))
    assert (totals.ours, totals.theirs) == (100_000, 100_000 - 34 + 33)
    assert {one.id for one in found if one.kind == "ours_only"} == missing
    assert {one.id for one in found if one.kind == "theirs_only"} == {row[0] for row in extra}
    assert {one.id: one.column for one in found if one.kind == "differing"} == altered
    assert len(found) == totals.ours_only + totals.theirs_only + totals.differing == 100


def test_equal_files_have_no_difference():
    totals, found = differences(statement([ROW]), statement([ROW]))
    assert (totals.is_equal, found) == (True, [])


def test_a_row_that_differs_in_two_columns_counts_once_and_tells_both():
    theirs = changed(ROW, purpose="gate", terminal="trm_2")
    totals, found = differences(statement([ROW]), statement([theirs]))
    assert totals.differing == 1
    assert found == [
        Difference("differing", "red_1", "terminal", "trm_1", "trm_2"),
        Difference("differing", "red_1", "purpose", "merchant", "gate"),
    ]


def test_only_columns_that_both_have_are_compared():
    theirs = statement([("甲", "gate", "red_1")], columns=("备注", "purpose", "id"))
    totals, found = differences(statement([ROW]), theirs)
    assert [one.column for one in found] == ["purpose"]
    assert totals.differing == 1


def test_the_same_moment_in_another_zone_is_no_difference():
    theirs = changed(ROW, recorded_at="2026-03-02T10:00:00+08:00")
    assert differences(statement([ROW]), statement([theirs]))[0].is_equal


@pytest.mark.parametrize("other", [{"institution": "ins_2"}, {"day": DAY.replace(day=3)}])
def test_files_of_different_institutions_or_days_are_not_compared(other):
    with pytest.raises(StatementOfAnother):
        differences(statement([ROW]), statement([ROW], **other))


def test_a_row_that_stands_twice_is_refused_with_its_line_and_file():
    rows = [changed(ROW, id=f"red_{number}") for number in (1, 2, 3, 2, 5)]
    with pytest.raises(StatementRowTwice, match=r"line 6: red_2") as refused:
        differences(statement([ROW]), statement(rows))
    assert refused.value.__notes__ == ["theirs"]


@pytest.mark.parametrize("given", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_nothing_in_the_report_becomes_a_formula(given):
    file = io.BytesIO()
    start_report(file)(Difference("differing", "red_1", "reference", "order-1", given))
    (_, cells) = csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""))
    assert cells == ["differing", "red_1", "reference", "order-1", f"'{given}"]
