import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import redis

from core.clock import SteppingClock
from core.database import Database, DatabaseUnavailable
from core.ephemeral import DatabaseEphemeral, Ephemeral, FallbackEphemeral, RedisEphemeral, open_redis
from core.errors import Unavailable
from tests.servers import end, find_program, free_port, run_redis, start_redis
from web.schema import migrate

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock(START)


@pytest.fixture
def in_database(database: Database, clock: SteppingClock) -> DatabaseEphemeral:
    return DatabaseEphemeral(database, clock)


@pytest.fixture
def in_redis(redis_url: str) -> Iterator[RedisEphemeral]:
    client = open_redis(redis_url)
    yield RedisEphemeral(client)
    client.close()


@pytest.fixture(params=["sqlite", "postgresql", "redis", "redis before a database"])
def memory(request: pytest.FixtureRequest, clock: SteppingClock) -> Iterator[Ephemeral]:
    """Every short memory there is; what holds for one holds for all."""
    if request.param.startswith("redis"):
        first = request.getfixturevalue("in_redis")
        if request.param == "redis":
            yield first
            return
        database = Database(request.getfixturevalue("sqlite_url"))
        migrate(database)
        yield FallbackEphemeral(first, DatabaseEphemeral(database, clock))
    else:
        database = Database(
            request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"), pool_size=8
        )
        migrate(database)
        yield DatabaseEphemeral(database, clock)
    database.close()


# ── What every memory does ───────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_added_once(memory):
    assert memory.add_once("proof:1", 60)
    assert not memory.add_once("proof:1", 60)
    assert memory.add_once("proof:2", 60)


def test_what_was_put_is_found_and_not_replaced(memory):
    assert memory.put("code:1", b"first \x00\xff", 60)
    assert not memory.put("code:1", b"second", 60)
    assert memory.get("code:1") == b"first \x00\xff"
    assert memory.get("code:2") is None


def test_events_are_counted_for_each_key(memory):
    assert [memory.count("calls:a", 60) for _ in range(3)] == [1, 2, 3]
    assert memory.count("calls:b", 60) == 1
    assert (memory.counted("calls:a"), memory.counted("calls:none")) == (3, 0)


def test_both_at_once_is_the_same_as_one_after_the_other(memory):
    assert memory.add_once_and_count("proof:1", 60, "calls:a", 60) == (True, 1)
    assert memory.add_once_and_count("proof:1", 60, "calls:a", 60) == (False, 2)
    assert memory.add_once_and_count("proof:2", 60, "calls:a", 60) == (True, 3)


def test_of_many_who_add_the_same_key_at_once_one_wins(memory):
    begin = threading.Barrier(8)

    def add(number: int) -> list[bool]:
        begin.wait()
        return [memory.add_once(f"proof:{key}", 60) for key in range(10)]

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(add, range(8)))
    assert [sum(tries) for tries in zip(*won, strict=True)] == [1] * 10


