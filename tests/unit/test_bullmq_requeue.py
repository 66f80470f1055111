"""How BullMQ's own rules are kept when jobs are handed back."""

from __future__ import annotations

from typing import Any, cast

import pytest

from redrive.domain import Answer, JobId, JobState, Payload
from tests.support.bullmq_batches import all_failures, batch_of, item
from tests.support.bullmq_steps import QUEUE, failed, next_jobs, requeue
from tests.support.bullmq_world import BullMQWorld

RECEIPT = "redrive:op_1:1"


async def test_jobs_run_in_the_order_of_the_batch_after_those_that_wait_already(
    world: BullMQWorld,
) -> None:
    await failed(world, "a", "b", "c")
    await world.add(QUEUE, "first")
    await requeue(world, "b", "a", "c")
    assert await next_jobs(world, 4) == ["first", "b", "a", "c"]


async def test_a_lifo_job_runs_before_those_that_wait(world: BullMQWorld) -> None:
    await failed(world, "plain")
    await failed(world, "lifo", lifo=True)
    await requeue(world, "plain", "lifo")
    assert await next_jobs(world, 2) == ["lifo", "plain"]


async def test_prioritized_jobs_keep_their_priority_and_their_order(world: BullMQWorld) -> None:
    await failed(world, "low-1", "low-2", priority=9)
    await failed(world, "high", priority=2)
    await failed(world, "plain")
    await requeue(world, "low-1", "high", "low-2", "plain")
    assert await next_jobs(world, 4) == ["plain", "high", "low-1", "low-2"]


async def test_a_paused_queue_stays_silent_and_runs_the_job_after_it_is_resumed(
    world: BullMQWorld,
) -> None:
    await failed(world, "1")
    await world.queue(QUEUE).pause()
    world.redis.delete("bull:mail:marker")
    await requeue(world, "1")
    assert not world.redis.exists("bull:mail:marker")
    assert (await world.engine.counts(QUEUE)).paused
    await world.queue(QUEUE).resume()
    assert await next_jobs(world, 1) == ["1"]


@pytest.mark.parametrize(
    ("version", "already_there", "where"),
    [
        ("bullmq:6.7.0", False, "wait"),
        ("bullmq:6.7.0", True, "wait"),
        ("bullmq:5.81.5", False, "paused"),
        ("bullmq:5.81.5", True, "paused"),
        (None, False, "wait"),
        (None, True, "paused"),
    ],
)
async def test_a_paused_queue_gets_the_job_where_its_version_keeps_waiting_jobs(
    world: BullMQWorld, version: str | None, already_there: bool, where: str
) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:meta", mapping={"paused": "1"})
    if version:
        world.redis.hset("bull:mail:meta", "version", version)
    if already_there:
        world.redis.lpush("bull:mail:paused", "earlier")
    await requeue(world, "1")
    payload = Payload(data=b"{}", options=b"{}")
    batch = batch_of(QUEUE, [item("2")])
    await world.engine.rebuild(batch, JobId("2"), "job", payload)
    expected = ["2", "1", "earlier"] if already_there and where == "paused" else ["2", "1"]
    assert world.redis.lrange(f"bull:mail:{where}", 0, -1) == expected


async def test_a_queue_at_its_global_concurrency_is_not_woken(world: BullMQWorld) -> None:
    await failed(world, "1")
    await world.add(QUEUE, "busy")
    await world.start(QUEUE, "busy")
    await world.queue(QUEUE).setGlobalConcurrency(1)
    world.redis.delete("bull:mail:marker")
    await requeue(world, "1")
    assert not world.redis.exists("bull:mail:marker")


async def test_waiting_workers_are_woken_and_one_waiting_event_per_job_is_told(
    world: BullMQWorld,
) -> None:
    await failed(world, "1", "2")
    world.redis.delete("bull:mail:marker")
    await requeue(world, "1", "2")
    assert world.redis.zrange("bull:mail:marker", 0, -1, withscores=True) == [("0", 0.0)]
    told = cast("list[tuple[str, dict[str, str]]]", world.redis.xrange("bull:mail:events"))
    events = [fields for _, fields in told]
    assert events[-2:] == [
        {"event": "waiting", "jobId": "1", "prev": "failed"},
        {"event": "waiting", "jobId": "2", "prev": "failed"},
    ]


async def test_counters_of_attempts_and_stalls_begin_again(world: BullMQWorld) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:1", mapping={"stc": 3, "defa": "child failed", "ats": 4})
    await requeue(world, "1")
    record = world.hash(QUEUE, "1")
    gone = {"atm", "ats", "stc", "defa", "failedReason", "finishedOn", "processedOn"}
    assert gone & set(record) == set()
    assert record["redrive"] == "op_1:1"


async def test_a_retried_job_gets_as_many_attempts_as_a_new_one(world: BullMQWorld) -> None:
    await failed(world, "1", attempts=3)
    await requeue(world, "1")
    await world.start(QUEUE, "1")
    record = world.hash(QUEUE, "1")
    assert (record.get("atm"), record["ats"]) == (None, "1")


