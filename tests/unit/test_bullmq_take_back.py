"""Jobs that nobody has started go back to where they were, in every state that BullMQ knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redrive.domain import Answer, JobId, JobState, Payload, TakenBack
from redrive.errors import RedriveError
from tests.support.bullmq_batches import answers, batch_of, item, taken, undo_of
from tests.support.bullmq_states import dump
from tests.support.bullmq_steps import QUEUE, failed, next_jobs
from tests.support.bullmq_world import BullMQWorld
from tests.support.servers import RedisServer


@pytest.fixture
async def world(redis_server: RedisServer) -> AsyncIterator[BullMQWorld]:
    made = BullMQWorld(redis_server)
    yield made
    await made.close()


def state_of(world: BullMQWorld) -> dict[str, Any]:
    """Everything in the queues' keys but events, markers and counters, which only go on."""
    state = dump(world.redis)
    for name in ("events", "marker", "pc", "meta", "id"):
        state.pop(f"bull:{QUEUE}:{name}", None)
    return state


async def moved(world: BullMQWorld, *names: str, **options: Any) -> Any:
    """A batch of failed jobs that was just moved."""
    batch = batch_of(QUEUE, [item(name) for name in names], **options)
    assert set(answers(await world.engine.requeue(batch)).values()) == {Answer.REQUEUED}
    return batch


OPTIONS: list[dict[str, Any]] = [
    {},
    {"priority": 7},
    {"lifo": True},
    {"attempts": 3},
    {"removeOnFail": {"count": 100}},
]


