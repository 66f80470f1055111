"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from redrive.ledger import Database
from redrive.progress import RedisProgressStore
from redrive.wiring import connect_redis
from tests.support.books import Books
from tests.support.bullmq_world import BullMQWorld, MemoryWorld, QueueWorld
from tests.support.servers import RedisServer


@pytest.fixture
def books(database: Database) -> Books:
    """An empty ledger; every test that asks for it runs on both databases."""
    return Books(database)


@pytest.fixture
async def second(ledger_url: str, databases: dict[str, Database]) -> AsyncIterator[Books]:
    """Another process's view of the same ledger."""
    database = databases.setdefault(f"second {ledger_url}", Database(ledger_url))
    yield Books(database)
    await database.close()


@pytest.fixture(params=["memory", "bullmq"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[QueueWorld]:
    """Queues in memory, and those of BullMQ: every test of the engine runs on both."""
    made: QueueWorld = (
        MemoryWorld()
        if request.param == "memory"
        else BullMQWorld(request.getfixturevalue("redis_server"))
    )
    yield made
    await made.close()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect_redis(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
def store(redis: Redis) -> RedisProgressStore:
    return RedisProgressStore(redis)


@pytest.fixture
async def away(own_redis: RedisServer) -> AsyncIterator[Redis]:
    """A client of a Redis that has died."""
    client = connect_redis(own_redis.url)
    await client.ping()
    own_redis.kill()
    yield client
    await client.aclose()
