"""Jobs that the queue forgot by plan come back as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bullmq import Job

from redrive.domain import Answer, Failure, JobId, Payload
from tests.support.bullmq_batches import AT, batch_of, failure_of, item
from tests.support.bullmq_world import BullMQWorld

QUEUE = "mail"
OWN_FIELDS = {"redrive", "data"}


async def forgotten(world: BullMQWorld, data: object = None, **options: Any) -> Failure:
    """A job that failed and that its queue has then dropped."""
    await world.add(QUEUE, "1", data, forgets=True, **options)
    await world.fail(QUEUE, "1", at=AT)
    failure = await failure_of(world.engine, QUEUE, "1")
    await world.remove(QUEUE, "1")
    return failure


async def rebuild(world: BullMQWorld, failure: Failure, number: int = 1) -> Answer:
    assert failure.payload is not None
    batch = batch_of(QUEUE, [failure], number=number)
    result = await world.engine.rebuild(batch, failure.job_id, failure.job_name, failure.payload)
    return result.answer


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"priority": 7},
        {"lifo": True},
        {"attempts": 5, "backoff": {"type": "exponential", "delay": 1000}},
        {"delay": 5},
        {"stackTraceLimit": 3, "keepLogs": 9, "sizeLimit": 12345678901234},
    ],
)
async def test_a_rebuilt_job_has_the_record_that_it_had_when_it_was_added(
    world: BullMQWorld, options: dict[str, Any]
) -> None:
    await world.add(QUEUE, "1", {"app_id": "acme"}, forgets=True, **options)
    if "delay" in options:
        await (await _job(world)).promote()
    added = world.hash(QUEUE, "1")
    await world.fail(QUEUE, "1", at=AT)
    failure = await failure_of(world.engine, QUEUE, "1")
    await world.remove(QUEUE, "1")
    assert await rebuild(world, failure) is Answer.RECREATED
    rebuilt = world.hash(QUEUE, "1")
    for field in set(added) - OWN_FIELDS:
        assert rebuilt[field] == added[field], field
    assert set(rebuilt) - set(added) == {"redrive"}
    assert rebuilt["redrive"] == "op_1:1"
    assert rebuilt["data"] == '{"isRescan":true,"app_id":"acme"}'


async def _job(world: BullMQWorld) -> Any:
    return await Job.fromId(world.queue(QUEUE), "1")


@pytest.mark.parametrize(
    ("options", "order"),
    [({}, ["first", "1"]), ({"lifo": True}, ["1", "first"]), ({"priority": 2}, ["first", "1"])],
)
async def test_a_rebuilt_job_waits_where_a_new_one_would(
    world: BullMQWorld, options: dict[str, Any], order: list[str]
) -> None:
    failure = await forgotten(world, **options)
    await world.add(QUEUE, "first")
    await rebuild(world, failure)
    scripts = world.queue(QUEUE).scripts
    taken = [(await scripts.moveToActive("0", {"lockDuration": 1000}))[1] for _ in order]
    assert taken == order


async def test_options_and_data_come_back_byte_for_byte(world: BullMQWorld) -> None:
    options = b'{"attempts": 3,"big":123456789012345678901234567890,"removeOnFail": {"age":5}}'
    data = '{"n":12345678901234567890,"e":[],"o":{},"s":"\\u00e9é"}'
    payload = Payload(data=data.encode(), options=options)
    batch = batch_of(QUEUE, [item("1")], mark=False)
    result = await world.engine.rebuild(batch, JobId("1"), "job", payload)
    assert result.answer is Answer.RECREATED
    record = world.hash(QUEUE, "1")
    assert record["opts"] == options.decode()
    assert record["data"] == '{"isRescan":false,' + data[1:]


@pytest.mark.parametrize("options", [b"", b"null", b"[1]", b"{", b'{"a":"\\ud800"}', b"\xff"])
async def test_options_that_make_no_sense_do_not_stop_a_rebuild(
    world: BullMQWorld, options: bytes
) -> None:
    payload = Payload(data=b"not json", options=options, extra={"priority": "x", "parent": "{"})
    result = await world.engine.rebuild(batch_of(QUEUE, [item("1")]), JobId("1"), "", payload)
    assert result.answer is Answer.RECREATED


@pytest.mark.parametrize("name", ["failed", "completed"])
async def test_a_leftover_in_a_finished_set_does_not_block_a_rebuild(
    world: BullMQWorld, name: str
) -> None:
    failure = await forgotten(world)
    world.redis.zadd(f"bull:mail:{name}", {"1": 5})
    batch = batch_of(QUEUE, [failure])
    [result] = await world.engine.requeue(batch)
    assert result.answer is Answer.MISSING
    assert await rebuild(world, failure) is Answer.RECREATED
    assert world.redis.zcard(f"bull:mail:{name}") == 0
    assert world.redis.lrange("bull:mail:wait", 0, -1) == ["1"]


async def test_a_changed_priority_is_the_one_that_counts(world: BullMQWorld) -> None:
    await world.add(QUEUE, "1", forgets=True, priority=7)
    await (await _job(world)).changePriority({"priority": 3})
    await world.fail(QUEUE, "1", at=AT)
    failure = await failure_of(world.engine, QUEUE, "1")
    await world.remove(QUEUE, "1")
    await rebuild(world, failure)
    assert world.hash(QUEUE, "1")["priority"] == "3"
    score = world.redis.zscore("bull:mail:prioritized", "1")
    assert int(float(score or 0)) >> 32 == 3


async def test_a_child_is_tied_to_a_parent_that_still_waits_for_its_children(
    world: BullMQWorld,
) -> None:
    world.redis.hset("bull:parents:p", mapping={"name": "parent", "timestamp": "1"})
    world.redis.zadd("bull:parents:waiting-children", {"p": 1})
    world.redis.sadd("bull:parents:p:dependencies", "bull:mail:other")
    failure = await forgotten(world, parent={"id": "p", "queue": "bull:parents"})
    assert failure.payload is not None
    assert await rebuild(world, failure) is Answer.RECREATED
    record = world.hash(QUEUE, "1")
    assert record["parentKey"] == "bull:parents:p"
    assert record["parent"] == failure.payload.extra["parent"]
    assert json.loads(record["parent"]) == {"id": "p", "queueKey": "bull:parents"}
    assert world.redis.smembers("bull:parents:p:dependencies") == {
        "bull:mail:other",
        "bull:mail:1",
    }


async def test_a_child_that_its_parent_counts_as_failed_is_a_dependency_again(
    world: BullMQWorld,
) -> None:
    await world.add("parents", "p")
    failure = await forgotten(
        world, parent={"id": "p", "queue": "bull:parents"}, ignoreDependencyOnFailure=True
    )
    world.redis.hset("bull:parents:p:failed", "bull:mail:1", "boom")
    assert await rebuild(world, failure) is Answer.RECREATED
    assert world.redis.hgetall("bull:parents:p:failed") == {}
    assert world.redis.smembers("bull:parents:p:dependencies") == {"bull:mail:1"}


@pytest.mark.parametrize("parent_exists", [True, False])
async def test_a_child_is_rebuilt_without_the_tie_where_no_parent_waits_for_it(
    world: BullMQWorld, parent_exists: bool
) -> None:
    await world.add("parents", "p")
    failure = await forgotten(world, parent={"id": "p", "queue": "bull:parents"})
    world.redis.delete("bull:parents:p:dependencies")
    if not parent_exists:
        await world.remove("parents", "p")
    assert await rebuild(world, failure) is Answer.RECREATED
    assert "parentKey" not in world.hash(QUEUE, "1")
    assert not world.redis.exists("bull:parents:p:dependencies")


async def test_a_deduplicated_job_gives_way_to_the_one_that_holds_its_key(
    world: BullMQWorld,
) -> None:
    failure = await forgotten(world, deduplication={"id": "once"})
    await world.add(QUEUE, "other", deduplication={"id": "once"})
    assert await rebuild(world, failure) is Answer.ALREADY_LIVE
    assert not world.redis.exists("bull:mail:1")


@pytest.mark.parametrize("holder", ["1", "gone"])
async def test_a_deduplication_key_that_outlived_its_job_does_not_block_a_rebuild(
    world: BullMQWorld, holder: str
) -> None:
    failure = await forgotten(world, deduplication={"id": "once", "ttl": 1_000_000})
    world.redis.set("bull:mail:de:once", holder, px=1_000_000)
    assert await rebuild(world, failure) is Answer.RECREATED
    assert world.redis.get("bull:mail:de:once") == "1"
    assert world.redis.lrange("bull:mail:wait", 0, -1) == ["1"]


async def test_a_broken_key_of_the_queue_stops_a_rebuild_before_anything_is_changed(
    world: BullMQWorld,
) -> None:
    failure = await forgotten(world)
    world.redis.set("bull:mail:id", "no number")
    assert await rebuild(world, failure) is Answer.ERROR
    assert not world.redis.exists("bull:mail:1")


async def test_a_job_that_came_back_by_itself_is_taken_from_there_under_the_same_receipt(
    world: BullMQWorld,
) -> None:
    failure = await forgotten(world)
    await world.fail(QUEUE, "1", "again", at=AT)
    assert await rebuild(world, failure) is Answer.REQUEUED
    await world.complete(QUEUE, "1", keep=False)
    assert await rebuild(world, failure) is Answer.REQUEUED
    assert not world.redis.exists("bull:mail:1")


async def test_another_operation_may_rebuild_the_job_again(world: BullMQWorld) -> None:
    failure = await forgotten(world)
    assert await rebuild(world, failure, number=1) is Answer.RECREATED
    await world.remove(QUEUE, "1")
    assert await rebuild(world, failure, number=2) is Answer.RECREATED


@pytest.mark.parametrize(
    ("keep", "forgets"),
    [
        (True, True),
        (False, False),
        (0, True),
        (5, True),
        (-1, False),
        ({"count": 5}, True),
        ({"count": -1}, False),
        ({"age": 60}, True),
        ({}, False),
        ("yes", False),
        (None, False),
    ],
)
async def test_a_job_may_be_forgotten_where_its_options_keep_a_number_or_an_age(
    world: BullMQWorld, keep: object, forgets: bool
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    world.redis.hset("bull:mail:1", "opts", json.dumps({"removeOnFail": keep}))
    assert (await failure_of(world.engine, QUEUE, "1")).forgets is forgets
