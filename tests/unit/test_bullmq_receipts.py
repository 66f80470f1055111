"""Receipts, payloads and names: what a hand-over leaves behind and what it leaves alone."""

from __future__ import annotations

import json

import pytest

from redrive.domain import Answer, JobId, JobState, Payload
from redrive.engines.bullmq.answers import RECEIPT_SECONDS
from redrive.engines.bullmq.moving import CALL_JOBS
from redrive.errors import RedriveError
from redrive.settings import Source
from tests.support.bullmq_batches import all_failures, batch_of, item
from tests.support.bullmq_steps import QUEUE, failed, next_jobs, requeue
from tests.support.bullmq_world import BullMQWorld
from tests.support.servers import RedisServer

RECEIPT = "redrive:op_1:1@0/{jobs}"
REBUILT = "redrive:op_1:1:1"


@pytest.mark.parametrize(
    "data",
    [
        '{"n":12345678901234567890,"f":1.0,"e":[],"o":{},"s":"\\u00e9 é 🎉"}',
        '{ "spaced" : [ ] }',
        "[1,2]",
        '"text"',
        "null",
        '{"blob":"' + "x" * 1_000_000 + '"}',
    ],
)
async def test_the_payload_survives_byte_for_byte(world: BullMQWorld, data: str) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:1", "data", data)
    await requeue(world, "1")
    mark = '{"isRescan":true,'
    expected = mark + data[1:] if data.startswith("{") else data
    assert world.raw_data(QUEUE, "1") == expected


async def test_an_empty_rescan_key_leaves_the_data_alone(redis_server: RedisServer) -> None:
    world = BullMQWorld(redis_server, Source(rescan_key=""))
    await failed(world, "1")
    await requeue(world, "1")
    assert await world.data(QUEUE, "1") == {"app_id": "acme"}
    await world.close()


async def test_the_receipt_lies_beside_the_queue_and_lives_for_a_day(world: BullMQWorld) -> None:
    await failed(world, "1")
    await requeue(world, "1", "gone")
    receipt = "bull:mail:" + RECEIPT.format(jobs=2)
    millis, letters = str(world.redis.get(receipt)).split(":")
    assert (letters, len(millis)) == ("RM", 13)
    assert RECEIPT_SECONDS - 60 < world.redis.ttl(receipt) <= RECEIPT_SECONDS


@pytest.mark.parametrize("receipt", ["1700000000000:RR", "1700000000000:", "R", "", "x:R", "1:?"])
async def test_a_receipt_of_another_batch_is_refused(world: BullMQWorld, receipt: str) -> None:
    await failed(world, "1")
    world.redis.set("bull:mail:" + RECEIPT.format(jobs=1), receipt)
    with pytest.raises(RedriveError, match="is not that of a batch of 1"):
        await requeue(world, "1")
    assert await world.state(QUEUE, "1") is JobState.FAILED


async def test_a_receipt_key_that_holds_something_else_is_refused(world: BullMQWorld) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:" + RECEIPT.format(jobs=1), "a", "b")
    with pytest.raises(RedriveError, match="REDRIVE_RECEIPT"):
        await requeue(world, "1")
    payload = Payload(data=b"{}", options=b"{}")
    world.redis.hset(f"bull:mail:{REBUILT}", "a", "b")
    with pytest.raises(RedriveError, match="REDRIVE_RECEIPT"):
        await world.engine.rebuild(batch_of(QUEUE, [item("1")]), JobId("1"), "job", payload)
    assert await world.state(QUEUE, "1") is JobState.FAILED


@pytest.mark.parametrize("library", ["bullmq:7.0.0", "bullmq:4.18.3", "bullmq-pro:7.1.0", "?"])
async def test_a_queue_of_an_unknown_library_version_is_not_touched(
    world: BullMQWorld, library: str
) -> None:
    await failed(world, "1")
    world.redis.hset("bull:mail:meta", "version", library)
    [result] = await world.engine.requeue(
        batch_of(
            QUEUE,
            [
                item("1"),
            ],
        )
    )
    assert result.answer is Answer.ERROR
    assert "not supported" in result.detail
    payload = Payload(data=b"{}", options=b"{}")
    batch = batch_of(QUEUE, [item("new")])
    rebuilt = await world.engine.rebuild(batch, JobId("new"), "job", payload)
    assert rebuilt.answer is Answer.ERROR
    assert not world.redis.exists("bull:mail:new")
    assert await world.state(QUEUE, "1") is JobState.FAILED


async def test_ids_with_dashes_spaces_colons_and_unicode_are_moved(world: BullMQWorld) -> None:
    names = ["a-b", "with space", "ключ-🎉", "{tag}", "percent%41", "quote'\"", "line\nbreak"]
    await failed(world, *names)
    found = await all_failures(world.engine, QUEUE, page=2)
    assert sorted(failure.job_id for failure in found) == sorted(names)
    assert set((await requeue(world, *names)).values()) == {Answer.REQUEUED}
    assert sorted(await next_jobs(world, len(names))) == sorted(names)


async def test_a_custom_prefix_with_a_hash_tag_is_used_for_every_key(
    redis_server: RedisServer,
) -> None:
    world = BullMQWorld(redis_server, Source(prefix="{shop}:q"))
    await failed(world, "1")
    await requeue(world, "1")
    assert await next_jobs(world, 1) == ["1"]
    assert all(str(key).startswith("{shop}:q:mail:") for key in world.redis.keys("*"))
    await world.close()


async def test_the_record_keeps_what_the_move_does_not_concern(world: BullMQWorld) -> None:
    await failed(world, "1", attempts=5, backoff={"type": "fixed", "delay": 1})
    before = world.hash(QUEUE, "1")
    await requeue(world, "1")
    after = world.hash(QUEUE, "1")
    for field in ("name", "opts", "timestamp", "priority", "delay", "stacktrace"):
        assert after[field] == before[field]
    assert json.loads(after["data"]) == {"isRescan": True, "app_id": "acme"}


async def test_a_call_that_fails_leaves_what_the_others_moved_moved(world: BullMQWorld) -> None:
    names = [str(number) for number in range(CALL_JOBS + 2)]
    for name in names:
        await failed(world, name)
    batch = batch_of(QUEUE, [item(name) for name in names])
    world.redis.hset(f"bull:mail:redrive:op_1:1@{CALL_JOBS}/{len(names)}", "a", "b")

    for _ in range(2):
        results = await world.engine.requeue(batch)
        assert [result.answer for result in results[:CALL_JOBS]] == [Answer.REQUEUED] * CALL_JOBS
        assert [result.answer for result in results[CALL_JOBS:]] == [Answer.ERROR] * 2
        assert "REDRIVE_RECEIPT" in results[-1].detail

    withheld = await world.engine.withhold(batch)
    assert [result.answer for result in withheld[:CALL_JOBS]] == [Answer.REQUEUED] * CALL_JOBS
    assert await world.state(QUEUE, names[-1]) is JobState.FAILED
