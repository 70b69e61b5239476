"""A key store that was edited, moved, cut off in the middle, or sealed anew."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sm.errors import KeyNotFound, Malformed, SealBroken, SmError, WrongSecret
from sm.keystore import LEVELS, FileKeyStore, create_file_store
from sm.keystore.entries import new_entry, open_entry, seal_entry

SECRET = "a secret for these tests"


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def store(directory):
    made = create_file_store(directory, SECRET, "production")
    made.create("city/one", "city", "sm4")
    made.create("city/two", "city", "sm4")
    made.create("city/mac", "city", "hmac")
    made.create("city/ca", "city", "sm2")
    made.create("province/ca", "province", "sm2")
    made.create("ministry/ca", "ministry", "sm2")
    made.write_document("city/ring", "city", b"ring")
    return made


def path_of(directory, name):
    return directory / "entries" / f"{name.replace('/', '~')}.json"


def edit(path, **changes):
    fields = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n")


def test_a_renamed_entry_does_not_open(store, directory):
    path_of(directory, "city/one").rename(path_of(directory, "city/other"))
    with pytest.raises(Malformed):
        store.symmetric("city/other")


def test_an_entry_under_another_s_name_does_not_open(store, directory):
    shutil.copy(path_of(directory, "city/one"), path_of(directory, "city/two"))
    with pytest.raises(Malformed):
        store.symmetric("city/two")


def test_an_entry_that_was_given_another_name_inside_does_not_open_either(store, directory):
    shutil.copy(path_of(directory, "city/one"), path_of(directory, "city/two"))
    edit(path_of(directory, "city/two"), name="city/two")
    with pytest.raises(SealBroken):
        store.symmetric("city/two")


@pytest.mark.parametrize("changes", [{"kind": "hmac"}, {"kind": "document"}, {"level": "province"}])
def test_an_edited_entry_does_not_open(store, directory, changes):
    edit(path_of(directory, "city/one"), **changes)
    with pytest.raises(SealBroken):
        store.read("city/one")


@pytest.mark.parametrize(
    "changes", [{"format": 2}, {"generation": -1}, {"generation": True}, {"kind": "x"}, {"more": 1}]
)
def test_an_entry_of_another_form_is_malformed(store, directory, changes):
    edit(path_of(directory, "city/one"), **changes)
    with pytest.raises(Malformed):
        store.read("city/one")


def test_an_entry_with_a_generation_that_never_was_does_not_open(store, directory):
    edit(path_of(directory, "city/one"), generation=9)
    with pytest.raises(KeyNotFound):
        store.read("city/one")


def test_an_entry_from_another_store_with_the_same_secret_does_not_open(store, directory, tmp_path):
    other = create_file_store(tmp_path / "other", SECRET, "production")
    other.create("city/one", "city", "sm4")
    shutil.copy(path_of(tmp_path / "other", "city/one"), path_of(directory, "city/one"))
    with pytest.raises(SealBroken):
        store.symmetric("city/one")


def test_an_entry_does_not_open_with_another_store_s_whole_chain_of_keys(store, directory, tmp_path):
    create_file_store(tmp_path / "other", SECRET, "production")
    shutil.copytree(directory / "keks", tmp_path / "other" / "keks", dirs_exist_ok=True)
    shutil.copytree(directory / "entries", tmp_path / "other" / "entries", dirs_exist_ok=True)
    with pytest.raises(SealBroken):
        FileKeyStore(tmp_path / "other", SECRET).symmetric("city/one")


def test_a_seal_names_its_store_even_under_the_same_kek():
    entry, kek = new_entry("city/one", "city", "sm4"), bytes(16)
    sealed = seal_entry("00" * 16, entry, 1, kek, bytes(16))
    assert open_entry("00" * 16, sealed, kek) == bytes(16)
    with pytest.raises(SealBroken):
        open_entry("11" * 16, sealed, kek)


def test_keys_of_one_level_do_not_stand_in_for_those_of_another(store, directory):
    shutil.copy(directory / "keks" / "province.1.json", directory / "keks" / "city.1.json")
    with pytest.raises(Malformed):
        FileKeyStore(directory, SECRET).symmetric("city/one")


def test_without_the_ministry_s_kek_nothing_below_opens(store, directory):
    (directory / "keks" / "ministry.1.json").unlink()
    fresh = FileKeyStore(directory, SECRET)
    for name in store.names():
        with pytest.raises(KeyNotFound):
            fresh.read(name)


@pytest.mark.parametrize("position", range(0, 200, 7))
def test_each_flipped_bit_of_an_entry_is_refused(store, directory, position):
    path = path_of(directory, "city/one")
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1
    path.write_bytes(content)
    with pytest.raises(SmError):
        store.symmetric("city/one")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_an_entry(store, directory, content):
    path_of(directory, "city/one").write_bytes(content)
    with pytest.raises(SmError):
        store.symmetric("city/one")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_the_head(store, directory, content):
    (directory / "store.json").write_bytes(content)
    with pytest.raises(SmError):
        FileKeyStore(directory, SECRET)


def test_white_space_is_no_second_spelling(store, directory):
    path = path_of(directory, "city/one")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    with pytest.raises(Malformed):
        store.symmetric("city/one")


def test_production_cannot_be_edited_into_development(store, directory):
    edit(directory / "store.json", environment="development")
    with pytest.raises(SealBroken):
        FileKeyStore(directory, SECRET)


def test_the_name_of_a_store_cannot_be_edited(store, directory):
    edit(directory / "store.json", store="00" * 16)
    with pytest.raises(SealBroken):
        FileKeyStore(directory, SECRET)


def test_an_edited_salt_is_a_wrong_secret(store, directory):
    edit(directory / "store.json", salt="00" * 16)
    with pytest.raises(WrongSecret):
        FileKeyStore(directory, SECRET)


# ── Crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────

CRASH = """
import os, sys
from pathlib import Path
from sm.keystore import FileKeyStore
{patch}
store = FileKeyStore(Path(sys.argv[1]), {secret!r})
{act}
"""
AT_THE_RENAME = "Path.replace = lambda *_: os._exit(9)"


def after(calls):
    """Crash at the call of `Path.replace` that follows so many others."""
    return f"""
