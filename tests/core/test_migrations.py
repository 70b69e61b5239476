import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database, metadata
from core.errors import UnsafeSettings
from web.schema import differences, migrate
from web.schema_version import current_revision, head_revision, require_migrated

ROOT = Path(__file__).parents[2]
MIGRATE = """
import sys
from core.database import Database
from web.schema import migrate
database = Database(sys.argv[1], lock_milliseconds=20000)
print("ready", flush=True)
sys.stdin.readline()
migrate(database)
database.close()
"""


@pytest.fixture
def postgres_url(fresh_postgres_url):
    return fresh_postgres_url


@pytest.fixture
def empty(database_url):
    opened = Database(database_url)
    yield opened
    opened.close()


def test_an_empty_database_becomes_what_the_models_say(empty):
    assert current_revision(empty) is None
    migrate(empty)
    assert current_revision(empty) == head_revision()
    assert differences(empty) == []
    assert set(sa.inspect(empty.engine).get_table_names()) == set(metadata.tables) | {"alembic_version"}


def test_every_index_and_constraint_of_the_models_is_in_the_migrated_database(empty):
    migrate(empty)
    found = sa.inspect(empty.engine)
    for table in metadata.tables.values():
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= indexes
        unique = {constraint["name"] for constraint in found.get_unique_constraints(table.name)}
        expected = {c.name for c in table.constraints if isinstance(c, sa.UniqueConstraint)}
        assert {str(name) for name in expected} <= unique


def test_migrating_again_changes_nothing(empty):
    migrate(empty)
    with empty.transaction() as connection:
        connection.execute(sa.text("INSERT INTO ephemeral (key, value, expires_at) VALUES ('kept', '', 0)"))
    migrate(empty)
    with empty.transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM ephemeral")).scalar_one() == 1
    assert differences(empty) == []


def test_what_was_signed_for_institutions_is_kept_when_channels_have_statements_too(empty):
    migrate(empty, "0017")
    with empty.transaction() as connection:
        institution = "'ins_1', 'a', 'pharmacy', 0, '330200', '[]', '[]', 0"
        names = "id, name, kind, audience, region, scopes, purposes, created_at"
        connection.execute(sa.text(f"INSERT INTO institutions ({names}) VALUES ({institution})"))
        names = "institution, day, row_count, sm3, signature, made_at"
        connection.execute(
            sa.text(f"INSERT INTO statements ({names}) VALUES ('ins_1', '2026-03-02', 7, 'ab', 'sig', 9)")
        )
    migrate(empty)
    with empty.transaction() as connection:
        kept = connection.execute(
            sa.text("SELECT owner, day, row_count, sm3, signature, made_at, sector FROM statements")
        )
        assert [tuple(row) for row in kept] == [("ins_1", "2026-03-02", 7, "ab", "sig", 9, None)]


def test_two_processes_that_migrate_at_once_both_find_it_done(database_url, empty):
    command = [sys.executable, "-c", MIGRATE, database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, cwd=ROOT, text=True, bufsize=1, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("now\n")
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert current_revision(empty) == head_revision()
    assert differences(empty) == []


def test_the_service_does_not_start_on_a_schema_that_is_not_its_own(empty):
    with pytest.raises(UnsafeSettings, match="None"):
        require_migrated(empty)
    migrate(empty)
    require_migrated(empty)
    with empty.transaction() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnsafeSettings, match="9999"):
        require_migrated(empty)


def test_a_difference_between_models_and_database_is_seen(empty):
    migrate(empty)
    with empty.transaction() as connection:
        connection.execute(sa.text("DROP INDEX ix_outbox_waiting"))
    assert len(differences(empty)) == 1
