"""What is worth keeping for seconds: proof ids seen once, counters of limits, counter codes.

Redis keeps it when configured, the database otherwise, and also while Redis does not answer. Nothing here is the truth
of anything: whether a code was used is decided by the unique constraint of the redemptions alone.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import redis
import sqlalchemy as sa
import structlog
from hiredis import pack_command

from core.clock import Clock, to_millis
from core.database import Database, Millis, Statement, metadata
from core.errors import Unavailable

ephemeral = sa.Table(
    "ephemeral",
    metadata,
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("expires_at", Millis, nullable=False, index=True),
)

_ADD_ONCE = Statement(
    "INSERT INTO ephemeral (key, value, count, expires_at) VALUES (:key, :value, 1, :expires)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, count = 1, expires_at = excluded.expires_at"
    " WHERE ephemeral.expires_at <= :now RETURNING 1"
)
_COUNT = Statement(
    "INSERT INTO ephemeral (key, value, count, expires_at) VALUES (:key, :value, 1, :expires)"
    " ON CONFLICT (key) DO UPDATE SET"
    " count = CASE WHEN ephemeral.expires_at <= :now THEN 1 ELSE ephemeral.count + 1 END,"
    " expires_at = CASE WHEN ephemeral.expires_at <= :now THEN excluded.expires_at ELSE ephemeral.expires_at END"
    " RETURNING count"
)
_COUNTED = Statement("SELECT count FROM ephemeral WHERE key = :key AND expires_at > :now")
_GET = Statement("SELECT value FROM ephemeral WHERE key = :key AND expires_at > :now")


_SAME_LOSS_SECONDS = 60
"""A failure this soon after another is one loss with it: what lives for longer went to both stores in between."""

_LOST_SECONDS = 12
"""After this a client's new assertion is one that the lost Redis cannot have seen, even by a clock ten seconds fast."""


@dataclass(frozen=True, slots=True)
class Journey:
    """What one journey to the store does; ``once`` and ``counted`` may be left out."""

    looked: str
    once: str | None = None
    once_seconds: int = 0
    counted: str | None = None
    seconds: int = 0


class Ephemeral(Protocol):
    """Short memory shared by all workers. Raises ``Unavailable`` where no store answers."""

    def add_once(self, key: str, seconds: int) -> bool:
        """Remember ``key``; False if it is remembered already."""
        ...

    def count(self, key: str, seconds: int) -> int:
        """Count one more event under ``key`` in a window that began with its first one."""
        ...

    def counted(self, key: str) -> int:
        """Tell how many events were counted under ``key``, without counting one more."""
        ...

    def add_once_and_count(self, once: str, once_seconds: int, counted: str, seconds: int) -> tuple[bool, int]:
        """Do both in one journey."""
        ...

    def add_once_count_and_look(self, journey: "Journey") -> tuple[bool, int, int]:
        """Remember, count and look in one journey: whether it was new, the events counted, the events looked at."""
        ...

    def put(self, key: str, value: bytes, seconds: int) -> bool:
        """Keep ``value`` if nothing is kept under ``key``; False otherwise."""
        ...

    def get(self, key: str) -> bytes | None:
        """Find what is kept; raises ``Unavailable`` where it may be kept by a store that does not answer."""
        ...

    def require_memory(self, since: datetime) -> None:
        """Raise ``Unavailable`` where what was kept since then may be forgotten.

        Ask it after ``add_once`` for what must never pass twice; ``since`` is when it could have passed first.
        """
        ...