def test_no_event_is_lost_when_many_count_at_once(memory):
    begin = threading.Barrier(8)

    def count(_number: int) -> list[int]:
        begin.wait()
        return [memory.count("calls:a", 60) for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        counted = sorted(number for numbers in pool.map(count, range(8)) for number in numbers)
    assert counted == list(range(1, 81))


# ── Expiry ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_remembered_until_strictly_before_its_end(in_database, clock):
    in_database.add_once("proof:1", 60)
    clock.step(59.999)
    assert not in_database.add_once("proof:1", 60)
    clock.step(0.001)
    assert in_database.add_once("proof:1", 60)


def test_a_value_is_found_until_strictly_before_its_end(in_database, clock):
    in_database.put("code:1", b"x", 60)
    clock.step(59.999)
    assert in_database.get("code:1") == b"x"
    clock.step(0.001)
    assert in_database.get("code:1") is None
    assert in_database.put("code:1", b"y", 60)
    assert in_database.get("code:1") == b"y"


def test_a_window_of_counting_begins_with_its_first_event_and_does_not_slide(in_database, clock):
    assert in_database.count("calls:a", 60) == 1
    clock.step(59.999)
    assert in_database.count("calls:a", 60) == 2
    clock.step(0.001)
    assert in_database.counted("calls:a") == 0
    assert in_database.count("calls:a", 60) == 1


def test_a_key_that_was_refused_does_not_live_longer_for_it(in_database, clock):
    in_database.add_once("proof:1", 60)
    clock.step(30)
    in_database.add_once("proof:1", 60)
    clock.step(30)
    assert in_database.add_once("proof:1", 60)


def test_housekeeping_forgets_what_has_expired_and_nothing_else(in_database, clock):
    in_database.add_once("old", 10)
    in_database.add_once("young", 11)
    clock.step(10)
    assert in_database.forget_expired() == 1
    assert in_database.forget_expired() == 0
    assert not in_database.add_once("young", 11)


def test_every_key_in_redis_has_an_end(in_redis, redis_url):
    in_redis.add_once("a", 60)
    in_redis.put("b", b"x", 60)
    in_redis.count("c", 60)
    in_redis.add_once_and_count("d", 60, "e", 60)
    with redis.Redis.from_url(redis_url) as client:
        assert {name: 0 < client.ttl(name) <= 60 for name in client.scan_iter()} == dict.fromkeys(
            (b"a", b"b", b"c", b"d", b"e"), True
        )


def test_counting_on_in_redis_does_not_lengthen_the_window(in_redis, redis_url):
    in_redis.count("c", 60)
    with redis.Redis.from_url(redis_url) as client:
        client.expire("c", 5)
        in_redis.count("c", 60)
        assert client.ttl("c") <= 5


# ── Redis away ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Fallback:
    """Redis before a database, and the switch of that Redis."""

    memory: FallbackEphemeral
    take_away: Callable[[], None]
    bring_back: Callable[[], None]


@pytest.fixture
def fallback(database: Database, clock: SteppingClock, redis_url: str) -> Iterator[Fallback]:
    """Away means that nobody listens at the port; the breaker does not wait, so that the tests need not."""
    there, away = open_redis(redis_url), open_redis(f"redis://127.0.0.1:{free_port()}/0")
    first = RedisEphemeral(there)
    memory = FallbackEphemeral(first, DatabaseEphemeral(database, clock))
    memory._breaker.seconds = 0
    yield Fallback(memory, lambda: setattr(first, "_redis", away), lambda: setattr(first, "_redis", there))
    there.close()
    away.close()


def test_while_redis_is_away_the_database_remembers(fallback):
    fallback.take_away()
    assert fallback.memory.add_once("proof:1", 60)
    assert not fallback.memory.add_once("proof:1", 60)
    assert [fallback.memory.count("calls:a", 60) for _ in range(2)] == [1, 2]
    assert fallback.memory.counted("calls:a") == 2
    assert fallback.memory.add_once_and_count("proof:1", 60, "calls:a", 60) == (False, 3)
    assert fallback.memory.put("code:1", b"x", 60)
    assert fallback.memory.get("code:1") == b"x"


def test_what_was_spent_while_redis_was_away_stays_spent_when_it_is_back(fallback):
    fallback.take_away()
    assert fallback.memory.add_once("proof:1", 60)
    assert fallback.memory.add_once_and_count("proof:2", 60, "calls:a", 60)[0]
    fallback.bring_back()
    assert not fallback.memory.add_once("proof:1", 60)
    assert not fallback.memory.add_once_and_count("proof:2", 60, "calls:a", 60)[0]
    assert fallback.memory.add_once("proof:3", 60)


def test_what_was_put_while_redis_was_away_is_found_when_it_is_back(fallback):
    fallback.take_away()
    fallback.memory.put("code:1", b"x", 60)
    fallback.bring_back()
    assert fallback.memory.get("code:1") == b"x"


def test_what_redis_may_know_is_not_called_unknown_while_it_is_away(fallback):
    fallback.memory.put("code:1", b"x", 60)
    fallback.take_away()
    with pytest.raises(Unavailable) as refused:
        fallback.memory.get("code:1")
    assert refused.value.retry_after == 2
    fallback.bring_back()
    assert fallback.memory.get("code:1") == b"x"


def test_a_redis_that_dies_and_comes_back_empty_never_shows_as_a_fault(database, clock):
    binary = find_program("redis-server")
    with run_redis() as server:
        client = open_redis(server.url)
        memory = FallbackEphemeral(RedisEphemeral(client), DatabaseEphemeral(database, clock))
        memory._breaker.seconds = 0
        assert memory.add_once("before", 60)
        with redis.Redis.from_url(server.url) as admin:
            admin.shutdown(nosave=True)
        assert memory.add_once("while away", 60)
        assert not memory.add_once("while away", 60)
        process = start_redis(server, binary)
        client.connection_pool.connection_kwargs["port"] = server.port
        assert not memory.add_once("while away", 60)
        assert memory.add_once("after", 60)
        assert not memory.add_once("after", 60)
        client.close()
        end(process)


def test_a_connection_that_redis_has_closed_is_opened_anew_and_nobody_notices(redis_url):
    client = open_redis(redis_url)
    memory = RedisEphemeral(client)
    key = f"count:{uuid4()}"
    assert memory.count(key, 60) == 1
    [kept] = memory._idle
    with redis.Redis.from_url(redis_url) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    assert memory.count(key, 60) == 2
    assert memory._idle == [kept]
    client.close()


def test_an_answer_that_was_left_in_a_connection_is_never_taken_for_another_one_s(redis_url):
    client = open_redis(redis_url)
    memory = RedisEphemeral(client)
    key = f"count:{uuid4()}"
    assert memory.count(key, 60) == 1
    memory._idle[0].send_command("PING")
    assert memory._idle[0].can_read(timeout=5)
    assert [memory.count(key, 60) for _ in range(3)] == [2, 3, 4]
    client.close()


def test_a_command_that_fails_leaves_no_answers_behind(redis_url):
    client = open_redis(redis_url)
    memory = RedisEphemeral(client)
    key = f"text:{uuid4()}"
    assert memory.put(key, b"no number", 60)
    with pytest.raises(redis.ResponseError):
        memory.count(key, 60)
    assert not memory._idle
    assert memory.put(f"{key}:next", b"1", 60)
    client.close()


def test_a_dead_redis_is_left_alone_for_a_moment(database, clock):
    asked = []

    class DeadRedis:
        def get(self, key: str) -> bytes:
            asked.append(key)
            raise redis.TimeoutError

    memory = FallbackEphemeral(RedisEphemeral(DeadRedis()), DatabaseEphemeral(database, clock))  # type: ignore[arg-type]
    for _ in range(5):
        with pytest.raises(Unavailable):
            memory.get("code:1")
    assert asked == ["code:1"]


def test_with_redis_and_database_away_nothing_is_let_through():
    port = free_port()
    away = Database(f"postgresql+psycopg://ecard:x@127.0.0.1:{port}/ecard")
    memory = FallbackEphemeral(
        RedisEphemeral(open_redis(f"redis://127.0.0.1:{port}")), DatabaseEphemeral(away, lambda: START)
    )
    for ask in (
        lambda: memory.add_once("a", 60),
        lambda: memory.count("a", 60),
        lambda: memory.put("a", b"", 60),
        lambda: memory.get("a"),
    ):
        with pytest.raises(DatabaseUnavailable):
            ask()
    away.close()
