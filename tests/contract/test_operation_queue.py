"""Handing operations to runners (``redrive.ports.OperationQueue``), on a real Redis."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from redrive.dispatch import QUEUE, BullMQOperationQueue
from redrive.domain import OperationId
from redrive.errors import StoreUnavailable
from redrive.wiring import connect_redis
from tests.support.servers import RedisServer

ONE, TWO = OperationId("op_1"), OperationId("op_2")
BOUND_SECONDS = 15
LONE_RUNNER = Path(__file__).parents[1] / "support" / "lone_runner.py"


@pytest.fixture
async def queue(redis_server: RedisServer) -> AsyncIterator[BullMQOperationQueue]:
    queue = BullMQOperationQueue(lambda: connect_redis(redis_server.url))
    yield queue
    await queue.close()


class Taken:
    """Notes the operations that a runner is given."""

    def __init__(self) -> None:
        self.ids: list[OperationId] = []
        self._news = asyncio.Condition()

    async def run(self, operation_id: OperationId) -> bool:
        async with self._news:
            self.ids.append(operation_id)
            self._news.notify_all()
        return True

    async def reach(self, number: int) -> None:
        """Wait until so many operations have been given."""
        async with asyncio.timeout(BOUND_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.ids) >= number)


@asynccontextmanager
async def runner(
    queue: BullMQOperationQueue, run: Callable[[OperationId], Awaitable[bool]]
) -> AsyncIterator[asyncio.Event]:
    """A runner for as long as the block lasts; yields its stop signal."""
    stop = asyncio.Event()
    working = asyncio.create_task(queue.work(run, stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(BOUND_SECONDS):
            await working


async def in_queue(redis: Redis) -> int:
    """How many operations are waiting or in hand."""
    waiting = await redis.llen(f"bull:{QUEUE}:wait")
    return int(waiting) + int(await redis.llen(f"bull:{QUEUE}:active"))


async def emptied(redis: Redis) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while await in_queue(redis):
            continue


async def test_an_operation_that_is_put_twice_is_there_once(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    for operation_id in (ONE, TWO, ONE, ONE):
        await queue.put(operation_id)
    assert await in_queue(redis) == 2


async def test_a_runner_is_given_every_operation_once(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    taken = Taken()
    for operation_id in (ONE, TWO, ONE):
        await queue.put(operation_id)
    async with runner(queue, taken.run):
        await taken.reach(2)
        await emptied(redis)
    assert sorted(taken.ids) == [ONE, TWO]


async def test_an_operation_that_is_put_while_it_is_run_stays_one(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    taken, go_on = Taken(), asyncio.Event()

    async def run(operation_id: OperationId) -> bool:
        await taken.run(operation_id)
        return await go_on.wait()

    await queue.put(ONE)
    async with runner(queue, run):
        await taken.reach(1)
        await queue.put(ONE)
        assert await in_queue(redis) == 1
        go_on.set()
        await emptied(redis)
    assert taken.ids == [ONE]


async def test_an_operation_that_was_run_can_be_put_again(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    taken = Taken()
    async with runner(queue, taken.run):
        await queue.put(ONE)
        await taken.reach(1)
        await emptied(redis)
        await queue.put(ONE)
        await taken.reach(2)


async def test_an_operation_whose_run_broke_can_be_put_again(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    taken = Taken()

    async def run(operation_id: OperationId) -> bool:
        await taken.run(operation_id)
        raise RuntimeError("a bug")

    async with runner(queue, run):
        await queue.put(ONE)
        await taken.reach(1)
        await emptied(redis)
        await queue.put(ONE)
        await taken.reach(2)


async def test_a_runner_carries_out_several_operations_side_by_side(
    queue: BullMQOperationQueue,
) -> None:
    together = asyncio.Barrier(3)
    met = Taken()

    async def run(operation_id: OperationId) -> bool:
        await together.wait()
        return await met.run(operation_id)

    for number in range(3):
        await queue.put(OperationId(f"op_{number}"))
    async with runner(queue, run):
        await met.reach(3)


async def test_a_stopped_runner_puts_its_unfinished_operations_back(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    taken = Taken()
    stops: list[asyncio.Event] = []

    async def run(operation_id: OperationId) -> bool:
        await taken.run(operation_id)
        await stops[0].wait()
        return operation_id == TWO

    await queue.put(ONE)
    await queue.put(TWO)
    async with runner(queue, run) as stop:
        stops.append(stop)
        await taken.reach(2)
    assert await in_queue(redis) == 1
    another = Taken()
    async with runner(queue, another.run):
        await another.reach(1)
    assert another.ids == [ONE]


async def test_a_stopped_runner_waits_for_what_it_has_in_hand(
    queue: BullMQOperationQueue, redis: Redis
) -> None:
    taken, go_on = Taken(), asyncio.Event()
    finished: list[OperationId] = []

    async def run(operation_id: OperationId) -> bool:
        await taken.run(operation_id)
        await go_on.wait()
        finished.append(operation_id)
        return True

    await queue.put(ONE)
    stop = asyncio.Event()
    working = asyncio.create_task(queue.work(run, stop))
    await taken.reach(1)
    stop.set()
    assert not working.done()
    go_on.set()
    async with asyncio.timeout(BOUND_SECONDS):
        await working
    assert finished == [ONE]
    assert await in_queue(redis) == 0


async def _kill_a_runner_holding(operation_id: OperationId, url: str) -> None:
    """Let a process of its own take the operation, then kill it without warning."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LONE_RUNNER), url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(2 * BOUND_SECONDS):
            assert (await process.stdout.readline()).decode().strip() == operation_id
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_an_operation_survives_any_number_of_runners_that_die_with_it(
    queue: BullMQOperationQueue, redis_server: RedisServer
) -> None:
    await queue.put(ONE)
    for _ in range(2):
        await _kill_a_runner_holding(ONE, redis_server.url)
    taken = Taken()
    async with runner(queue, taken.run):
        await taken.reach(1)
    assert taken.ids == [ONE]


@pytest.fixture
async def own_queue(own_redis: RedisServer) -> AsyncIterator[BullMQOperationQueue]:
    queue = BullMQOperationQueue(lambda: connect_redis(own_redis.url))
    yield queue
    await queue.close()


async def test_a_runner_waits_for_a_redis_that_is_away_at_its_start(
    own_queue: BullMQOperationQueue, own_redis: RedisServer
) -> None:
    own_redis.stop()
    taken = Taken()
    async with runner(own_queue, taken.run):
        with pytest.raises(StoreUnavailable):
            await own_queue.put(ONE)
        own_redis.start()
        await own_queue.put(ONE)
        await taken.reach(1)


async def test_a_runner_goes_on_after_a_restart_of_redis(
    own_queue: BullMQOperationQueue, own_redis: RedisServer
) -> None:
    taken = Taken()
    async with runner(own_queue, taken.run):
        await own_queue.put(ONE)
        await taken.reach(1)
        own_redis.stop()
        own_redis.start()
        await own_queue.put(TWO)
        await taken.reach(2)
    assert taken.ids == [ONE, TWO]


async def test_a_runner_can_be_stopped_while_redis_is_away(
    own_queue: BullMQOperationQueue, own_redis: RedisServer
) -> None:
    taken = Taken()
    async with runner(own_queue, taken.run):
        await own_queue.put(ONE)
        await taken.reach(1)
        own_redis.stop()