@pytest.mark.parametrize(
    ("option", "where"),
    [("failParentOnFailure", "unsuccessful"), ("continueParentOnFailure", "failed")],
)
async def test_a_child_goes_back_to_its_parents_dependencies(
    world: BullMQWorld, option: str, where: str
) -> None:
    await world.add("parents", "p")
    await failed(world, "child", parent={"id": "p", "queue": "bull:parents"}, **{option: True})
    parent = "bull:parents:p"
    assert world.redis.exists(f"{parent}:{where}")
    assert await requeue(world, "child") == {"child": Answer.REQUEUED}
    assert not world.redis.exists(f"{parent}:{where}")
    assert world.redis.smembers(f"{parent}:dependencies") == {"bull:mail:child"}


async def test_a_delayed_or_prioritized_job_is_live(world: BullMQWorld) -> None:
    await world.add(QUEUE, "delayed-job", delay=1_000_000)
    await world.add(QUEUE, "ranked-job", priority=3)
    assert set((await requeue(world, "delayed-job", "ranked-job")).values()) == {
        Answer.ALREADY_LIVE
    }
    assert await world.state(QUEUE, "delayed-job") is JobState.DELAYED
    assert await world.state(QUEUE, "ranked-job") is JobState.PRIORITIZED


async def test_a_job_in_an_old_paused_list_or_waiting_for_children_is_live(
    world: BullMQWorld,
) -> None:
    for job_id in ("a", "b"):
        world.redis.hset(f"bull:mail:{job_id}", mapping={"name": "job", "data": "{}"})
    world.redis.lpush("bull:mail:paused", "a")
    world.redis.zadd("bull:mail:waiting-children", {"b": 1})
    assert set((await requeue(world, "a", "b")).values()) == {Answer.ALREADY_LIVE}
    assert await world.state(QUEUE, "a") is JobState.PAUSED
    assert await world.state(QUEUE, "b") is JobState.WAITING_CHILDREN


@pytest.mark.parametrize("finished", [True, False])
async def test_a_leftover_record_that_no_list_knows_does_not_block_a_retry(
    world: BullMQWorld, finished: bool
) -> None:
    await failed(world, "1")
    world.redis.zrem("bull:mail:failed", "1")
    if not finished:
        world.redis.hdel("bull:mail:1", "finishedOn")
    assert await world.state(QUEUE, "1") is JobState.UNKNOWN
    assert await requeue(world, "1") == {"1": Answer.REQUEUED}
    assert await next_jobs(world, 1) == ["1"]


async def test_a_locked_job_is_active_though_no_list_has_it_yet(world: BullMQWorld) -> None:
    world.redis.hset("bull:mail:1", mapping={"name": "job", "data": "{}"})
    world.redis.set("bull:mail:1:lock", "token")
    assert await requeue(world, "1") == {"1": Answer.ALREADY_LIVE}
    assert await world.state(QUEUE, "1") is JobState.ACTIVE


async def test_looking_for_live_jobs_in_a_long_queue_is_bounded(world: BullMQWorld) -> None:
    for start in range(0, 300_000, 10_000):
        world.redis.rpush("bull:mail:wait", *(f"w{n}" for n in range(start, start + 10_000)))
    names = ["leftover-1", "w299999", "leftover-2"]
    for name in names:
        world.redis.hset(f"bull:mail:{name}", mapping={"name": "job", "data": "{}"})
    results = await world.engine.requeue(batch_of(QUEUE, [item(name) for name in names]))
    assert [result.answer for result in results] == [
        Answer.REQUEUED,
        Answer.ALREADY_LIVE,
        Answer.ALREADY_LIVE,
    ]
    assert results[1].detail == "the queue is too long to look for it"
    statuses = await world.engine.statuses(QUEUE, [JobId(name) for name in names[1:]])
    assert [status.state for status in statuses] == [JobState.WAITING, JobState.WAITING]


async def test_a_batch_larger_than_one_commands_arguments_is_moved_whole(
    world: BullMQWorld,
) -> None:
    count = 12_000
    pipe = world.redis.pipeline(transaction=False)
    pipe.zadd("bull:mail:failed", {f"j{number:05}": 1_700_000_000_000 for number in range(count)})
    for number in range(count):
        priority = {0: "0", 1: "5", 2: "0"}[number % 3]
        record: Any = {"name": "job", "data": "{}", "priority": priority, "opts": "{}"}
        pipe.hset(f"bull:mail:j{number:05}", mapping=record)
    pipe.execute()
    assert len(await all_failures(world.engine, QUEUE, page=6000)) == count
    names = [f"j{number:05}" for number in range(count)]
    assert set((await requeue(world, *names)).values()) == {Answer.REQUEUED}
    counts = (await world.engine.counts(QUEUE)).counts
    assert (counts[JobState.WAITING], counts[JobState.PRIORITIZED]) == (8000, 4000)
    assert counts[JobState.FAILED] == 0
    statuses = await world.engine.statuses(QUEUE, [JobId(name) for name in names[:9]])
    assert {status.state for status in statuses} == {JobState.WAITING, JobState.PRIORITIZED}
