"""How every engine takes moved jobs back (``redrive.ports.Engine.take_back``)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redrive.domain import Answer, JobId, JobState, Payload, TakenBack
from redrive.errors import EngineUnavailable
from tests.support.bullmq_batches import (
    AT,
    answers,
    batch_of,
    failure_of,
    item,
    taken,
    undo_of,
    walk,
)
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


async def state(world: QueueWorld, job_id: str) -> JobState:
    [status] = await world.engine.statuses(QUEUE, [JobId(job_id)])
    return status.state


@pytest.mark.parametrize("low_priority", [False, True])
async def test_a_job_that_waits_is_failed_again_as_the_same_occurrence(
    world: QueueWorld, low_priority: bool
) -> None:
    await world.fail(QUEUE, "1", "the cause", at=AT)
    before = await failure_of(world.engine, QUEUE, "1")
    batch = batch_of(QUEUE, [item("1")], low_priority=low_priority)
    await world.engine.requeue(batch)

    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": TakenBack.TAKEN_BACK}

    assert await failure_of(world.engine, QUEUE, "1") == before
    assert await world.take(QUEUE) is None
    assert await walk(world.engine, QUEUE, 10) == ["1"]


async def test_every_starting_state_is_answered_in_the_order_of_the_items(
    world: QueueWorld,
) -> None:
    names = ["started", "done", "failed-again", "removed", "moved-again", "waits"]
    for name in names:
        await world.fail(QUEUE, name, at=AT)
    batch = batch_of(QUEUE, [item(name) for name in names])
    await world.engine.requeue(batch)
    await world.complete(QUEUE, "done")
    await world.fail(QUEUE, "failed-again", "other")
    await world.remove(QUEUE, "removed")
    await world.fail(QUEUE, "moved-again")
    again = await failure_of(world.engine, QUEUE, "moved-again")
    await world.engine.requeue(batch_of(QUEUE, [again], operation="op_2"))
    while await state(world, "started") is not JobState.ACTIVE:
        await world.start(QUEUE, "started")
    states = {name: await state(world, name) for name in names}

    results = await world.engine.take_back(undo_of(batch))

    assert [result.job_id for result in results] == names
    expected = {
        "started": TakenBack.STARTED,
        "done": TakenBack.STARTED,
        "failed-again": TakenBack.STARTED,
        "removed": TakenBack.MISSING,
        "moved-again": TakenBack.CHANGED,
    }
    answered = taken(results)
    if states["waits"] is JobState.WAITING:
        expected["waits"] = TakenBack.TAKEN_BACK
        states["waits"] = JobState.FAILED
    else:  # a real worker takes the jobs before the one that it is asked for
        expected["waits"] = TakenBack.STARTED
    assert answered == expected
    assert {name: await state(world, name) for name in names} == states


async def test_a_job_that_was_taken_back_can_be_retried_again(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1")])
    await world.engine.requeue(batch)
    await world.engine.take_back(undo_of(batch))
    again = batch_of(QUEUE, [item("1", generation=2)], operation="op_2")
    assert answers(await world.engine.requeue(again)) == {"1": Answer.REQUEUED}
    assert await world.take(QUEUE) == "1"


async def test_called_again_it_answers_the_same_and_changes_nothing(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1"), item("gone")])
    await world.engine.requeue(batch)
    first = await world.engine.take_back(undo_of(batch))
    await world.retry_elsewhere(QUEUE, "1")
    assert await world.engine.take_back(undo_of(batch)) == first
    assert await world.take(QUEUE) == "1"


async def test_jobs_of_another_batch_are_left(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    moved = batch_of(QUEUE, [item("1")], number=1)
    await world.engine.requeue(moved)
    other = undo_of(batch_of(QUEUE, [item("1")], number=2))
    assert taken(await world.engine.take_back(other)) == {"1": TakenBack.LEFT}
    assert await world.take(QUEUE) == "1"


async def test_a_job_of_another_generation_is_not_touched(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await world.engine.requeue(batch_of(QUEUE, [item("1", generation=1)]))
    undo = undo_of(batch_of(QUEUE, [item("1", generation=2)]))
    assert taken(await world.engine.take_back(undo)) == {"1": TakenBack.CHANGED}
    assert await world.take(QUEUE) == "1"


async def test_a_job_that_was_created_anew_is_removed_again_where_it_may_be(
    world: QueueWorld,
) -> None:
    batch = batch_of(QUEUE, [item("kept"), item("removed")])
    await world.engine.requeue(batch)
    payload = Payload(data=b'{"n":1}', options=b"{}")
    for name in ("kept", "removed"):
        await world.engine.rebuild(batch, JobId(name), "job", payload)
    kept = undo_of(batch_of(QUEUE, [item("kept")]))
    removed = undo_of(batch_of(QUEUE, [item("removed")]), number=1001, remove=True)

    assert taken(await world.engine.take_back(kept)) == {"kept": TakenBack.LEFT}
    first = await world.engine.take_back(removed)

    assert taken(first) == {"removed": TakenBack.TAKEN_BACK}
    assert await state(world, "removed") is JobState.MISSING
    assert await world.engine.take_back(removed) == first
    assert [await world.take(QUEUE), await world.take(QUEUE)] == ["kept", None]


async def test_a_resynced_job_that_had_completed_is_completed_again(world: QueueWorld) -> None:
    await world.add(QUEUE, "1")
    await world.complete(QUEUE, "1")
    [before] = await world.engine.statuses(QUEUE, [JobId("1")])
    batch = batch_of(QUEUE, [item("1")], mark=False, take_finished=True)
    await world.engine.requeue(batch)
    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": TakenBack.TAKEN_BACK}
    assert await world.engine.statuses(QUEUE, [JobId("1")]) == [before]


async def test_an_engine_that_is_away_takes_nothing_back() -> None:
    world = MemoryWorld()
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1")])
    await world.engine.requeue(batch)
    world.engine.away = True
    with pytest.raises(EngineUnavailable):
        await world.engine.take_back(undo_of(batch))
    world.engine.away = False
    assert await world.take(QUEUE) == "1"
