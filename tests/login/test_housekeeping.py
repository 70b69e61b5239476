"""What is over is forgotten; what an older version kept is taken over."""

import pytest
import sqlalchemy as sa
from alembic import command

from auth.login.models import consents, logins
from core.database import Database
from web.schema import _config, migrate
from web.worker import Worker

DEVICE = (
    "INSERT INTO devices (id, card, channel, thumbprint, public_jwk, standing, bound_at)"
    " VALUES ('dev_1', 'crd_1', 'app', 'thumbprint', '{}', 'active', 1772438400123)"
)


@pytest.fixture
def empty(database_url):
    opened = Database(database_url)
    yield opened
    opened.close()


def counts(town):
    with town.service.database.transaction() as connection:
        counted = [sa.select(sa.func.count()).select_from(table) for table in (logins, consents)]
        return [connection.execute(query).scalar_one() for query in counted]


def test_the_worker_forgets_logins_after_a_day_and_consents_with_their_end(both):
    worker = Worker(both.service.runtime)
    both.browser().begin_for(both.relying_party()).log_in(both.phone).agree()
    for seconds, left in ((86_400 + 599, [1, 1]), (1, [0, 1]), (90 * 86_400 - 86_400 - 601, [0, 1]), (1, [0, 0])):
        both.clock.step(seconds)
        worker.clean()
        assert counts(both) == left


def test_phones_that_were_bound_before_were_proven_when_they_were_bound(empty):
    migrate(empty, "0003")
    with empty.transaction() as connection:
        connection.execute(sa.text(DEVICE))
    migrate(empty, "0004")
    with empty.transaction() as connection:
        assert connection.execute(sa.text("SELECT proven_at FROM devices")).scalar_one() == 1772438400123


def test_the_migration_can_be_taken_back_and_made_again(empty):
    migrate(empty, "0004")
    with empty.engine.connect() as connection:
        command.downgrade(_config(connection), "0003")
        connection.commit()
    inspected = sa.inspect(empty.engine)
    assert not {"logins", "consents"} & set(inspected.get_table_names())
    assert "proven_at" not in {column["name"] for column in inspected.get_columns("devices")}
    migrate(empty, "0004")
