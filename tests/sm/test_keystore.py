"""What a key store keeps, hands out and refuses."""

import hashlib
import stat
import threading
from concurrent.futures import ProcessPoolExecutor

import pytest

from sm.errors import (
    InvalidKey,
    KeyExists,
    KeyNotFound,
    KeyStoreUnavailable,
    Malformed,
    ProviderUnavailable,
    UnsafePermissions,
    WeakSecret,
    WrongEnvironment,
    WrongSecret,
)
from sm.keystore import (
    KEY_SIZES,
    LEVELS,
    FileKeyStore,
    MemoryKeyStore,
    create_file_store,
    private_key_for,
    read_key_reference,
)
from sm.keystore import durable as durable_files
from sm.sm2 import PrivateKey

SECRET = "a secret for these tests"
VECTOR = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")  # GM/T 0003.5


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def file_store(directory):
    return create_file_store(directory, SECRET, "development")


@pytest.fixture(params=["file", "memory"])
def store(request):
    return request.getfixturevalue("file_store") if request.param == "file" else MemoryKeyStore()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["sm4", "hmac"])
def test_a_symmetric_key_has_its_size_and_stays_the_same(store, level, kind):
    store.create(f"{level}/one", level, kind)
    key = store.symmetric(f"{level}/one")
    assert len(key) == KEY_SIZES[kind]
    assert store.symmetric(f"{level}/one") == key
    store.create(f"{level}/other", level, kind)
    assert store.symmetric(f"{level}/other") != key


def test_a_private_key_comes_back_as_a_private_key(store):
    store.create("city/ca", "city", "sm2")
    assert isinstance(store.private_key("city/ca"), PrivateKey)
    assert store.private_key("city/ca") == store.private_key("city/ca")


def test_a_p256_scalar_has_32_bytes(store):
    store.create("city/token-signing", "city", "p256")
    assert len(store.p256_scalar("city/token-signing")) == 32


def test_an_ed25519_seed_has_32_bytes(store):
    store.create("city/news-signing", "city", "ed25519")
    assert len(store.ed25519_seed("city/news-signing")) == 32


def test_a_key_drawn_elsewhere_is_kept_unchanged(store):
    store.put("city/vector", "city", "sm2", VECTOR)
    assert store.private_key("city/vector") == PrivateKey(VECTOR)


def test_a_document_is_replaced_by_the_next_one(store):
    store.write_document("city/ring", "city", b"first")
    store.write_document("city/ring", "city", b"second")
    assert store.document("city/ring") == b"second"


def test_a_key_is_never_overwritten(store):
    store.create("city/audit", "city", "hmac")
    before = store.symmetric("city/audit")
    with pytest.raises(KeyExists):
        store.create("city/audit", "city", "hmac")
    with pytest.raises(KeyExists):
        store.put("city/audit", "city", "hmac", bytes(32))
    with pytest.raises(KeyExists):
        store.write_document("city/audit", "city", b"text")
    assert store.symmetric("city/audit") == before


def test_a_document_does_not_change_its_level(store):
    store.write_document("ring", "city", b"text")
    with pytest.raises(KeyExists):
        store.write_document("ring", "province", b"text")


def test_a_key_of_one_kind_is_not_handed_out_as_another(store):
    store.create("city/ca", "city", "sm2")
    store.create("city/audit", "city", "hmac")
    store.write_document("city/ring", "city", bytes(32))
    for hand_out in (store.symmetric, store.p256_scalar, store.ed25519_seed, store.document):
        with pytest.raises(KeyNotFound):
            hand_out("city/ca")
    for name in ("city/audit", "city/ring"):
        with pytest.raises(KeyNotFound):
            store.private_key(name)


def test_an_unknown_name_is_not_found(store):
    with pytest.raises(KeyNotFound, match="there is no city/nothing"):
        store.read("city/nothing")


@pytest.mark.parametrize(
    ("kind", "key"),
    [("sm4", bytes(15)), ("hmac", bytes(31)), ("ed25519", bytes(31)), ("sm2", bytes(32)), ("p256", bytes(32))],
)
def test_a_key_of_the_wrong_size_or_range_is_refused(store, kind, key):
    with pytest.raises(InvalidKey):
        store.put("city/bad", "city", kind, key)
    assert store.names() == []


