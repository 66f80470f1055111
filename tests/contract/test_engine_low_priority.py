"""Jobs handed over behind live traffic (``redrive.ports.Engine.requeue``, ``low_priority``)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redrive.domain import Answer, JobId, Payload
from tests.support.bullmq_batches import AT, answers, batch_of, failure_of, item
from tests.support.bullmq_world import BullMQWorld, MemoryWorld, QueueWorld

QUEUE = "mail"


@pytest.fixture(params=["memory", "bullmq"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[QueueWorld]:
    made: QueueWorld = (
        MemoryWorld()
        if request.param == "memory"
        else BullMQWorld(request.getfixturevalue("redis_server"))
    )
    yield made
    await made.close()


async def order(world: QueueWorld, count: int) -> list[str | None]:
    return [await world.take(QUEUE) for _ in range(count)]


async def test_a_job_of_low_priority_runs_after_what_comes_later(world: QueueWorld) -> None:
    await world.fail(QUEUE, "retried", at=AT)
    batch = batch_of(QUEUE, [item("retried")], low_priority=True)
    assert answers(await world.engine.requeue(batch)) == {"retried": Answer.REQUEUED}
    await world.add(QUEUE, "live")
    assert await order(world, 3) == ["live", "retried", None]


async def test_jobs_of_low_priority_keep_the_order_of_their_batches(world: QueueWorld) -> None:
    names = [f"job-{number}" for number in range(9)]
    for name in names:
        await world.fail(QUEUE, name, at=AT)
    for number, first in enumerate(range(0, 9, 3), 1):
        part = [item(name) for name in names[first : first + 3]]
        await world.engine.requeue(batch_of(QUEUE, part, number=number, low_priority=True))
    assert await order(world, 9) == names


async def test_a_job_of_low_priority_that_fails_can_be_retried_in_the_usual_way(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await world.engine.requeue(batch_of(QUEUE, [item("1")], low_priority=True))
    await world.fail(QUEUE, "1", "again")
    again = await failure_of(world.engine, QUEUE, "1")
    await world.add(QUEUE, "low")
    await world.fail(QUEUE, "low", at=AT)
    await world.engine.requeue(batch_of(QUEUE, [item("low")], number=2, low_priority=True))
    await world.engine.requeue(batch_of(QUEUE, [again], number=3))
    assert await order(world, 2) == ["1", "low"]


async def test_a_job_that_is_rebuilt_at_low_priority_runs_after_live_ones(
    world: QueueWorld,
) -> None:
    batch = batch_of(QUEUE, [item("1")], low_priority=True)
    payload = Payload(data=b'{"n":1}', options=b"{}")
    await world.engine.requeue(batch)
    result = await world.engine.rebuild(batch, JobId("1"), "job", payload)
    assert result.answer is Answer.RECREATED
    await world.add(QUEUE, "live")
    assert await order(world, 2) == ["live", "1"]