@pytest.mark.parametrize("low_priority", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("paused", [None, "bullmq:5.81.0", "bullmq:6.7.0"])
async def test_every_key_is_as_it_was_before_the_move(
    world: BullMQWorld, options: dict[str, Any], low_priority: bool, paused: str | None
) -> None:
    await failed(world, "a", "b", **options)
    world.redis.hset("bull:mail:a", mapping={"stc": 2, "defa": "child", "ats": 4, "atm": 3})
    world.redis.hset("bull:mail:b", "redrive", "op_0:4")
    await world.add(QUEUE, "live")
    if paused:
        world.redis.hset("bull:mail:meta", mapping={"paused": 1, "version": paused})
        if ":5." in paused:
            world.redis.rename("bull:mail:wait", "bull:mail:paused")
    before = state_of(world)
    batch = await moved(world, "a", "b", low_priority=low_priority)

    results = await world.engine.take_back(undo_of(batch))

    assert set(taken(results).values()) == {TakenBack.TAKEN_BACK}
    assert state_of(world) == before


@pytest.mark.parametrize(
    "data", ["{}", "{ }", '{"n":1}', '{"isRescan":"?","n":1}', '{"n":1,"isRescan": null}', "[1]"]
)
@pytest.mark.parametrize("mark", [True, False])
async def test_the_data_is_byte_for_byte_as_it_was(
    world: BullMQWorld, data: str, mark: bool
) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:1", "data", data)
    await world.engine.take_back(undo_of(await moved(world, "1", mark=mark)))
    assert world.raw_data(QUEUE, "1") == data


async def test_data_that_was_changed_since_stays_as_it_is(world: BullMQWorld) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    changed = '{"other":[1],"isRescan":true}'
    world.redis.hset("bull:mail:1", "data", changed)
    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": TakenBack.TAKEN_BACK}
    assert world.raw_data(QUEUE, "1") == changed


@pytest.mark.parametrize("score", ["1700000000000.5", "1e3", "-5"])
async def test_odd_finish_times_come_back_exactly(world: BullMQWorld, score: str) -> None:
    await failed(world, "1")
    world.redis.zadd("bull:mail:failed", {"1": float(score)})
    [status] = await world.engine.statuses(QUEUE, [JobId("1")])
    assert status.finished_at is not None
    batch = batch_of(QUEUE, [item("1", status.finished_at)])
    await world.engine.requeue(batch)
    await world.engine.take_back(undo_of(batch))
    assert world.redis.zscore("bull:mail:failed", "1") == float(score)


async def test_a_job_that_was_put_off_is_taken_out_of_the_delayed_ones(world: BullMQWorld) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    world.redis.lrem("bull:mail:wait", 0, "1")
    world.redis.zadd("bull:mail:delayed", {"1": 2**50})
    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": TakenBack.TAKEN_BACK}
    assert await world.state(QUEUE, "1") is JobState.FAILED
    assert not world.redis.exists("bull:mail:delayed")


@pytest.mark.parametrize(
    ("record", "lock"),
    [({"ats": "1"}, False), ({"processedOn": "5"}, False), ({"atm": "1"}, False), ({}, True)],
    ids=str,
)
async def test_a_job_that_a_worker_has_had_is_left_even_if_it_waits_again(
    world: BullMQWorld, record: dict[str, str], lock: bool
) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    for field, value in record.items():
        world.redis.hset("bull:mail:1", field, value)
    if lock:
        world.redis.set("bull:mail:1:lock", "token")
    before = state_of(world)
    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": TakenBack.STARTED}
    assert state_of(world) == before


async def test_a_job_that_was_removed_and_added_anew_by_somebody_is_left(
    world: BullMQWorld,
) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    await world.remove(QUEUE, "1")
    await world.add(QUEUE, "1", {"other": True})
    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": TakenBack.CHANGED}
    assert await next_jobs(world, 1) == ["1"]


async def test_a_job_in_none_of_its_queues_lists_is_left(world: BullMQWorld) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    world.redis.lrem("bull:mail:wait", 0, "1")
    [result] = await world.engine.take_back(undo_of(batch))
    assert (result.answer, result.detail) == (
        TakenBack.LEFT,
        "it is in none of its queue's lists",
    )


async def test_jobs_between_live_ones_leave_them_in_their_order(world: BullMQWorld) -> None:
    names = [f"r{number}" for number in range(6)]
    await failed(world, *names)
    batches = []
    for number, name in enumerate(names, 1):
        batches.append(await moved(world, name, number=number))
        await world.add(QUEUE, f"live-{number}")
    for number, batch in enumerate(batches):
        undo = undo_of(batch, number=100 + number)
        assert set(taken(await world.engine.take_back(undo)).values()) == {TakenBack.TAKEN_BACK}
    assert await next_jobs(world, 6) == [f"live-{number}" for number in range(1, 7)]


async def test_jobs_at_either_end_of_a_very_long_queue_are_found_and_those_between_are_left(
    world: BullMQWorld,
) -> None:
    await failed(world, "old", "middle", "new")
    await failed(world, "lifo", lifo=True)
    batch = await moved(world, "old", "middle", "new", "lifo")
    filler = [f"w{number}" for number in range(120_000)]
    world.redis.delete("bull:mail:wait")
    order = ["new", *filler[:60_000], "middle", *filler[60_000:], "old", "lifo"]
    for first in range(0, len(order), 10_000):
        world.redis.rpush("bull:mail:wait", *order[first : first + 10_000])

    results = await world.engine.take_back(undo_of(batch))

    assert [result.answer for result in results] == [
        TakenBack.TAKEN_BACK,
        TakenBack.LEFT,
        TakenBack.TAKEN_BACK,
        TakenBack.TAKEN_BACK,
    ]
    assert results[1].detail == "the queue is too long to look for it"
    left = world.redis.lrange("bull:mail:wait", 0, -1)
    assert left == [*filler[:60_000], "middle", *filler[60_000:]]


async def test_a_whole_batch_between_many_live_jobs_is_taken_back(world: BullMQWorld) -> None:
    names = [f"r{number}" for number in range(1000)]
    pipe = world.redis.pipeline(transaction=False)
    for name in names:
        pipe.zadd("bull:mail:failed", {name: 1_700_000_000_000})
        pipe.hset(f"bull:mail:{name}", mapping={"name": "job", "data": "{}", "opts": "{}"})
    pipe.execute()
    batch = await moved(world, *names)
    world.redis.lpush("bull:mail:wait", *(f"w{number}" for number in range(20_000)))
    results = await world.engine.take_back(undo_of(batch))
    assert set(taken(results).values()) == {TakenBack.TAKEN_BACK}
    assert world.redis.llen("bull:mail:wait") == 20_000
    assert world.redis.zcard("bull:mail:failed") == 1000


async def test_nothing_is_told_in_the_event_stream(world: BullMQWorld) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    before = world.redis.xlen("bull:mail:events")
    await world.engine.take_back(undo_of(batch))
    assert world.redis.xlen("bull:mail:events") == before


async def test_what_is_kept_goes_after_a_day_and_then_jobs_are_left(world: BullMQWorld) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    kept = "bull:mail:redrive:before:op_1:1"
    assert 86_000 < world.redis.ttl(kept) <= 86_400
    world.redis.delete(kept)
    [result] = await world.engine.take_back(undo_of(batch))
    assert result.answer is TakenBack.LEFT
    assert result.detail == "what the job was before is not kept any more"
    assert await next_jobs(world, 1) == ["1"]


async def test_a_long_error_is_cut_where_it_is_kept(world: BullMQWorld) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:1", "failedReason", "x" * 10_000)
    await world.engine.take_back(undo_of(await moved(world, "1")))
    assert world.hash(QUEUE, "1")["failedReason"] == "x" * 4096


@pytest.mark.parametrize(
    ("option", "where"),
    [("failParentOnFailure", "unsuccessful"), ("continueParentOnFailure", "failed")],
)
async def test_a_child_is_failed_for_its_parent_again(
    world: BullMQWorld, option: str, where: str
) -> None:
    await world.add("parents", "p")
    await failed(world, "child", parent={"id": "p", "queue": "bull:parents"}, **{option: True})
    before = state_of(world)
    batch = await moved(world, "child")
    assert taken(await world.engine.take_back(undo_of(batch))) == {"child": TakenBack.TAKEN_BACK}
    assert world.redis.exists(f"bull:parents:p:{where}")
    assert state_of(world) == before


async def test_the_last_child_for_which_a_parent_waits_is_left_to_it(world: BullMQWorld) -> None:
    await world.add("parents", "p")
    parent = {"id": "p", "queue": "bull:parents"}
    await failed(world, "a", "b", parent=parent, continueParentOnFailure=True)
    batch = await moved(world, "a", "b")
    world.redis.zadd("bull:parents:waiting-children", {"p": 1})
    results = await world.engine.take_back(undo_of(batch))
    assert taken(results) == {"a": TakenBack.TAKEN_BACK, "b": TakenBack.LEFT}
    assert results[1].detail == "its parent waits for it"
    assert world.redis.smembers("bull:parents:p:dependencies") == {"bull:mail:b"}


async def test_a_rebuilt_job_gives_its_deduplication_key_back(world: BullMQWorld) -> None:
    batch = batch_of(QUEUE, [item("1")])
    await world.engine.requeue(batch)
    payload = Payload(data=b"{}", options=b'{"de":{"id":"once"}}', extra={"deid": "once"})
    await world.engine.rebuild(batch, JobId("1"), "job", payload)
    assert world.redis.get("bull:mail:de:once") == "1"
    undo = undo_of(batch, remove=True)
    assert taken(await world.engine.take_back(undo)) == {"1": TakenBack.TAKEN_BACK}
    assert not world.redis.exists("bull:mail:1", "bull:mail:de:once", "bull:mail:wait")


async def test_a_rebuilt_child_is_left(world: BullMQWorld) -> None:
    await world.add("parents", "p")
    await failed(world, "1", parent={"id": "p", "queue": "bull:parents"}, failParentOnFailure=True)
    [failure] = await world.engine.failures_of(QUEUE, [JobId("1")])
    assert failure.payload is not None
    world.redis.zrem("bull:mail:failed", "1")
    world.redis.delete("bull:mail:1")
    batch = batch_of(QUEUE, [failure])
    await world.engine.requeue(batch)
    await world.engine.rebuild(batch, JobId("1"), "job", failure.payload)
    [result] = await world.engine.take_back(undo_of(batch, remove=True))
    assert result.answer is TakenBack.LEFT
    assert await next_jobs(world, 1) == ["1"]


@pytest.mark.parametrize(
    ("key", "answer"), [("wait", TakenBack.ERROR), ("meta-version", TakenBack.ERROR)]
)
async def test_a_queue_that_is_not_the_librarys_is_not_touched(
    world: BullMQWorld, key: str, answer: TakenBack
) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    if key == "wait":
        world.redis.delete("bull:mail:wait")
        world.redis.set("bull:mail:wait", "text")
    else:
        world.redis.hset("bull:mail:meta", "version", "bullmq:99.0.0")
    before = state_of(world)
    assert taken(await world.engine.take_back(undo_of(batch))) == {"1": answer}
    assert state_of(world) == before


async def test_a_foreign_receipt_is_an_error_and_nothing_changes(world: BullMQWorld) -> None:
    await failed(world, "1")
    batch = await moved(world, "1")
    world.redis.set("bull:mail:redrive:undo:op_1:1000", "5:TT")
    with pytest.raises(RedriveError, match="not that of a batch of 1"):
        await world.engine.take_back(undo_of(batch))
    world.redis.delete("bull:mail:redrive:undo:op_1:1000")
    world.redis.lpush("bull:mail:redrive:undo:op_1:1000", "x")
    with pytest.raises(RedriveError, match="holds something else"):
        await world.engine.take_back(undo_of(batch))
    assert await next_jobs(world, 1) == ["1"]
