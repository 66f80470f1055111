"""A batch is moved in several calls of the script, each short, and all of it can be repeated."""

from __future__ import annotations

from typing import Any

import pytest

from redrive import faultpoints
from redrive.domain import Answer, JobId, JobState, Payload, RequeueBatch, TakenBack
from redrive.engines.bullmq.moving import CALL_JOBS
from redrive.faultpoints import Step
from tests.support.bullmq_batches import AT, answers, batch_of, item, taken, undo_of
from tests.support.bullmq_steps import QUEUE, next_jobs
from tests.support.bullmq_world import BullMQWorld

JOBS = 2 * CALL_JOBS + 1
EVALS = ("eval", "evalsha")
FIELDS: dict[Any, Any] = {"name": "job", "data": "{}", "opts": "{}", "failedReason": "down"}


class DiedError(Exception):
    """A runner was killed here."""


@pytest.fixture
def batch(world: BullMQWorld) -> RequeueBatch:
    """Failed jobs that one call does not take."""
    names = [f"j{number}" for number in range(JOBS)]
    leave_failed(world, *names)
    return batch_of(QUEUE, [item(name) for name in names])


def leave_failed(world: BullMQWorld, *names: str) -> None:
    """Failed jobs as a worker leaves them, without a worker."""
    with world.redis.pipeline() as pipe:
        for name in names:
            pipe.zadd(f"bull:{QUEUE}:failed", {name: AT.timestamp() * 1000})
            pipe.hset(f"bull:{QUEUE}:{name}", mapping=FIELDS)
        pipe.execute()


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes to a step between two calls for the second time."""
    left = 2

    def arrive(step: Step) -> None:
        nonlocal left
        if step is Step.PART_MOVED:
            left -= 1
            if left == 0:
                raise DiedError

    monkeypatch.setattr(faultpoints, "_arrival", arrive)


def calls(world: BullMQWorld) -> int:
    statistics = world.redis.info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in EVALS)


async def test_a_batch_is_moved_in_order_by_calls_of_a_bounded_size(
    world: BullMQWorld, batch: RequeueBatch
) -> None:
    one = batch_of(QUEUE, [item("gone")], number=2)
    await world.engine.requeue(one)
    world.redis.config_resetstat()
    results = await world.engine.requeue(batch)
    assert [result.job_id for result in results] == [one.job_id for one in batch.items]
    assert set(answers(results).values()) == {Answer.REQUEUED}
    assert calls(world) == 3
    assert await next_jobs(world, JOBS) == [one.job_id for one in batch.items]


async def test_a_batch_whose_runner_dies_between_two_calls_is_finished_and_nothing_moved_twice(
    world: BullMQWorld, batch: RequeueBatch, dies: None
) -> None:
    with pytest.raises(DiedError):
        await world.engine.requeue(batch)
    waiting = world.redis.llen(f"bull:{QUEUE}:wait")
    assert waiting == 2 * CALL_JOBS
    worked_off = await next_jobs(world, CALL_JOBS)
    for name in worked_off:
        world.redis.delete(f"bull:{QUEUE}:{name}", f"bull:{QUEUE}:{name}:lock")
        world.redis.lrem(f"bull:{QUEUE}:active", 1, name)
    results = await world.engine.requeue(batch)
    assert set(answers(results).values()) == {Answer.REQUEUED}
    assert world.redis.llen(f"bull:{QUEUE}:wait") == JOBS - CALL_JOBS


async def test_what_was_not_called_yet_can_be_withheld(
    world: BullMQWorld, batch: RequeueBatch, dies: None
) -> None:
    with pytest.raises(DiedError):
        await world.engine.requeue(batch)
    results = await world.engine.withhold(batch)
    assert [result.answer for result in results] == [Answer.REQUEUED] * (2 * CALL_JOBS) + [
        Answer.WITHHELD
    ]
    again = await world.engine.requeue(batch)
    assert again[-1].answer is Answer.WITHHELD
    assert await world.state(QUEUE, batch.items[-1].job_id) is JobState.FAILED


async def test_all_of_it_can_be_taken_back(
    world: BullMQWorld, batch: RequeueBatch, dies: None
) -> None:
    with pytest.raises(DiedError):
        await world.engine.requeue(batch)
    await world.engine.requeue(batch)
    results = await world.engine.take_back(undo_of(batch))
    assert set(taken(results).values()) == {TakenBack.TAKEN_BACK}
    assert world.redis.zcard(f"bull:{QUEUE}:failed") == JOBS
    assert world.redis.llen(f"bull:{QUEUE}:wait") == 0
    assert world.hash(QUEUE, "j0")["failedReason"] == "down"


async def test_a_job_that_is_there_after_all_leaves_what_is_kept_of_the_others(
    world: BullMQWorld,
) -> None:
    leave_failed(world, "1")
    batch = batch_of(QUEUE, [item("1"), item("2")])
    assert (await world.engine.requeue(batch))[1].answer is Answer.MISSING
    leave_failed(world, "2")
    payload = Payload(data=b"{}", options=b"{}")
    rebuilt = await world.engine.rebuild(batch, JobId("2"), "job", payload)
    assert rebuilt.answer is Answer.REQUEUED
    results = await world.engine.take_back(undo_of(batch))
    assert set(taken(results).values()) == {TakenBack.TAKEN_BACK}
