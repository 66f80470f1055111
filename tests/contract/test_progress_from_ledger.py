"""Where the fast view does not answer, the ledger does (``redrive.overview.Overview.progress``)."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from redrive.domain import Answer, OperationId, OperationState, progress_of
from redrive.errors import OperationNotFound
from redrive.overview import Overview
from redrive.progress import RedisFollowerReports, RedisProgressStore, key_of
from tests.support.books import Books
from tests.support.factories import AT, completed, later

BOUND_SECONDS = 20


def _overview(books: Books, redis: Redis) -> Overview:
    return Overview(
        reading=books.reading,
        operations=books.operations,
        accounts=books.accounts,
        engines={},
        progress=RedisProgressStore(redis),
        reports=RedisFollowerReports(redis),
        clock=books.clock,
    )


async def test_the_ledger_answers_when_the_hash_has_expired(
    books: Books, redis: Redis, store: RedisProgressStore
) -> None:
    await books.fail("1")
    operation = await books.begin()
    await store.write(progress_of(operation, AT))
    assert await redis.pexpire(key_of(operation.operation_id), 1)
    async with asyncio.timeout(BOUND_SECONDS):
        while await store.read(operation.operation_id) is not None:
            continue
    books.clock.advance(seconds=5)
    assert await _overview(books, redis).progress(operation.operation_id) == progress_of(
        operation, later(5)
    )


async def test_the_ledger_answers_when_redis_is_away(books: Books, away: Redis) -> None:
    await books.fail("1")
    operation = await books.begin()
    overview = _overview(books, away)
    assert await overview.progress(operation.operation_id) == progress_of(operation, AT)
    with pytest.raises(OperationNotFound):
        await overview.progress(OperationId("op_nobody"))


async def test_the_ledger_answers_when_the_runner_could_not_write_the_end(
    books: Books, redis: Redis, store: RedisProgressStore
) -> None:
    await books.fail("1")
    operation = await books.begin()
    await store.write(progress_of(operation, AT))
    finished = await books.operations.finish(operation, OperationState.FAILED, "stopped")
    told = await _overview(books, redis).progress(operation.operation_id)
    assert told == progress_of(finished, AT)


async def test_an_outcome_that_could_not_be_told_is_told_by_the_ledger(
    books: Books, redis: Redis, store: RedisProgressStore
) -> None:
    await books.fail("1")
    operation = await books.begin()
    await books.complete(operation, await books.claim(operation), Answer.REQUEUED)
    ended = await books.operation(operation)
    assert ended.state.terminal
    await store.write(progress_of(ended, AT))
    await books.hear(completed("1", 11))
    told = await _overview(books, redis).progress(operation.operation_id)
    assert (told.recovered, told.waiting) == (1, 0)
