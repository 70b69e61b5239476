"""PostgreSQL and Redis, reached without blocking the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import redis.asyncio

_OPTIONS = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"


class Connections:
    """A few connections that requests take and give back."""

    def __init__(self) -> None:
        self._free: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()

    async def open(self, url: str, size: int) -> None:
        """Connect; outside a transaction each statement is one of its own."""
        address = url.replace("postgresql+psycopg://", "postgresql://")
        for _ in range(size):
            connection = await psycopg.AsyncConnection.connect(address, options=_OPTIONS, autocommit=True)
            self._free.put_nowait(connection)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection."""
        connection = await self._free.get()
        try:
            yield connection
        finally:
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close what nobody has taken."""
        while not self._free.empty():
            await self._free.get_nowait().close()


async def spend_and_count(client: "redis.asyncio.Redis", once: str, seconds: int, counted: str) -> tuple[bool, int]:
    """Spend a proof and count the call, in one journey."""
    pipeline = client.pipeline(transaction=False)
    pipeline.set(once, b"1", ex=seconds, nx=True)
    pipeline.incr(counted)
    pipeline.expire(counted, 60, nx=True)
    first, count, _ = await pipeline.execute()
    return bool(first), int(count)
