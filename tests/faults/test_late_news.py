"""News that come late, twice, or of something else: what the follower makes of them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from redrive.domain import Answer, EntryState, JobState, Outcome
from redrive.engines.bullmq import failures
from tests.faults.replaced import Replaced, follower_of
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import OPERATOR, QUEUE, MakeRig, Rig
from tests.support.working import fail_some, run_all


async def settle_down(rig: Rig) -> None:
    """Everything that there is to hear, to scan and to check is."""
    for _ in range(2):
        await rig.hear()
        await rig.follower.scan()
        await rig.follower.check()


async def run_once(
    world: BullMQWorld, name: str, *, fails: bool, forgets: object = True, app: str = "acme"
) -> None:
    """A job is added, with ``forgets`` as its ``removeOnFail``, and runs; done, it is removed."""
    await world.add(QUEUE, name, {"app_id": app}, removeOnFail=forgets)
    if fails:
        await world.fail(QUEUE, name)
    else:
        await world.complete(QUEUE, name, keep=False)


async def test_a_job_that_is_dropped_at_once_a_second_time_is_failed_again(
    rig: Rig, world: BullMQWorld
) -> None:
    for fails in (True, False, True):
        await run_once(world, "nightly", fails=fails)
        await settle_down(rig)

    entry = await rig.entry("nightly")
    assert (entry.state, entry.failures) == (EntryState.FAILED, 2)


async def test_a_hand_over_whose_failure_was_dropped_is_failed_again(
    rig: Rig, world: BullMQWorld
) -> None:
    await run_once(world, "1", fails=True, forgets={"count": 1})
    await settle_down(rig)
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    await world.fail(QUEUE, "1")
    await run_once(world, "2", fails=True, forgets={"count": 1})
    assert await world.state(QUEUE, "1") is JobState.MISSING

    await settle_down(rig)

    (item,) = await rig.items(operation.operation_id)
    assert item.outcome is Outcome.FAILED_AGAIN
    assert (await rig.entry("1")).state is EntryState.FAILED


async def test_a_cleaning_does_not_lose_a_failure_that_was_only_announced(
    rig: Rig, world: BullMQWorld
) -> None:
    await run_once(world, "0", fails=False)
    await settle_down(rig)
    await run_once(world, "1", fails=True)
    await world.add(QUEUE, "2", {"app_id": "acme"})
    await world.complete(QUEUE, "2")
    assert await world.queue(QUEUE).clean(0, 100, "completed") == ["2"]

    await settle_down(rig)

    assert await rig.states() == {EntryState.FAILED: 1}


async def test_cleaning_nothing_takes_nothing_back(rig: Rig, world: BullMQWorld) -> None:
    await run_once(world, "1", fails=True)
    assert await world.queue(QUEUE).clean(60_000, 100, "failed") == []

    await settle_down(rig)

    assert await rig.states() == {EntryState.FAILED: 1}


async def test_failures_come_back_when_their_redis_comes_back(rig: Rig, world: BullMQWorld) -> None:
    await fail_some(world, 3)
    await settle_down(rig)
    client: Any = world.redis
    keys = client.keys("bull:*")
    for key in keys:
        client.rename(key, f"away:{key}")
    await rig.follower.check()
    assert await rig.states() == {EntryState.VANISHED: 3}
    for key in keys:
        client.rename(f"away:{key}", key)

    await settle_down(rig)

    assert await rig.states() == {EntryState.FAILED: 3}
    assert (await rig.entry("acme-0")).failures == 1
    await rig.check_counts()


@pytest.mark.parametrize("stream_goes_round", [True, False])
async def test_what_completed_elsewhere_while_it_was_claimed_is_kept_through_a_cancel(
    rig: Rig, world: BullMQWorld, stream_goes_round: bool
) -> None:
    (name,) = await fail_some(world, 1, forgets=True)
    await settle_down(rig)
    operation = await rig.start()
    await rig.claim(operation.operation_id, 1)
    await world.retry_elsewhere(QUEUE, name)
    assert await run_all(world) == {name: 1}
    await rig.hear()
    await rig.recovery.cancel(operation.operation_id, OPERATOR)
    await rig.runner.run(operation.operation_id)
    if stream_goes_round:
        world.redis.xtrim(world.key(QUEUE, "events"), maxlen=0)
    await settle_down(rig)

    assert (await rig.entry(name)).state is EntryState.RECOVERED
    await rig.check_counts()


async def test_an_announcement_that_a_sleeper_brings_late_does_not_undo_a_recovery(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    rig, name = make_rig(), "1"
    await world.add(QUEUE, name, {"app_id": "acme"}, forgets=True)
    await world.fail(QUEUE, name, at=rig.clock.now() - timedelta(milliseconds=50))
    once = iter([True])

    async def asleep(outcomes: Any, *given: Any) -> Any:
        found = await outcomes(*given)
        if next(once, False):
            await settle_down(rig)
            assert (await rig.entry(name)).state is EntryState.FAILED
            await world.retry_elsewhere(QUEUE, name)
            assert await run_all(world) == {name: 1}
            await settle_down(rig)
            assert (await rig.entry(name)).state is EntryState.RECOVERED
        return found

    await follower_of(rig, engine=Replaced(rig.engine, "outcomes", asleep)).hear()
    await settle_down(rig)

    entry = await rig.entry(name)
    assert (entry.state, entry.failures) == (EntryState.RECOVERED, 1)


async def test_a_failure_that_redis_has_lost_is_not_taken_for_the_completion_before_it(
    rig: Rig, world: BullMQWorld
) -> None:
    name, events = "nightly", world.key(QUEUE, "events")
    client: Any = world.redis
    await run_once(world, name, fails=False)
    await settle_down(rig)
    before = client.xinfo_stream(events)["last-generated-id"]
    await run_once(world, name, fails=True, forgets={"count": 9})
    await settle_down(rig)
    assert (await rig.entry(name)).state is EntryState.FAILED
    await world.remove(QUEUE, name)
    for event_id, _ in client.xrange(events, f"({before}"):
        client.xdel(events, event_id)

    assert (await rig.act(name)).answer is Answer.RECREATED


@pytest.mark.parametrize("heard", [True, False])
async def test_another_job_of_the_same_number_does_not_end_a_failure(
    rig: Rig, world: BullMQWorld, heard: bool
) -> None:
    """The library numbers jobs itself, and begins anew where a queue was obliterated."""
    await world.queue(QUEUE).add("job", {"app_id": "acme"}, {"removeOnFail": {"count": 9}})
    await world.fail(QUEUE, "1")
    await settle_down(rig)
    world.redis.flushall()
    await world.queue(QUEUE).add("job", {"app_id": "other"}, {"removeOnComplete": True})
    assert await run_all(world) == {"1": 1}
    if heard:
        await settle_down(rig)

    assert (await rig.entry("1")).state is EntryState.FAILED
    assert (await rig.act("1")).answer is Answer.RECREATED


async def test_a_numbered_job_that_another_tool_retried_has_completed(
    rig: Rig, world: BullMQWorld
) -> None:
    await world.queue(QUEUE).add("job", {"app_id": "acme"}, {"removeOnFail": {"count": 9}})
    await world.fail(QUEUE, "1")
    await settle_down(rig)
    await world.retry_elsewhere(QUEUE, "1")
    assert await run_all(world) == {"1": 1}

    assert (await rig.act("1")).answer is Answer.NOT_FAILED


async def test_what_another_follower_was_ahead_with_was_not_heard(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    slow, quick = make_rig(), make_rig()
    (name,) = await fail_some(world, 1)
    await settle_down(quick)
    await slow.follower.hear()
    operation = await quick.start()
    await quick.runner.run(operation.operation_id)
    await world.start(QUEUE, name)
    await quick.hear()
    await asyncio.sleep(2.3)
    await world.complete(QUEUE, name, keep=False)

    await slow.follower.hear()
    await slow.follower.check()

    assert (await quick.entry(name)).state is not EntryState.VANISHED


async def test_a_scan_goes_on_until_there_is_nothing_more_however_short_its_pages_are(
    rig: Rig, world: BullMQWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "PAGE_BYTES", 1)
    await fail_some(world, 12)

    assert await rig.follower.scan() == 12


async def test_a_time_beyond_all_calendars_does_not_silence_the_other_queues(
    rig: Rig, world: BullMQWorld
) -> None:
    await world.add("other", "1", {"app_id": "acme"})
    client: Any = world.redis
    odd = {"event": "active", "jobId": "1"}
    client.xadd(world.key("other", "events"), odd, id="999999999999999999-0")
    await run_once(world, "1", fails=True)

    await rig.follower.hear()

    assert await rig.states() == {EntryState.FAILED: 1}


async def test_a_name_that_no_database_takes_does_not_silence_the_other_queues(
    rig: Rig, world: BullMQWorld
) -> None:
    await fail_some(world, 1)
    world.redis.hset("bull:a\0b:meta", "version", "bullmq:5.0.0")
    world.redis.zadd("bull:a\0b:failed", {"1": 1_700_000_000_000})

    await rig.follower.scan()

    assert await rig.states() == {EntryState.FAILED: 1}


async def test_what_happens_in_a_queue_that_was_made_anew_by_a_clock_set_back_is_heard(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1, forgets=True)
    client: Any = world.redis
    tomorrow = int(time.time() * 1000) + 86_400_000
    event = {"event": "active", "jobId": "another"}
    client.xadd(world.key(QUEUE, "events"), event, id=f"{tomorrow}-0")
    await settle_down(rig)
    client.delete(world.key(QUEUE, "events"))
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    assert await run_all(world) == {name: 1}

    follower = follower_of(rig)
    await follower.hear()
    await follower.hear()

    assert (await rig.entry(name)).state is EntryState.RECOVERED
    assert (await rig.operation(operation.operation_id)).recovered == 1