class DatabaseEphemeral:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.clock = clock

    def add_once(self, key: str, seconds: int) -> bool:
        return self.put(key, b"", seconds)

    def count(self, key: str, seconds: int) -> int:
        with self._database.transaction() as connection:
            rows = _COUNT.run(connection, self._values(key, b"", seconds))
        return int(rows[0][0])

    def counted(self, key: str) -> int:
        rows = self._database.look(_COUNTED, {"key": key, "now": to_millis(self.clock())})
        return int(rows[0][0]) if rows else 0

    def add_once_and_count(self, once: str, once_seconds: int, counted: str, seconds: int) -> tuple[bool, int]:
        with self._database.transaction():
            return self.add_once(once, once_seconds), self.count(counted, seconds)

    def add_once_count_and_look(self, journey: Journey) -> tuple[bool, int, int]:
        with self._database.transaction():
            new = journey.once is None or self.add_once(journey.once, journey.once_seconds)
            count = self.count(journey.counted, journey.seconds) if journey.counted else 0
            return new, count, self.counted(journey.looked)

    def put(self, key: str, value: bytes, seconds: int) -> bool:
        with self._database.transaction() as connection:
            return bool(_ADD_ONCE.run(connection, self._values(key, value, seconds)))

    def get(self, key: str) -> bytes | None:
        with self._database.transaction() as connection:
            rows = _GET.run(connection, {"key": key, "now": to_millis(self.clock())})
        return bytes(rows[0][0]) if rows else None

    def require_memory(self, since: datetime) -> None:
        """Pass: what the database has kept it knows."""

    def forget_expired(self) -> int:
        """Delete what has expired; the worker calls this."""
        with self._database.transaction() as connection:
            expired = ephemeral.delete().where(ephemeral.c.expires_at <= to_millis(self.clock()))
            return connection.execute(expired).rowcount

    def _values(self, key: str, value: bytes, seconds: int) -> dict[str, object]:
        now = to_millis(self.clock())
        return {"key": key, "value": value, "now": now, "expires": now + seconds * 1000}


