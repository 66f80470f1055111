"""Failures, outcomes, counts and lists of real queues."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from redrive.domain import JobId, JobState, OutcomeKind, Stamp
from redrive.errors import BadCursor
from redrive.settings import Source
from tests.support.bullmq_batches import AT, all_failures, batch_of, failure_of, item
from tests.support.bullmq_world import BullMQWorld
from tests.support.servers import RedisServer

QUEUE = "mail"


@pytest.mark.parametrize(
    ("path", "data", "app_id"),
    [
        ("app_id", {"app_id": "acme"}, "acme"),
        ("app_id", {"app_id": 17}, "17"),
        ("app_id", {"app_id": True}, "true"),
        ("app_id", {"app_id": "  "}, QUEUE),
        ("app_id", {"app_id": None}, QUEUE),
        ("app_id", {"app_id": ["acme"]}, QUEUE),
        ("app_id", {}, QUEUE),
        ("app_id", ["acme"], QUEUE),
        ("app_id", "acme", QUEUE),
        ("app_id", {"app_id": "x" * 300}, "x" * 256),
        ("tenant.id", {"tenant": {"id": "acme"}}, "acme"),
        ("tenant.id", {"tenant": "acme"}, QUEUE),
    ],
)
async def test_the_app_is_what_the_path_into_the_data_names(
    redis_server: RedisServer, path: str, data: object, app_id: str
) -> None:
    world = BullMQWorld(redis_server, Source(app=path))
    await world.add(QUEUE, "1", data)
    await world.fail(QUEUE, "1")
    assert (await failure_of(world.engine, QUEUE, "1")).app_id == app_id
    await world.close()


async def test_a_queue_may_have_a_path_and_a_memory_of_its_own(redis_server: RedisServer) -> None:
    source = Source(app_by_queue={"mail": "client"}, forgetful=("ma*",))
    world = BullMQWorld(redis_server, source)
    for queue in ("mail", "billing"):
        await world.add(queue, "1", {"app_id": "by-default", "client": "by-queue"})
        await world.fail(queue, "1")
    mail = await failure_of(world.engine, "mail", "1")
    billing = await failure_of(world.engine, "billing", "1")
    assert (mail.app_id, mail.forgets) == ("by-queue", True)
    assert (billing.app_id, billing.forgets) == ("by-default", False)
    await world.close()


async def test_a_failure_has_its_times_attempts_and_the_newest_of_its_stacks(
    world: BullMQWorld,
) -> None:
    await world.add(QUEUE, "1", priority=4, timestamp=1_600_000_000_000)
    await world.fail(QUEUE, "1", at=AT, stack=["Error: first", "TypeError: last\n    at x"])
    failure = await failure_of(world.engine, QUEUE, "1")
    assert failure.failed_at == AT
    assert (failure.error_type, failure.stacktrace) == ("TypeError", "TypeError: last\n    at x")
    assert failure.created_at == AT - timedelta(milliseconds=100_000_000_000)
    assert failure.started_at is not None
    assert failure.payload is not None
    assert failure.payload.extra["priority"] == "4"


async def test_a_failure_tells_which_operation_moved_it_last(world: BullMQWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await world.engine.requeue(batch_of(QUEUE, [item("1", generation=3)], operation="op:x"))
    await world.fail(QUEUE, "1")
    stamp = Stamp(operation_id=batch_of(QUEUE, [], operation="op:x").operation_id, generation=3)
    assert (await failure_of(world.engine, QUEUE, "1")).stamp == stamp


@pytest.mark.parametrize("cursor", ["junk", ":", "x:y", "nan:1", "1", "٣:1"])
async def test_a_cursor_that_is_none_of_ours_reads_failures_from_the_beginning(
    world: BullMQWorld, cursor: str
) -> None:
    await world.fail(QUEUE, "1")
    failures, _ = await world.engine.failures(QUEUE, cursor, 10)
    assert [failure.job_id for failure in failures] == ["1"]


@pytest.mark.parametrize("gone", [True, False])
async def test_a_cursor_goes_on_among_thousands_of_one_millisecond(
    world: BullMQWorld, gone: bool
) -> None:
    names = sorted(f"é{number}" if number % 2 else f"Z{number}" for number in range(3000))
    names.sort(key=str.encode)
    scores: Any = dict.fromkeys(names, 1_700_000_000_000)
    world.redis.zadd("bull:mail:failed", {**scores, "before": 1, "after": 1_700_000_000_001})
    first, cursor = await world.engine.failures(QUEUE, "", 1501)
    assert first[-1].job_id == names[1499]
    if gone:
        world.redis.zrem("bull:mail:failed", names[1499], names[3], names[1500])
    rest = await world.engine.failures(QUEUE, cursor, 5000)
    expected = [*names[1501 if gone else 1500 :], "after"]
    assert [failure.job_id for failure in rest[0]] == expected


async def test_the_walk_misses_none_that_stays_while_others_come_and_go(
    world: BullMQWorld,
) -> None:
    scores: Any = {f"stays-{number}": number for number in range(2000)}
    world.redis.zadd("bull:mail:failed", scores)
    met: set[str] = set()
    cursor: str | None = ""
    rounds = 0
    while cursor is not None:
        statuses, cursor = await world.engine.failed_ids(QUEUE, cursor, 100)
        met |= {status.job_id for status in statuses}
        goes: Any = {f"goes-{rounds}-{number}": -number for number in range(50)}
        world.redis.zadd("bull:mail:failed", goes)
        if rounds % 2:
            world.redis.zrem("bull:mail:failed", *goes)
        rounds += 1
        assert rounds < 1000
    assert set(scores) <= met


async def test_outcomes_of_many_queues_are_read_at_once(world: BullMQWorld) -> None:
    await world.fail("mail", "1", "no route\0")
    await world.add("billing", "2")
    await world.complete("billing", "2")
    news = await world.engine.outcomes({"mail": "", "billing": "", "nobody": ""}, 100, 0)
    kinds = {queue: [outcome.kind for outcome in told] for queue, (told, _) in news.items()}
    assert kinds == {
        "mail": [OutcomeKind.ACTIVE, OutcomeKind.FAILED],
        "billing": [OutcomeKind.ACTIVE, OutcomeKind.COMPLETED],
    }
    assert news["mail"][0][1].error_message == "no route"
    cursors = {queue: cursor for queue, (_, cursor) in news.items()}
    assert await world.engine.outcomes(cursors, 100, 0) == {}


async def test_other_events_move_the_cursor_and_tell_nothing(world: BullMQWorld) -> None:
    await world.add(QUEUE, "1")
    told, cursor = (await world.engine.outcomes({QUEUE: ""}, 100, 0))[QUEUE]
    assert told == []
    assert await world.engine.outcomes({QUEUE: cursor}, 100, 0) == {}


@pytest.mark.parametrize("cursor", ["junk", "1", "-", "$"])
async def test_a_cursor_that_makes_no_sense_reads_from_the_beginning(
    world: BullMQWorld, cursor: str
) -> None:
    await world.fail(QUEUE, "1")
    told, _ = (await world.engine.outcomes({QUEUE: cursor}, 100, 0))[QUEUE]
    assert [outcome.kind for outcome in told] == [OutcomeKind.ACTIVE, OutcomeKind.FAILED]


async def test_a_queue_with_broken_events_does_not_silence_the_others(world: BullMQWorld) -> None:
    await world.fail("mail", "1")
    world.redis.set("bull:odd:events", "text")
    news = await world.engine.outcomes({"odd": "", "mail": ""}, 100, 0.01)
    assert list(news) == ["mail"]
    assert await world.engine.outcomes({"odd": ""}, 100, 0.01) == {}


async def test_events_that_make_no_sense_are_passed_over(world: BullMQWorld) -> None:
    for fields in ({"event": "completed"}, {"jobId": "1"}, {"x": "y", "event": "failed"}):
        made: Any = fields
        world.redis.xadd("bull:mail:events", made)
    world.redis.xadd("bull:mail:events", {"event": "completed", "jobId": "1"})
    told, _ = (await world.engine.outcomes({QUEUE: ""}, 100, 0))[QUEUE]
    assert [outcome.job_id for outcome in told] == ["1"]


async def test_a_wait_for_outcomes_leaves_other_calls_free_and_can_be_cancelled(
    world: BullMQWorld,
) -> None:
    await world.fail(QUEUE, "1")
    _, cursor = (await world.engine.outcomes({QUEUE: ""}, 100, 0))[QUEUE]
    waiting = asyncio.create_task(world.engine.outcomes({QUEUE: cursor}, 100, 60))
    assert await world.state(QUEUE, "1") is JobState.FAILED
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for _ in range(3):
        assert await world.state(QUEUE, "1") is JobState.FAILED


async def test_counts_know_every_state(world: BullMQWorld) -> None:
    await world.fail(QUEUE, "f")
    await world.add(QUEUE, "c")
    await world.complete(QUEUE, "c")
    await world.add(QUEUE, "a")
    await world.start(QUEUE, "a")
    await world.add(QUEUE, "w")
    await world.add(QUEUE, "d", delay=1_000_000)
    await world.add(QUEUE, "p", priority=1)
    world.redis.lpush("bull:mail:paused", "z")
    world.redis.zadd("bull:mail:waiting-children", {"h": 1})
    world.redis.hset("bull:mail:meta", "version", "bullmq:6.7.0")
    await world.queue(QUEUE).pause()
    counts = await world.engine.counts(QUEUE)
    assert set(counts.counts.values()) == {1}
    assert len(counts.counts) == 8
    assert (counts.paused, counts.library, counts.problem) == (True, "bullmq:6.7.0", None)


async def test_lists_show_the_next_to_run_or_the_newest_first(world: BullMQWorld) -> None:
    for number in range(3):
        await world.add(QUEUE, f"w{number}")
        await world.add(QUEUE, f"p{number}", priority=9 - number)
        await world.add(QUEUE, f"d{number}", delay=1_000_000 * (3 - number))
    first = {
        state: [job.job_id for job in (await world.engine.jobs(QUEUE, state, "", 2)).items]
        for state in (JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED)
    }
    assert first == {
        JobState.WAITING: ["w0", "w1"],
        JobState.PRIORITIZED: ["p2", "p1"],
        JobState.DELAYED: ["d2", "d1"],
    }
    second = await world.engine.jobs(QUEUE, JobState.WAITING, "2", 2)
    assert [job.job_id for job in second.items] == ["w2"]


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.DELAYED])
async def test_each_job_of_a_sorted_set_is_on_one_page_whatever_comes_and_goes(
    world: BullMQWorld, state: JobState
) -> None:
    key = f"bull:mail:{state.value}"
    ids = [f"j{number:02}" for number in range(20)]
    world.redis.zadd(key, {job_id: number // 7 for number, job_id in enumerate(ids)})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await world.engine.jobs(QUEUE, state, cursor, 3)
        seen += [job.job_id for job in page.items]
        cursor = page.next_cursor
        world.redis.zadd(key, {f"new{len(seen)}": 99 if state is JobState.FAILED else -1})
        world.redis.zrem(key, seen[-1])
    assert seen == (ids[::-1] if state is JobState.FAILED else ids)


@pytest.mark.parametrize("cursor", ["x", "-1", "1/", "1/x", "nan/6a", "/6a"])
async def test_a_cursor_that_was_made_up_is_refused(world: BullMQWorld, cursor: str) -> None:
    for state in (JobState.FAILED, JobState.WAITING):
        with pytest.raises(BadCursor):
            await world.engine.jobs(QUEUE, state, cursor, 3)


async def test_a_list_shows_jobs_without_a_record_and_a_broken_list_as_empty(
    world: BullMQWorld,
) -> None:
    world.redis.lpush("bull:mail:wait", "ghost", "odd")
    world.redis.set("bull:mail:odd", "text")
    jobs = (await world.engine.jobs(QUEUE, JobState.WAITING, "", 10)).items
    assert [(job.job_id, job.name) for job in jobs] == [("ghost", ""), ("odd", "")]
    world.redis.set("bull:mail:active", "text")
    assert (await world.engine.jobs(QUEUE, JobState.ACTIVE, "", 10)).items == []


async def test_statuses_of_no_jobs_are_none(world: BullMQWorld) -> None:
    assert await world.engine.statuses(QUEUE, []) == []
    world.redis.set("bull:mail:1", "text")
    [status] = await world.engine.statuses(QUEUE, [JobId("1")])
    assert status.state is JobState.UNKNOWN


async def test_failures_of_a_queue_that_fails_while_it_is_read_are_all_found(
    world: BullMQWorld,
) -> None:
    seen: list[str] = []
    cursor = ""
    for number in range(30):
        await world.fail(QUEUE, f"j{number}")
        if number % 3 == 0:
            page, cursor = await world.engine.failures(QUEUE, cursor, 2)
            seen += [failure.job_id for failure in page]
    rest = await all_failures(world.engine, QUEUE)
    while page := (await world.engine.failures(QUEUE, cursor, 7))[0]:
        _, cursor = await world.engine.failures(QUEUE, cursor, 7)
        seen += [failure.job_id for failure in page]
    assert seen == [failure.job_id for failure in rest]
    assert len(seen) == 30
