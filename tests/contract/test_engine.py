"""What every engine must tell, whatever it is made of (``redrive.ports.Engine``)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from redrive.domain import JobId, JobState, OutcomeKind
from tests.support.bullmq_batches import (
    AT,
    failure_of,
    walk,
)
from tests.support.bullmq_world import QueueWorld

QUEUE = "mail"


async def test_check_accepts_a_supported_queue_system(world: QueueWorld) -> None:
    await world.engine.check()


async def test_queues_are_listed_by_name_as_soon_as_they_have_a_job(world: QueueWorld) -> None:
    assert await world.engine.queues() == []
    await world.add("mail", "1")
    await world.add("billing", "1")
    assert await world.engine.queues() == ["billing", "mail"]
    assert world.engine.problems() == {}


async def test_a_failure_tells_everything_that_is_known_of_it(world: QueueWorld) -> None:
    await world.add(QUEUE, "42", {"app_id": "globex", "n": [1, {}]}, forgets=True)
    await world.fail(QUEUE, "42", "no route to host", at=AT)
    failure = await failure_of(world.engine, QUEUE, "42")
    assert (failure.source, failure.queue, failure.job_id) == ("default", QUEUE, "42")
    assert (failure.app_id, failure.job_name, failure.failed_at) == ("globex", "job", AT)
    assert (failure.error_type, failure.error_message) == ("Error", "no route to host")
    assert failure.stacktrace == "Error: no route to host"
    assert (failure.attempts_made, failure.forgets, failure.defect) == (1, True, None)
    assert failure.stamp is None
    assert failure.created_at is not None
    assert failure.payload is not None
    assert failure.payload.data == b'{"app_id":"globex","n":[1,{}]}'
    assert failure.data_size == len(failure.payload.data)


async def test_a_job_without_an_app_belongs_to_the_app_named_as_its_queue(
    world: QueueWorld,
) -> None:
    await world.add(QUEUE, "1", {"n": 1})
    await world.fail(QUEUE, "1")
    assert (await failure_of(world.engine, QUEUE, "1")).app_id == QUEUE


async def test_failures_come_oldest_first_and_the_cursor_goes_on_where_a_page_ended(
    world: QueueWorld,
) -> None:
    for number in (3, 1, 2):
        await world.fail(QUEUE, f"j{number}", at=AT + timedelta(seconds=number))
    first, cursor = await world.engine.failures(QUEUE, "", 2)
    assert [failure.job_id for failure in first] == ["j1", "j2"]
    rest, cursor = await world.engine.failures(QUEUE, cursor, 2)
    assert [failure.job_id for failure in rest] == ["j3"]
    assert await world.engine.failures(QUEUE, cursor, 2) == ([], cursor)
    await world.fail(QUEUE, "j4", at=AT + timedelta(seconds=4))
    latest, _ = await world.engine.failures(QUEUE, cursor, 2)
    assert [failure.job_id for failure in latest] == ["j4"]


async def test_failures_of_one_millisecond_are_all_found_even_if_the_last_seen_one_is_gone(
    world: QueueWorld,
) -> None:
    for number in range(9):
        await world.fail(QUEUE, f"j{number}", at=AT)
    first, cursor = await world.engine.failures(QUEUE, "", 4)
    await world.remove(QUEUE, first[-1].job_id)
    await world.remove(QUEUE, first[0].job_id)
    rest, cursor = await world.engine.failures(QUEUE, cursor, 100)
    assert [failure.job_id for failure in first] == ["j0", "j1", "j2", "j3"]
    assert [failure.job_id for failure in rest] == ["j4", "j5", "j6", "j7", "j8"]


async def test_failures_of_an_unknown_queue_are_none(world: QueueWorld) -> None:
    assert await world.engine.failures("nobody", "", 10) == ([], "")
    assert await world.engine.failed_ids("nobody", "", 10) == ([], None)


async def test_named_failures_leave_out_what_is_not_failed(world: QueueWorld) -> None:
    await world.fail(QUEUE, "job-failed")
    await world.add(QUEUE, "job-waiting")
    names = [JobId("job-waiting"), JobId("job-failed"), JobId("unknown")]
    found = await world.engine.failures_of(QUEUE, names)
    assert [failure.job_id for failure in found] == ["job-failed"]


async def test_a_walk_over_failed_ids_finds_every_one_whatever_their_finish_times(
    world: QueueWorld,
) -> None:
    for number in range(300):
        await world.fail(QUEUE, f"j{number:03}", at=AT - timedelta(seconds=number % 7))
    met = await walk(world.engine, QUEUE, 50)
    assert sorted(set(met)) == [f"j{number:03}" for number in range(300)]


async def test_failed_ids_come_with_their_finish_times(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    [status], _ = await world.engine.failed_ids(QUEUE, "", 10)
    assert (status.job_id, status.state, status.finished_at) == ("1", JobState.FAILED, AT)


async def test_statuses_tell_where_each_named_job_is_in_the_order_of_the_names(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "job-failed", at=AT)
    await world.add(QUEUE, "job-done")
    await world.complete(QUEUE, "job-done")
    await world.add(QUEUE, "job-active")
    await world.start(QUEUE, "job-active")
    await world.add(QUEUE, "job-waiting")
    names = ["job-waiting", "job-gone", "job-failed", "job-active", "job-done"]
    statuses = await world.engine.statuses(QUEUE, [JobId(name) for name in names])
    assert [status.job_id for status in statuses] == names
    assert [status.state for status in statuses] == [
        JobState.WAITING,
        JobState.MISSING,
        JobState.FAILED,
        JobState.ACTIVE,
        JobState.COMPLETED,
    ]
    assert statuses[2].finished_at == AT
    assert statuses[4].finished_at is not None
    assert statuses[0].finished_at is None


async def test_outcomes_tell_what_happened_since_the_cursor_oldest_first(
    world: QueueWorld,
) -> None:
    await world.add(QUEUE, "1")
    news = await world.engine.outcomes({QUEUE: ""}, 100, 0)
    cursor = news[QUEUE][1] if news else ""
    await world.fail(QUEUE, "1", "boom")
    await world.retry_elsewhere(QUEUE, "1")
    await world.start(QUEUE, "1")
    await world.complete(QUEUE, "1", keep=False)
    told, _ = (await world.engine.outcomes({QUEUE: cursor}, 100, 0))[QUEUE]
    kinds = [outcome.kind for outcome in told if outcome.kind is not OutcomeKind.ACTIVE]
    assert kinds == [OutcomeKind.FAILED, OutcomeKind.COMPLETED]
    assert {outcome.job_id for outcome in told} == {"1"}
    assert [outcome.at for outcome in told] == sorted(outcome.at for outcome in told)
    assert [o.error_message for o in told if o.kind is OutcomeKind.FAILED] == ["boom"]


async def test_outcomes_are_read_in_pages_and_never_twice(world: QueueWorld) -> None:
    for number in range(5):
        await world.fail(QUEUE, f"j{number}")
    cursor, seen = "", []
    while news := await world.engine.outcomes({QUEUE: cursor}, 2, 0):
        told, cursor = news[QUEUE]
        seen += [outcome.job_id for outcome in told if outcome.kind is OutcomeKind.FAILED]
    assert seen == ["j0", "j1", "j2", "j3", "j4"]


async def test_waiting_for_outcomes_ends_when_something_happens(world: QueueWorld) -> None:
    await world.add(QUEUE, "1")
    news = await world.engine.outcomes({QUEUE: ""}, 100, 0)
    cursor = news[QUEUE][1] if news else ""
    waiting = asyncio.create_task(world.engine.outcomes({QUEUE: cursor}, 100, 30))
    await asyncio.sleep(0)
    await world.start(QUEUE, "1")
    told, _ = (await asyncio.wait_for(waiting, 20))[QUEUE]
    assert [(outcome.job_id, outcome.kind) for outcome in told] == [("1", OutcomeKind.ACTIVE)]


async def test_waiting_for_outcomes_ends_after_its_time_with_nothing(world: QueueWorld) -> None:
    assert await world.engine.outcomes({QUEUE: ""}, 100, 0.01) == {}
    assert await world.engine.outcomes({}, 100, 0.01) == {}


async def test_counts_and_lists_tell_the_same(world: QueueWorld) -> None:
    for number in range(3):
        await world.fail(QUEUE, f"f{number}", at=AT + timedelta(seconds=number))
    await world.add(QUEUE, "job-done")
    await world.complete(QUEUE, "job-done")
    await world.add(QUEUE, "w1")
    await world.add(QUEUE, "w2")
    counts = await world.engine.counts(QUEUE)
    assert (counts.source, counts.queue, counts.paused) == ("default", QUEUE, False)
    assert (counts.counts[JobState.FAILED], counts.counts[JobState.WAITING]) == (3, 2)
    newest = await world.engine.jobs(QUEUE, JobState.FAILED, "", 2)
    assert [job.job_id for job in newest.items] == ["f2", "f1"]
    assert newest.next_cursor is not None
    next_to_run = await world.engine.jobs(QUEUE, JobState.WAITING, "", 1)
    assert [job.job_id for job in next_to_run.items] == ["w1"]
    assert next_to_run.next_cursor is not None
    rest = await world.engine.jobs(QUEUE, JobState.WAITING, next_to_run.next_cursor, 1)
    assert ([job.job_id for job in rest.items], rest.next_cursor) == (["w2"], None)
    await world.fail(QUEUE, "f3", at=AT + timedelta(seconds=9))
    oldest = await world.engine.jobs(QUEUE, JobState.FAILED, newest.next_cursor, 2)
    assert [job.job_id for job in oldest.items] == ["f0"]
    assert oldest.next_cursor is None
    assert oldest.items[0].error_message == "boom"
    assert oldest.items[0].finished_at == AT


async def test_those_are_completed_whose_last_outcome_says_so(world: QueueWorld) -> None:
    for name in ("done", "removed since", "failed since", "started since"):
        await world.add(QUEUE, name, forgets=True)
        await world.complete(QUEUE, name, keep=name == "removed since")
    await world.remove(QUEUE, "removed since")
    await world.add(QUEUE, "failed since", forgets=True)
    await world.fail(QUEUE, "failed since", at=AT - timedelta(days=9))
    await world.add(QUEUE, "started since")
    await world.start(QUEUE, "started since")
    await world.fail(QUEUE, "never")
    names = ["done", "removed since", "failed since", "started since", "never", "unknown"]

    completed = await world.engine.completed(QUEUE, [JobId(name) for name in names])

    assert set(completed) == {"done", "removed since"}
    told = (await world.engine.outcomes({QUEUE: ""}, 100, 0))[QUEUE][0]
    ends = {one.job_id: one.at for one in told if one.kind is OutcomeKind.COMPLETED}
    assert completed[JobId("done")] == ends[JobId("done")]
    assert await world.engine.completed(QUEUE, []) == {}
    assert await world.engine.completed("nobody", [JobId("done")]) == {}


async def test_a_queue_begins_anew_only_where_its_cursor_lies_beyond_all_its_events(
    world: QueueWorld,
) -> None:
    engine = world.engine
    await world.add(QUEUE, "1", {"app_id": "acme"})
    await world.fail(QUEUE, "1")
    _, cursor = (await engine.outcomes({QUEUE: ""}, 100, 0))[QUEUE]
    assert await engine.begun_anew({QUEUE: "", "nobody": cursor}) == set()
    assert await engine.begun_anew({QUEUE: cursor}) == set()
    before, dash, after = cursor.partition("-")
    assert await engine.begun_anew({QUEUE: f"{int(before) + 1}{dash}{after}"}) == {QUEUE}