@pytest.mark.parametrize(
    "name", ["", "City", "a//b", "/a", "a/", "../a", "a b", "a~b", "a.b", "-a", "a" * 101, "ä", "a\n"]
)
def test_a_name_that_could_be_a_path_or_has_a_second_spelling_is_refused(store, name):
    with pytest.raises(Malformed):
        store.create(name, "city", "sm4")


@pytest.mark.parametrize(
    ("level", "kind"), [("country", "sm4"), ("city", "rsa"), ("city", "kek"), ("city", "document")]
)
def test_unknown_levels_and_kinds_are_refused(store, level, kind):
    with pytest.raises(Malformed):
        store.create("city/one", level, kind)


def test_names_are_sorted_and_told_with_level_and_kind(store):
    store.create("province/ca", "province", "sm2")
    store.create("city/ca", "city", "sm2")
    assert store.names() == ["city/ca", "province/ca"]
    entry = store.entry("province/ca")
    assert (entry.name, entry.level, entry.kind) == ("province/ca", "province", "sm2")


def test_nothing_that_is_shown_holds_a_secret(store):
    store.put("city/vector", "city", "sm2", VECTOR)
    shown = repr(store) + repr(store.entry("city/vector")) + repr(store.private_key("city/vector"))
    for secret in (SECRET, VECTOR.hex(), repr(VECTOR)[2:-1]):
        assert secret not in shown


def test_no_file_holds_the_secret_or_a_key_in_clear(file_store, directory):
    file_store.put("city/vector", "city", "sm2", VECTOR)
    for path in directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for secret in (SECRET.encode(), VECTOR, VECTOR.hex().encode()):
                assert secret not in content, path


# ── Opening ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_opens_again_with_its_secret(file_store, directory):
    file_store.create("city/audit", "city", "hmac")
    again = FileKeyStore(directory, SECRET, "development")
    assert again.symmetric("city/audit") == file_store.symmetric("city/audit")
    assert again.identifier == file_store.identifier
    assert again.environment == "development"


@pytest.mark.parametrize("secret", ["", "a secret for these test", "A secret for these tests", "\udcff"])
def test_the_wrong_secret_opens_nothing(file_store, directory, secret):
    with pytest.raises(WrongSecret):
        FileKeyStore(directory, secret)


def test_a_development_store_does_not_open_in_production_nor_the_other_way_round(tmp_path, file_store, directory):
    with pytest.raises(WrongEnvironment):
        FileKeyStore(directory, SECRET, "production")
    create_file_store(tmp_path / "production", SECRET, "production")
    with pytest.raises(WrongEnvironment):
        FileKeyStore(tmp_path / "production", SECRET, "development")


def test_there_are_two_environments_only(tmp_path):
    with pytest.raises(WrongEnvironment):
        create_file_store(tmp_path / "keys", SECRET, "staging")
    with pytest.raises(WrongEnvironment):
        MemoryKeyStore("staging")


def test_a_production_store_needs_a_secret_of_sixteen_characters(tmp_path):
    with pytest.raises(WeakSecret):
        create_file_store(tmp_path / "keys", "a" * 15, "production")
    create_file_store(tmp_path / "keys", "a" * 16, "production")
    with pytest.raises(WeakSecret):
        create_file_store(tmp_path / "others", "", "development")


def test_a_second_store_is_not_made_over_the_first(file_store, directory):
    file_store.create("city/audit", "city", "hmac")
    with pytest.raises(KeyExists):
        create_file_store(directory, SECRET, "development")
    assert FileKeyStore(directory, SECRET).names() == ["city/audit"]


def test_where_no_store_is_none_opens(tmp_path):
    with pytest.raises(KeyNotFound):
        FileKeyStore(tmp_path / "nowhere", SECRET)
    (tmp_path / "empty").mkdir(mode=0o700)
    with pytest.raises(KeyNotFound):
        FileKeyStore(tmp_path / "empty", SECRET)


