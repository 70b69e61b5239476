from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SteppingClock, from_millis, system_clock, to_millis, to_text
from core.ids import is_id, new_id

MILLIS = st.integers(min_value=0, max_value=to_millis(datetime(2200, 1, 1, tzinfo=UTC)))


@given(MILLIS)
def test_milliseconds_survive_the_way_to_a_moment_and_back(millis):
    assert to_millis(from_millis(millis)) == millis


@given(MILLIS, st.integers(0, 999))
def test_a_moment_is_cut_to_its_millisecond_never_rounded_up(millis, micros):
    assert to_millis(from_millis(millis) + timedelta(microseconds=micros)) == millis


def test_a_moment_is_the_same_whatever_its_zone():
    shanghai = datetime(2026, 3, 2, 16, 0, tzinfo=timezone(timedelta(hours=8)))
    assert to_millis(shanghai) == to_millis(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    assert to_text(shanghai) == "2026-03-02T08:00:00.000Z"


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(TypeError):
        to_millis(datetime(2026, 3, 2, 8, 0))  # noqa: DTZ001 - that is the point


def test_the_system_s_clock_is_aware_and_in_utc():
    assert system_clock().utcoffset() == timedelta(0)


def test_a_stepping_clock_moves_only_when_told():
    clock = SteppingClock(datetime(2026, 3, 2, tzinfo=UTC))
    assert clock() == clock()
    clock.step(-1.5)
    assert to_text(clock()) == "2026-03-01T23:59:58.500Z"


def test_ids_have_the_shape_of_their_kind_and_never_meet():
    made = {new_id("crd") for _ in range(5000)}
    assert len(made) == 5000
    assert all(is_id(name, "crd") and not is_id(name, "dev") for name in made)


@pytest.mark.parametrize(
    "given_id",
    [
        "",
        "crd_",
        "crd",
        "crd_" + "0" * 25,
        "crd_" + "0" * 27,
        "crd_" + "o" * 26,
        "crd_" + "0" * 25 + "\n",
        "crd_" + "0" * 26 + "\n",
        "CRD_" + "0" * 26,
        "crd_" + "A" * 26,
        " crd_" + "0" * 26,
        "crd_" + "0" * 25 + "\x00",
        "crd_" + "0" * 25 + "٣",
    ],
)
def test_what_only_resembles_an_id_is_none(given_id):
    assert not is_id(given_id, "crd")


@given(st.text(max_size=40))
def test_no_text_breaks_the_look_at_an_id(text):
    assert not is_id(text, "crd") or len(text) == 30
