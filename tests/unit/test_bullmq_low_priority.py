"""Behind live traffic in BullMQ: the lowest priority, and the job's own one again afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redrive.domain import Answer, JobId
from redrive.engines.bullmq.reading import LOWEST_PRIORITY
from tests.support.bullmq_batches import all_failures, answers, batch_of, failure_of, item
from tests.support.bullmq_steps import QUEUE, failed, next_jobs
from tests.support.bullmq_world import TOKEN, BullMQWorld
from tests.support.servers import RedisServer

OWN = "redrivePriority"


@pytest.fixture
async def world(redis_server: RedisServer) -> AsyncIterator[BullMQWorld]:
    made = BullMQWorld(redis_server)
    yield made
    await made.close()


async def lower(world: BullMQWorld, *names: str, number: int = 1) -> None:
    batch = batch_of(QUEUE, [item(name) for name in names], number=number, low_priority=True)
    assert set(answers(await world.engine.requeue(batch)).values()) == {Answer.REQUEUED}


async def test_live_jobs_of_every_priority_run_first(world: BullMQWorld) -> None:
    await failed(world, "plain")
    await failed(world, "ranked", priority=1)
    await failed(world, "lifo", lifo=True)
    await lower(world, "plain", "ranked", "lifo")
    await world.add(QUEUE, "live")
    await world.add(QUEUE, "live-low", priority=LOWEST_PRIORITY - 1)
    assert await next_jobs(world, 5) == ["live", "live-low", "plain", "ranked", "lifo"]


@pytest.mark.parametrize("counter", [0, 1, 6, 7, 2**32 - 4, 2**32 - 3])
async def test_the_order_holds_whatever_the_librarys_counter_says(
    world: BullMQWorld, counter: int
) -> None:
    names = [f"job-{number}" for number in (3, 1, 2, 9, 5)]
    await failed(world, *names)
    await world.add(QUEUE, "ranked", priority=1)
    world.redis.set("bull:mail:pc", counter)
    if counter < 100:
        await lower(world, *names[:2], number=1)
        await lower(world, *names[2:], number=2)
        assert await next_jobs(world, 6) == ["ranked", *names]
    else:  # the library's own numbers begin again then, too
        await lower(world, *names)
        assert sorted(await next_jobs(world, 6)) == sorted(["ranked", *names])


@pytest.mark.parametrize("own", [None, 7])
async def test_its_own_priority_comes_back_with_the_next_usual_retry(
    world: BullMQWorld, own: int | None
) -> None:
    await failed(world, "1", **({} if own is None else {"priority": own}))
    before = world.hash(QUEUE, "1")["priority"]
    await lower(world, "1")
    assert world.hash(QUEUE, "1")["priority"] == str(LOWEST_PRIORITY)
    await world.fail(QUEUE, "1", "again")
    again = await failure_of(world.engine, QUEUE, "1")
    await world.engine.requeue(batch_of(QUEUE, [again], number=2))
    record = world.hash(QUEUE, "1")
    assert (record["priority"], OWN in record) == (before, False)


async def test_twice_at_low_priority_it_still_has_its_own(world: BullMQWorld) -> None:
    await failed(world, "1", priority=7)
    await lower(world, "1")
    await world.fail(QUEUE, "1", "again")
    again = await failure_of(world.engine, QUEUE, "1")
    await world.engine.requeue(batch_of(QUEUE, [again], number=2, low_priority=True))
    assert world.hash(QUEUE, "1")[OWN] == "7"


async def test_a_priority_that_somebody_gave_it_meanwhile_has_the_last_word(
    world: BullMQWorld,
) -> None:
    await failed(world, "1", priority=7)
    await lower(world, "1")
    await world.queue(QUEUE).scripts.changePriority("1", 3, False)
    await world.fail(QUEUE, "1", "again")
    again = await failure_of(world.engine, QUEUE, "1")
    await world.engine.requeue(batch_of(QUEUE, [again], number=2))
    record = world.hash(QUEUE, "1")
    assert (record["priority"], OWN in record) == ("3", False)


async def test_its_further_attempts_are_behind_live_traffic_too(world: BullMQWorld) -> None:
    await failed(world, "1", attempts=3)
    await lower(world, "1")
    await world.start(QUEUE, "1")
    await world.queue(QUEUE).scripts.retryJob("1", False, TOKEN)
    await world.add(QUEUE, "live")
    assert await next_jobs(world, 2) == ["live", "1"]


async def test_the_ledger_keeps_its_own_priority_for_a_rebuild(world: BullMQWorld) -> None:
    await failed(world, "1", priority=7)
    await failed(world, "plain")
    await lower(world, "1", "plain")
    await world.fail(QUEUE, "1", "again")
    await world.fail(QUEUE, "plain", "again")
    kept = {failure.job_id: failure.payload for failure in await all_failures(world.engine, QUEUE)}
    extras: dict[str, Any] = {name: payload.extra for name, payload in kept.items() if payload}
    assert (extras["1"]["priority"], extras["plain"]["priority"]) == ("7", "0")


@pytest.mark.parametrize("own", [{}, {"priority": 5}], ids=str)
async def test_rebuilt_jobs_keep_their_order_and_their_own_priority(
    world: BullMQWorld, own: dict[str, Any]
) -> None:
    names = [f"job-{number}" for number in (4, 2, 3, 1)]
    await failed(world, *names, **own)
    failures = {failure.job_id: failure for failure in await all_failures(world.engine, QUEUE)}
    for name in names:
        await world.remove(QUEUE, name)
    batch = batch_of(QUEUE, [item(name) for name in names], low_priority=True)
    await world.engine.requeue(batch)
    for name in names:
        payload = failures[JobId(name)].payload
        assert payload is not None
        result = await world.engine.rebuild(batch, JobId(name), "job", payload)
        assert result.answer is Answer.RECREATED
        record = world.hash(QUEUE, name)
        assert record["priority"] == str(LOWEST_PRIORITY)
        assert record[OWN] == (str(own["priority"]) if own else "")
        assert record["opts"] == payload.options.decode()
    await world.add(QUEUE, "live")
    assert await next_jobs(world, 5) == ["live", *names]


async def test_a_paused_queue_is_not_woken(world: BullMQWorld) -> None:
    await failed(world, "1")
    await world.queue(QUEUE).pause()
    world.redis.delete("bull:mail:marker")
    await lower(world, "1")
    assert not world.redis.exists("bull:mail:marker")