class RedisEphemeral:
    """Keeps it in Redis. What every request sends goes past the client's commands and pool (50 to 130 µs less).

    Connections are taken from the pool and kept, as many as were ever used at the same time; the pool closes them.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._idle: list[Any] = []

    def add_once(self, key: str, seconds: int) -> bool:
        return self.put(key, b"1", seconds)

    def count(self, key: str, seconds: int) -> int:
        return int(self._exchange((("INCR", key), ("EXPIRE", key, seconds, "NX")))[0])

    def counted(self, key: str) -> int:
        kept = self._exchange((("GET", key),))[0]
        return int(kept) if isinstance(kept, bytes) else 0

    def add_once_and_count(self, once: str, once_seconds: int, counted: str, seconds: int) -> tuple[bool, int]:
        """Do both in one journey."""
        commands = (
            ("SET", once, b"1", "EX", once_seconds, "NX"),
            ("INCR", counted),
            ("EXPIRE", counted, seconds, "NX"),
        )
        first, count, _ = self._exchange(commands)
        return first is not None, int(count)

    def add_once_count_and_look(self, journey: Journey) -> tuple[bool, int, int]:
        commands: list[tuple[str | bytes | int, ...]] = [("GET", journey.looked)]
        if journey.once:
            commands.append(("SET", journey.once, b"1", "EX", journey.once_seconds, "NX"))
        if journey.counted:
            commands += [("INCR", journey.counted), ("EXPIRE", journey.counted, journey.seconds, "NX")]
        looked, *rest = self._exchange(commands)
        new = not journey.once or rest.pop(0) is not None
        return new, int(rest[0]) if journey.counted else 0, int(looked or 0)

    def _exchange(self, commands: Sequence[tuple[str | bytes | int, ...]]) -> list[Any]:
        """Send commands in one write and read their answers; a connection that fails in between goes back, closed."""
        connection = self._take()
        try:
            packed = b"".join(pack_command(command) for command in commands)  # type: ignore[arg-type]  # of any length
            connection.send_packed_command([packed], check_health=False)
            answers = [connection.read_response() for _ in commands]
        except BaseException:
            connection.disconnect()
            self._redis.connection_pool.release(connection)
            raise
        self._idle.append(connection)
        return answers

    def _take(self) -> Any:
        """Take an idle connection, opened anew if Redis has closed it, or one more of the pool."""
        try:
            connection = self._idle.pop()  # asked first, another thread could take the last one in between
        except IndexError:
            return self._redis.connection_pool.get_connection()
        with suppress(redis.ConnectionError):
            if not connection.can_read():
                return connection
        connection.disconnect()  # closed by Redis, or an answer is left in it: opened anew when it is used
        return connection

    def put(self, key: str, value: bytes, seconds: int) -> bool:
        return self._exchange((("SET", key, value, "EX", seconds, "NX"),))[0] is not None

    def get(self, key: str) -> bytes | None:
        kept = self._redis.get(key)
        return kept if isinstance(kept, bytes) else None

    def require_memory(self, since: datetime) -> None:
        """Pass: a Redis that answers is believed to know what it was told."""


@dataclass
class _Breaker:
    """Leaves a store alone for a moment after it failed, so that a dead Redis costs one time-out, not one a request."""

    seconds: float = 1.0
    tripped_at: float = float("-inf")

    def is_open(self) -> bool:
        return self.tripped_within(self.seconds)

    def tripped_within(self, seconds: float) -> bool:
        return time.monotonic() - self.tripped_at < seconds

    def trip(self) -> None:
        self.tripped_at = time.monotonic()


class FallbackEphemeral:
    """Redis first, the database while Redis is away.

    What was put while Redis was away is found again after it is back. Fails open in three places: counters begin anew
    with each change of store; what Redis forgot in a restart is forgotten; and where one worker alone has lost Redis,
    the others do not ask the database, so that a proof may be spent once here and once there within its minute.
    ``require_memory`` refuses, for what must not pass twice, all that a Redis that went away may have known.
    """

    def __init__(self, first: RedisEphemeral, second: DatabaseEphemeral) -> None:
        self._first = first
        self._second = second
        self._breaker = _Breaker()
        self._lost_at: datetime | None = None
        self._log = structlog.get_logger("core.ephemeral")

    def add_once(self, key: str, seconds: int) -> bool:
        return self.put(key, b"1", seconds)

    def count(self, key: str, seconds: int) -> int:
        if not self._breaker.is_open():
            try:
                return self._first.count(key, seconds)
            except redis.RedisError as error:
                self._fail(error)
        return self._second.count(key, seconds)

    def counted(self, key: str) -> int:
        if not self._breaker.is_open():
            try:
                return self._first.counted(key)
            except redis.RedisError as error:
                self._fail(error)
        return self._second.counted(key)

    def add_once_and_count(self, once: str, once_seconds: int, counted: str, seconds: int) -> tuple[bool, int]:
        if not self._breaker.is_open():
            try:
                first, count = self._first.add_once_and_count(once, once_seconds, counted, seconds)
            except redis.RedisError as error:
                self._fail(error)
            else:
                return first and self._is_new_to_both(once, b"1", once_seconds), count
        return self._second.add_once_and_count(once, once_seconds, counted, seconds)

    def add_once_count_and_look(self, journey: Journey) -> tuple[bool, int, int]:
        if not self._breaker.is_open():
            try:
                new, count, looked = self._first.add_once_count_and_look(journey)
            except redis.RedisError as error:
                self._fail(error)
            else:
                if journey.once:
                    new = new and self._is_new_to_both(journey.once, b"1", journey.once_seconds)
                return new, count, looked
        return self._second.add_once_count_and_look(journey)

    def put(self, key: str, value: bytes, seconds: int) -> bool:
        if not self._breaker.is_open():
            try:
                new = self._first.put(key, value, seconds)
            except redis.RedisError as error:
                self._fail(error)
            else:
                return new and self._is_new_to_both(key, value, seconds)
        return self._second.put(key, value, seconds)

    def get(self, key: str) -> bytes | None:
        if not self._breaker.is_open():
            try:
                kept = self._first.get(key)
                return kept if kept is not None else self._second.get(key)
            except redis.RedisError as error:
                self._fail(error)
        kept = self._second.get(key)
        if kept is None:
            raise Unavailable("Redis may know and does not answer", retry_after=2)
        return kept

    def require_memory(self, since: datetime) -> None:
        if self._lost_at is not None and since <= self._lost_at:
            raise Unavailable("Redis may have known, and has been away since", retry_after=_LOST_SECONDS)

    def _is_new_to_both(self, key: str, value: bytes, seconds: int) -> bool:
        """Ask the database as well as long as it may remember the key from the time when Redis was away."""
        return not self._breaker.tripped_within(seconds) or self._second.put(key, value, seconds)

    def _fail(self, error: redis.RedisError) -> None:
        if not self._breaker.tripped_within(_SAME_LOSS_SECONDS):
            self._lost_at = self._second.clock()
        self._breaker.trip()
        self._log.warning("redis_away", error=type(error).__name__)


def open_redis(url: str) -> "redis.Redis":
    """Open a client whose every call ends within 200 ms (threats.md S5)."""
    return redis.Redis.from_url(
        url, socket_timeout=0.2, socket_connect_timeout=0.2, retry_on_timeout=False, health_check_interval=0
    )