def test_one_opening_costs_one_scrypt(monkeypatch, file_store, directory):
    calls = []
    real = hashlib.scrypt
    monkeypatch.setattr(
        hashlib, "scrypt", lambda *args, **options: calls.append(options["n"]) or real(*args, **options)
    )
    store = FileKeyStore(directory, SECRET)
    for number in range(5):
        store.create(f"city/key-{number}", "city", "sm4")
        store.symmetric(f"city/key-{number}")
    assert calls == [2**14]


# ── Permissions ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_and_directories_are_their_owner_s_alone(file_store, directory):
    file_store.create("city/audit", "city", "hmac")
    for path in (directory, *directory.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o720])
def test_a_directory_that_others_may_enter_is_refused(file_store, directory, mode):
    directory.chmod(mode)
    with pytest.raises(UnsafePermissions):
        FileKeyStore(directory, SECRET)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_or_write_is_refused(file_store, directory, mode):
    file_store.create("city/audit", "city", "hmac")
    (directory / "entries" / "city~audit.json").chmod(mode)
    with pytest.raises(UnsafePermissions):
        file_store.symmetric("city/audit")


def test_a_link_in_place_of_a_file_is_not_followed(file_store, directory, tmp_path):
    file_store.create("city/audit", "city", "hmac")
    path = directory / "entries" / "city~audit.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyStoreUnavailable):
        file_store.symmetric("city/audit")


def test_a_directory_in_place_of_a_file_is_refused(file_store, directory):
    (directory / "entries" / "city~audit.json").mkdir()
    with pytest.raises((UnsafePermissions, KeyStoreUnavailable)):
        file_store.symmetric("city/audit")


# ── Several at once ──────────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_threads_one_creates_the_key(file_store):
    outcomes = []

    def create():
        try:
            file_store.create("city/audit", "city", "hmac")
            outcomes.append("created")
        except KeyExists:
            outcomes.append("exists")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["created"] + ["exists"] * 7


def add_to_document(directory, times):
    store = FileKeyStore(directory, SECRET)
    for _ in range(times):
        with store.writing():
            store.write_document("city/count", "city", str(int(store.document("city/count")) + 1).encode())


def test_no_writer_s_change_is_lost_between_processes(file_store, directory):
    file_store.write_document("city/count", "city", b"0")
    with ProcessPoolExecutor(3) as pool:
        for outcome in [pool.submit(add_to_document, directory, 10) for _ in range(3)]:
            outcome.result(timeout=120)
    assert file_store.document("city/count") == b"30"


def test_a_writer_that_does_not_finish_makes_the_others_give_up(monkeypatch, file_store, directory):
    monkeypatch.setattr(durable_files, "_LOCK_TRIES", 2)
    other = FileKeyStore(directory, SECRET)
    file_store.create("city/audit", "city", "hmac")
    with file_store.writing(), pytest.raises(KeyStoreUnavailable):
        other.symmetric("city/audit")
    assert other.symmetric("city/audit") == file_store.symmetric("city/audit")


# ── References ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reference_leads_to_the_key_it_names():
    store = MemoryKeyStore()
    store.put("test", "city", "sm2", VECTOR)
    assert private_key_for(read_key_reference("mem:test"), {"mem": store}) == PrivateKey(VECTOR)
    assert str(read_key_reference("file:city/code-signing/1")) == "file:city/code-signing/1"


def test_a_key_in_hardware_is_unavailable_without_an_adapter():
    with pytest.raises(ProviderUnavailable, match="SDF"):
        private_key_for(read_key_reference("sdf:0/12"), {})


@pytest.mark.parametrize(
    "text", ["", "test", "mem:", "file:../x", "sdf:1", "sdf:a/b", "sdf:1/2/3", "http:x", "MEM:test"]
)
def test_a_reference_that_names_nothing_is_malformed(text):
    with pytest.raises(Malformed):
        read_key_reference(text)


def test_a_reference_into_a_store_that_is_not_there_is_not_found():
    with pytest.raises(KeyNotFound):
        private_key_for(read_key_reference("file:city/ca"), {"mem": MemoryKeyStore()})
