import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import Refusal
from core.outbox import claim_events, outbox, record_event

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
CLAIM_AND_WAIT = """
import sys
from datetime import UTC, datetime
from core.database import Database
from core.outbox import claim_events
database = Database(sys.argv[1])
with database.transaction() as connection:
    print(len(list(claim_events(connection, at=datetime(2026, 3, 2, tzinfo=UTC)))), flush=True)
    sys.stdin.readline()
"""


def record(database: Database, count: int = 1) -> list[str]:
    with database.transaction() as connection:
        return [
            record_event(connection, "card.issued", card=f"crd_{number}", content={"n": number}, at=NOW)
            for number in range(count)
        ]


def claim(database: Database, most: int = 100) -> list[str]:
    with database.transaction() as connection:
        return [event.id for event in claim_events(connection, at=NOW, most=most)]


def test_an_event_is_told_once_and_as_it_was_recorded(database):
    (name,) = record(database)
    with database.transaction() as connection:
        (event,) = claim_events(connection, at=NOW)
    assert (event.id, event.kind, event.card, event.content) == (name, "card.issued", "crd_0", {"n": 0})
    assert event.happened_at == NOW
    assert claim(database) == []


def test_events_are_told_in_the_order_in_which_they_happened_and_not_too_many_at_once(database):
    recorded = record(database, 5)
    assert claim(database, most=3) == recorded[:3]
    assert claim(database, most=3) == recorded[3:]


@pytest.mark.parametrize("fault", [ZeroDivisionError, Refusal])
def test_an_event_of_a_transaction_that_did_not_commit_never_was(database, fault):
    with pytest.raises(fault), database.transaction() as connection:
        record_event(connection, "card.issued", card="crd_1", content={}, at=NOW)
        raise fault
    assert claim(database) == []


def test_the_event_of_a_recorded_refusal_is_told(database):
    with pytest.raises(Refusal), database.transaction() as connection:
        record_event(connection, "enrollment.refused", card=None, content={}, at=NOW)
        raise Refusal(recorded=True)
    assert len(claim(database)) == 1


def test_a_claim_that_fails_gives_all_of_it_back(database):
    recorded = record(database, 3)
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        assert len(list(claim_events(connection, at=NOW))) == 3
        _ = 1 // 0
    assert claim(database) == recorded


def test_a_worker_killed_in_its_claim_gives_all_of_it_back(database, database_url):
    recorded = record(database, 3)
    command = [sys.executable, "-c", CLAIM_AND_WAIT, database_url]
    worker = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdout.readline() == "3\n"
    worker.kill()
    worker.communicate()
    with database.engine.connect() as connection:  # the server needs a moment to notice
        connection.execute(sa.text("SELECT 1"))
    patient = Database(database_url)
    claimed: list[str] = []
    for _ in range(200):
        claimed += claim(patient)
        if claimed:
            break
    patient.close()
    assert claimed == recorded


def test_two_claimers_beside_each_other_share_the_events_between_them(postgres_database):
    recorded = record(postgres_database, 4)
    with postgres_database.transaction() as connection:
        first = [event.id for event in claim_events(connection, at=NOW, most=2)]
        with ThreadPoolExecutor() as pool:
            second = pool.submit(claim, postgres_database).result()
    assert (first, second) == (recorded[:2], recorded[2:])


def test_many_claimers_never_take_the_same_event(postgres_url, postgres_database):
    recorded = record(postgres_database, 400)
    begin = threading.Barrier(6)
    pooled = Database(postgres_url, pool_size=6)

    def work(_number: int) -> list[str]:
        taken: list[str] = []
        begin.wait()
        for _ in range(40):
            taken += claim(pooled, most=7)
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [name for names in pool.map(work, range(6)) for name in names]
    pooled.close()
    assert Counter(taken) == dict.fromkeys(recorded, 1)


def test_an_event_keeps_when_it_was_told(database):
    record(database)
    claim(database)
    with database.transaction() as connection:
        assert connection.execute(sa.select(outbox.c.told_at)).scalar_one() == int(NOW.timestamp() * 1000)
