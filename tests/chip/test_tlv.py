"""Records and nested data objects: round trip, no input breaks the reader, no second spelling."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from physical.chip.errors import MalformedAnswer
from physical.chip.tlv import (
    MAX_RECORDS_LENGTH,
    Node,
    Record,
    read_nodes,
    read_record,
    read_records,
    write_node,
    write_record,
    write_records,
)

TAGS = st.integers(1, 254)
VALUES = st.binary(max_size=40)
FCI = bytes.fromhex("6F1C840F7378312E73682EC9E7BBE1B1A3D5CFA50988011E9F0C03860103")  # chip-card.md 1.5


@given(st.dictionaries(TAGS, VALUES, max_size=12))
def test_records_read_back_as_they_were_written(values):
    records = tuple(Record(tag, value) for tag, value in values.items())
    assert read_records(write_records(records)) == records


@given(st.binary(max_size=200))
@example(b"\x01\x00")
@example(b"\x08\x12" + bytes(17))
def test_any_bytes_are_records_or_malformed_and_have_one_spelling(raw):
    try:
        records = read_records(raw)
    except MalformedAnswer:
        return
    assert write_records(records) == raw


@pytest.mark.parametrize(
    "raw", ["01", "0105", "010200", "00", "0000", "FF00", "FF", "0A01310A0132"], ids=lambda raw: raw or "empty"
)
def test_what_is_no_sequence_of_records_is_malformed(raw):
    with pytest.raises(MalformedAnswer):
        read_records(bytes.fromhex(raw))


def test_no_bytes_are_no_records():
    assert read_records(b"") == ()


def test_more_bytes_than_a_file_holds_are_malformed():
    with pytest.raises(MalformedAnswer):
        read_records(bytes(MAX_RECORDS_LENGTH + 1))


@pytest.mark.parametrize("raw", [b"", write_record(8, b"a") + write_record(9, b"b")])
def test_one_record_means_one(raw):
    with pytest.raises(MalformedAnswer):
        read_record(raw)


def test_one_record_is_read():
    assert read_record(bytes.fromhex("0A0131")) == Record(0x0A, b"1")


def test_the_answer_to_select_is_read_three_levels_deep():
    (template,) = read_nodes(FCI)
    name, proprietary = template.children
    short_file, issuer_data = proprietary.children
    assert (name.tag, short_file.tag) == (0x84, 0x88)
    assert issuer_data == Node(0x9F0C, bytes.fromhex("860103"), ())


def test_the_answer_to_select_is_written_as_it_was_read():
    inner = write_node(0xA5, bytes.fromhex("88011E"), write_node(0x9F0C, bytes.fromhex("860103")))
    assert write_node(0x6F, write_node(0x84, FCI[4:19]), inner) == FCI


def rewrite(node: Node) -> bytes:
    return write_node(node.tag, *(map(rewrite, node.children) if node.children else (node.value,)))


@given(st.binary(max_size=300))
@example(FCI)
@example(bytes.fromhex("5F2003414243"))
def test_any_bytes_are_data_objects_or_malformed_and_have_one_spelling(raw):
    try:
        nodes = read_nodes(raw)
    except MalformedAnswer:
        return
    assert b"".join(map(rewrite, nodes)) == raw


@given(st.sampled_from([0x84, 0x9F0C, 0x04]), st.binary(max_size=400))
def test_a_data_object_reads_back_at_every_length(tag, value):
    (node,) = read_nodes(write_node(tag, value))
    assert (node.tag, node.value) == (tag, value)


@pytest.mark.parametrize(
    "raw",
    [
        "84",
        "8480",
        "8481",
        "84817F" + "00" * 127,  # one byte of length would do
        "848200FF" + "00" * 255,  # two would do
        "8483000001",
        "9F",
        "9F8101",
        "8402AA",
        "6F03840541",
        "6F0A6F086F066F046F028400",  # five deep
    ],
)
def test_what_is_no_data_object_is_malformed(raw):
    with pytest.raises(MalformedAnswer):
        read_nodes(bytes.fromhex(raw))