real, left = Path.replace, [{calls}]
def replace(path, target):
    if not left[0]: os._exit(9)
    left[0] -= 1
    return real(path, target)
Path.replace = replace
"""


def crash(directory, act, patch=AT_THE_RENAME):
    code = CRASH.format(patch=patch, act=act, secret=SECRET)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(directory)], env=environment, check=False, timeout=60)
    return done.returncode


def test_a_crash_between_writing_and_renaming_leaves_the_old_document(store, directory):
    assert crash(directory, "store.write_document('city/ring', 'city', b'new')") == 9
    assert FileKeyStore(directory, SECRET).document("city/ring") == b"ring"
    assert len(list((directory / "entries").glob(".*.tmp"))) == 1


def test_a_crash_at_the_creation_of_a_key_leaves_no_key(store, directory):
    assert crash(directory, "store.create('city/new', 'city', 'sm4')") == 9
    again = FileKeyStore(directory, SECRET)
    assert "city/new" not in again.names()
    again.create("city/new", "city", "sm4")


def test_what_crashed_writers_left_is_cleared_away_by_the_next_rewrap(store, directory):
    crash(directory, "store.write_document('city/ring', 'city', b'new')")
    store.rewrap("city")
    assert list(directory.rglob(".*.tmp")) == []


def test_a_crash_in_the_middle_of_the_creation_of_a_store_leaves_none(tmp_path):
    directory = tmp_path / "half"
    code = f"from sm.keystore import create_file_store; create_file_store(Path(sys.argv[1]), {SECRET!r}, 'production')"
    template = "import os, sys\nfrom pathlib import Path\n" + after(2) + code
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", template, str(directory)]
    assert subprocess.run(command, env=environment, check=False, timeout=60).returncode == 9
    with pytest.raises(KeyNotFound):
        FileKeyStore(directory, SECRET)
    create_file_store(directory, SECRET, "production").create("city/one", "city", "sm4")


# ── New KEKs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def contents(store):
    return {name: store.read(name) for name in store.names()}


@pytest.mark.parametrize(("level", "count"), [("city", 5), ("province", 1), ("ministry", 1)])
def test_a_rewrap_changes_the_seals_and_not_the_keys(store, directory, level, count):
    before, files = contents(store), {path: path.read_bytes() for path in (directory / "entries").iterdir()}
    assert store.rewrap(level) == count
    assert contents(store) == before
    assert contents(FileKeyStore(directory, SECRET)) == before
    changed = {path for path, content in files.items() if path.read_bytes() != content}
    assert len(changed) == count


def test_all_levels_are_rewrapped_again_and_again(store, directory):
    before = contents(store)
    for _ in range(3):
        for level in LEVELS:
            store.rewrap(level)
    assert contents(FileKeyStore(directory, SECRET)) == before
    assert sorted(path.name for path in (directory / "keks").iterdir()) == [
        "city.4.json",
        "ministry.4.json",
        "province.4.json",
    ]


def test_after_a_rewrap_the_old_kek_opens_nothing(store, directory, tmp_path):
    shutil.copytree(directory / "keks", tmp_path / "old")
    store.rewrap("city")
    shutil.copytree(tmp_path / "old", directory / "keks", dirs_exist_ok=True)
    old_entry = json.loads(path_of(directory, "city/one").read_text())
    assert old_entry["generation"] == 2
    edit(path_of(directory, "city/one"), generation=1)
    with pytest.raises(SealBroken):
        FileKeyStore(directory, SECRET).symmetric("city/one")


def test_another_process_s_rewrap_is_seen_at_the_next_reading(store, directory):
    before = contents(store)
    FileKeyStore(directory, SECRET).rewrap("city")
    assert contents(store) == before
    store.create("city/three", "city", "sm4")
    assert json.loads(path_of(directory, "city/three").read_text())["generation"] == 2


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("renames", [0, 1, 2, 5])
def test_a_crash_at_any_point_of_a_rewrap_loses_no_key(store, directory, level, renames):
    before = contents(store)
    crash(directory, f"store.rewrap({level!r})", after(renames))
    again = FileKeyStore(directory, SECRET)
    assert contents(again) == before
    again.rewrap(level)
    assert contents(FileKeyStore(directory, SECRET)) == before
    assert len(list((directory / "keks").iterdir())) == len(LEVELS)


def test_an_unknown_level_is_not_rewrapped(store):
    with pytest.raises(Malformed):
        store.rewrap("country")
