import sqlite3
import subprocess
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from core.sealed_fields import FieldBroken, SealedFields
from tests.persons import make_person
from tests.servers import find_program

KEY, INDEX_KEY = bytes(range(16)), bytes(range(32))
FIELDS = SealedFields(KEY, INDEX_KEY)
PLACES = list(product(("holders", "enrollments"), ("name", "phone"), ("hld_1", "hld_2")))


@given(st.text())
def test_what_was_sealed_opens_at_its_place(text):
    assert FIELDS.open("holders", "name", "hld_1", FIELDS.seal("holders", "name", "hld_1", text)) == text


@pytest.mark.parametrize("sealed_at", PLACES)
def test_a_field_moved_to_another_table_column_or_row_never_opens(sealed_at):
    sealed = FIELDS.seal(*sealed_at, "测试甲")
    for place in PLACES:
        if place == sealed_at:
            assert FIELDS.open(*place, sealed) == "测试甲"
        else:
            with pytest.raises(FieldBroken):
                FIELDS.open(*place, sealed)


def test_parts_of_a_place_cannot_flow_into_each_other():
    sealed = FIELDS.seal("holders", "name", "x", "测试甲")
    for place in (
        ("holder", "sname", "x"),
        ("holders", "namex", ""),
        ("holdersname", "", "x"),
        ("", "holdersname", "x"),
    ):
        with pytest.raises(FieldBroken):
            FIELDS.open(*place, sealed)


@pytest.mark.parametrize("other", [SealedFields(bytes(16), INDEX_KEY), SealedFields(INDEX_KEY[16:], KEY * 2)])
def test_another_key_never_opens_a_field(other):
    with pytest.raises(FieldBroken):
        other.open("holders", "name", "hld_1", FIELDS.seal("holders", "name", "hld_1", "测试甲"))


def test_a_field_with_any_bit_turned_never_opens():
    sealed = FIELDS.seal("holders", "name", "hld_1", "测试甲")
    for bit in range(len(sealed) * 8):
        turned = bytearray(sealed)
        turned[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FieldBroken):
            FIELDS.open("holders", "name", "hld_1", bytes(turned))


def test_a_field_cut_or_lengthened_never_opens():
    sealed = FIELDS.seal("holders", "name", "hld_1", "测试甲")
    for broken in [sealed[:length] for length in range(len(sealed))] + [sealed + b"\x00"]:
        with pytest.raises(FieldBroken):
            FIELDS.open("holders", "name", "hld_1", broken)


@given(st.binary(max_size=80))
def test_no_bytes_break_the_opening(sealed):
    with pytest.raises(FieldBroken):
        FIELDS.open("holders", "name", "hld_1", sealed)


def test_the_same_text_is_sealed_into_other_bytes_each_time():
    assert len({FIELDS.seal("holders", "name", "hld_1", "测试甲") for _ in range(100)}) == 100


def test_a_fault_names_the_column_and_nothing_of_what_is_in_it():
    with pytest.raises(FieldBroken) as fault:
        FIELDS.open("holders", "name", "hld_1", FIELDS.seal("holders", "phone", "hld_1", "测试甲"))
    assert str(fault.value) == "holders.name"
    assert repr(FIELDS) == "SealedFields(key=…)"


# ── The blind index ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_index_finds_the_same_value_again_however_it_is_written():
    number = make_person(1).social_security_number
    assert FIELDS.index("social_security_number", number) == FIELDS.index(
        "social_security_number", f" {number.lower()} "
    )
    assert FIELDS.index("name", "ＡＢＣ") == FIELDS.index("name", "abc")


def test_the_index_is_another_one_for_each_kind_and_each_value():
    numbers = [make_person(number).social_security_number for number in range(500)]
    kinds = ("social_security_number", "phone")
    assert len({FIELDS.index(kind, number) for kind in kinds for number in numbers}) == 1000
    assert FIELDS.index("a", "bc") != FIELDS.index("ab", "c")


def test_the_index_of_a_known_number_cannot_be_made_without_its_key():
    number = make_person(1).social_security_number
    real = FIELDS.index("social_security_number", number)
    guesses = [SealedFields(KEY, key).index("social_security_number", number) for key in (KEY, bytes(32), KEY * 2, b"")]
    assert real not in guesses


# ── Dumps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dump_of_the_database_after_enrollments_holds_no_clear_text(service, database_url):
    persons = [make_person(number) for number in range(1, 6)]
    for number in range(1, 6):
        phone = service.enroll(card=service.make_card(number))
        service.add_till().redeem(phone.code("medical").json()["code"], "medical")
    _verify_one_without_confirming(service)
    dump = _dump(service.database.engine.url, Path(database_url.removeprefix("sqlite:///")))
    assert service.institution.encode() in dump  # it is the right database
    for person in [*persons, make_person(6)]:
        for canary in (person.social_security_number, person.name):
            for spelling in (
                canary.encode(),
                canary.encode("gb18030"),
                canary.encode("utf-16-le"),
                canary.encode().hex().encode(),
            ):
                assert spelling not in dump
    assert b"271828" not in dump


def _verify_one_without_confirming(service) -> None:
    """Leave an enrollment in the state in which the service keeps most of a holder."""
    phone = service.phone()
    service.agent(service.add_till(), service.make_card(6), on_show=phone.begin).enroll()
    with service.database.transaction() as connection:
        kept = connection.execute(
            sa.text("SELECT count(*) FROM enrollments WHERE holder_data IS NOT NULL")
        ).scalar_one()
    assert kept == 1


def _dump(url: sa.URL, file: Path) -> bytes:
    if url.drivername.startswith("sqlite"):
        with sqlite3.connect(file) as connection:
            text = "\n".join(connection.iterdump()).encode()
        connection.close()
        return text + b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
    command = [
        str(find_program("postgres").with_name("pg_dump")),
        "--inserts",
        url.set(drivername="postgresql").render_as_string(hide_password=False),
    ]
    return subprocess.run(command, check=True, capture_output=True).stdout
