"""How every engine must move jobs, whatever it is made of (``redrive.ports.Engine``)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from redrive.domain import Answer, JobId, JobState, OutcomeKind, Payload, Stamp
from redrive.errors import RedriveError
from tests.support.bullmq_batches import (
    AT,
    answers,
    batch_of,
    failure_of,
    item,
)
from tests.support.bullmq_world import QueueWorld

QUEUE = "mail"


async def test_requeue_moves_a_failed_job_back_and_stamps_it(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    [result] = await world.engine.requeue(batch_of(QUEUE, [item("1", generation=7)]))
    assert (result.job_id, result.answer) == ("1", Answer.REQUEUED)
    [status] = await world.engine.statuses(QUEUE, [JobId("1")])
    assert status.state is JobState.WAITING
    await world.fail(QUEUE, "1", "again")
    failure = await failure_of(world.engine, QUEUE, "1")
    assert failure.stamp == Stamp(operation_id=batch_of(QUEUE, []).operation_id, generation=7)
    assert failure.attempts_made == 1


async def test_requeue_comes_before_what_happens_to_the_job_by_the_engines_clock(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    [result] = await world.engine.requeue(batch_of(QUEUE, [item("1")]))
    await world.complete(QUEUE, "1")
    told, _ = (await world.engine.outcomes({QUEUE: ""}, 100, 0))[QUEUE]
    assert told[0].at <= result.at <= told[-1].at
    assert told[-1].kind is OutcomeKind.COMPLETED


@pytest.mark.parametrize("mark", [True, False])
async def test_requeue_marks_the_data_as_a_rescan_or_not(world: QueueWorld, mark: bool) -> None:
    await world.add(QUEUE, "1", {"app_id": "acme", "isRescan": "?", "n": 1})
    await world.fail(QUEUE, "1", at=AT)
    await world.engine.requeue(batch_of(QUEUE, [item("1")], mark=mark))
    assert await world.data(QUEUE, "1") == {"app_id": "acme", "isRescan": mark, "n": 1}


async def test_requeue_answers_in_the_order_of_the_items_for_every_starting_state(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "job-failed", at=AT)
    await world.fail(QUEUE, "job-failed-again", at=AT + timedelta(milliseconds=1))
    await world.add(QUEUE, "job-done")
    await world.complete(QUEUE, "job-done")
    await world.add(QUEUE, "job-active")
    await world.start(QUEUE, "job-active")
    await world.add(QUEUE, "job-waiting")
    names = ["job-gone", "job-waiting", "job-failed", "job-failed-again", "job-active", "job-done"]
    results = await world.engine.requeue(batch_of(QUEUE, [item(name) for name in names]))
    assert [result.job_id for result in results] == names
    assert [result.answer for result in results] == [
        Answer.MISSING,
        Answer.ALREADY_LIVE,
        Answer.REQUEUED,
        Answer.SUPERSEDED,
        Answer.ALREADY_LIVE,
        Answer.NOT_FAILED,
    ]


async def test_a_superseded_job_stays_failed_with_its_newer_error(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", "newer", at=AT + timedelta(milliseconds=1))
    await world.engine.requeue(batch_of(QUEUE, [item("1")]))
    assert (await failure_of(world.engine, QUEUE, "1")).error_message == "newer"


async def test_a_resync_takes_completed_jobs_and_newer_failures_too(world: QueueWorld) -> None:
    await world.fail(QUEUE, "job-failed", at=AT + timedelta(seconds=9))
    await world.add(QUEUE, "job-done")
    await world.complete(QUEUE, "job-done")
    await world.add(QUEUE, "job-waiting")
    names = ["job-failed", "job-done", "job-waiting"]
    batch = batch_of(QUEUE, [item(name) for name in names], mark=False, take_finished=True)
    assert answers(await world.engine.requeue(batch)) == {
        "job-failed": Answer.REQUEUED,
        "job-done": Answer.REQUEUED,
        "job-waiting": Answer.ALREADY_LIVE,
    }
    statuses = await world.engine.statuses(QUEUE, [JobId(name) for name in names])
    assert {status.state for status in statuses} == {JobState.WAITING}


async def test_a_job_named_twice_in_a_batch_is_moved_once(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    results = await world.engine.requeue(batch_of(QUEUE, [item("1"), item("1")]))
    assert [result.answer for result in results] == [Answer.REQUEUED, Answer.ALREADY_LIVE]
    assert (await world.engine.counts(QUEUE)).counts[JobState.WAITING] == 1


async def test_requeue_called_again_answers_the_same_even_after_the_job_is_done_and_gone(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1"), item("gone")])
    first = await world.engine.requeue(batch)
    await world.complete(QUEUE, "1", keep=False)
    assert await world.engine.requeue(batch) == first
    [status] = await world.engine.statuses(QUEUE, [JobId("1")])
    assert status.state is JobState.MISSING


async def test_requeue_called_again_leaves_a_new_failure_of_the_job_alone(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1")])
    await world.engine.requeue(batch)
    await world.fail(QUEUE, "1", "again", at=AT)
    assert answers(await world.engine.requeue(batch)) == {"1": Answer.REQUEUED}
    assert (await failure_of(world.engine, QUEUE, "1")).error_message == "again"


async def test_another_batch_of_the_operation_has_a_receipt_of_its_own(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await world.fail(QUEUE, "2", at=AT)
    await world.engine.requeue(batch_of(QUEUE, [item("1")], number=1))
    results = await world.engine.requeue(batch_of(QUEUE, [item("2")], number=2))
    assert answers(results) == {"2": Answer.REQUEUED}


async def test_a_withheld_batch_can_never_be_moved(world: QueueWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1"), item("2")])
    withheld = await world.engine.withhold(batch)
    assert answers(withheld) == {"1": Answer.WITHHELD, "2": Answer.WITHHELD}
    assert await world.engine.requeue(batch) == withheld
    assert (await world.engine.counts(QUEUE)).counts[JobState.FAILED] == 1


async def test_withholding_a_batch_that_was_moved_tells_what_the_move_did(
    world: QueueWorld,
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    batch = batch_of(QUEUE, [item("1")])
    moved = await world.engine.requeue(batch)
    assert await world.engine.withhold(batch) == moved


async def test_two_operations_at_once_move_a_job_once(world: QueueWorld) -> None:
    for number in range(50):
        await world.fail(QUEUE, f"j{number}", at=AT)
    items = [item(f"j{number}") for number in range(50)]
    first, second = await asyncio.gather(
        world.engine.requeue(batch_of(QUEUE, items, operation="op_a")),
        world.engine.requeue(batch_of(QUEUE, items, operation="op_b")),
    )
    for one, other in zip(first, second, strict=True):
        assert sorted([one.answer, other.answer]) == [Answer.ALREADY_LIVE, Answer.REQUEUED]
    assert (await world.engine.counts(QUEUE)).counts[JobState.WAITING] == 50


async def test_rebuild_creates_a_forgotten_job_once(world: QueueWorld) -> None:
    await world.add(QUEUE, "1", {"app_id": "acme", "n": 1}, forgets=True)
    await world.fail(QUEUE, "1", at=AT)
    failure = await failure_of(world.engine, QUEUE, "1")
    await world.remove(QUEUE, "1")
    batch = batch_of(QUEUE, [failure])
    assert answers(await world.engine.requeue(batch)) == {"1": Answer.MISSING}
    assert failure.payload is not None
    result = await world.engine.rebuild(batch, JobId("1"), failure.job_name, failure.payload)
    assert result.answer is Answer.RECREATED
    assert await world.data(QUEUE, "1") == {"app_id": "acme", "n": 1, "isRescan": True}
    await world.complete(QUEUE, "1", keep=False)
    again = await world.engine.rebuild(batch, JobId("1"), failure.job_name, failure.payload)
    assert again == result
    [status] = await world.engine.statuses(QUEUE, [JobId("1")])
    assert status.state is JobState.MISSING


async def test_a_rebuilt_job_is_stamped_and_knows_that_it_may_be_forgotten(
    world: QueueWorld,
) -> None:
    await world.add(QUEUE, "1", forgets=True)
    await world.fail(QUEUE, "1", at=AT)
    failure = await failure_of(world.engine, QUEUE, "1")
    assert failure.payload is not None
    await world.remove(QUEUE, "1")
    batch = batch_of(QUEUE, [item("1", generation=3)])
    await world.engine.rebuild(batch, JobId("1"), "job", failure.payload)
    await world.fail(QUEUE, "1", "again")
    again = await failure_of(world.engine, QUEUE, "1")
    assert again.stamp == Stamp(operation_id=batch.operation_id, generation=3)
    assert again.forgets


@pytest.mark.parametrize(
    ("put_there", "expected"),
    [("waiting", Answer.ALREADY_LIVE), ("done", Answer.NOT_FAILED), ("failed", Answer.REQUEUED)],
)
async def test_rebuild_of_a_job_that_exists_after_all_says_what_is_true(
    world: QueueWorld, put_there: str, expected: Answer
) -> None:
    await world.add(QUEUE, "1")
    if put_there == "done":
        await world.complete(QUEUE, "1")
    if put_there == "failed":
        await world.fail(QUEUE, "1", at=AT)
    payload = Payload(data=b'{"n":1}', options=b"{}")
    result = await world.engine.rebuild(batch_of(QUEUE, [item("1")]), JobId("1"), "job", payload)
    assert result.answer is expected


async def test_a_rebuild_and_its_batch_do_not_share_a_receipt(world: QueueWorld) -> None:
    batch = batch_of(QUEUE, [item("1"), item("2")])
    await world.engine.requeue(batch)
    payload = Payload(data=b'{"n":1}', options=b"{}")
    for job_id in ("1", "2"):
        result = await world.engine.rebuild(batch, JobId(job_id), "job", payload)
        assert result.answer is Answer.RECREATED


async def test_an_empty_batch_changes_nothing(world: QueueWorld) -> None:
    try:
        assert await world.engine.requeue(batch_of(QUEUE, [])) == []
    except RedriveError:
        pytest.fail("an empty batch is a batch")


async def test_withhold_sees_a_job_that_was_rebuilt_since(world: QueueWorld) -> None:
    batch = batch_of(QUEUE, [item("1"), item("2")])
    await world.engine.requeue(batch)
    payload = Payload(data=b'{"n":1}', options=b"{}")
    await world.engine.rebuild(batch, JobId("1"), "job", payload)

    results = await world.engine.withhold(batch)

    assert [result.answer for result in results] == [Answer.RECREATED, Answer.WITHHELD]


async def test_a_rebuild_that_comes_after_the_withhold_creates_nothing(world: QueueWorld) -> None:
    batch = batch_of(QUEUE, [item("1")])
    await world.engine.requeue(batch)
    await world.engine.withhold(batch)
    payload = Payload(data=b'{"n":1}', options=b"{}")

    late = await world.engine.rebuild(batch, JobId("1"), "job", payload)

    assert late.answer is Answer.WITHHELD
    [status] = await world.engine.statuses(QUEUE, [JobId("1")])
    assert status.state is JobState.MISSING


async def test_a_rebuild_that_was_declined_creates_nothing_and_says_so_for_ever(
    world: QueueWorld,
) -> None:
    batch = batch_of(QUEUE, [item("1"), item("2")])
    await world.engine.requeue(batch)
    payload = Payload(data=b'{"n":1}', options=b"{}")

    declined = await world.engine.decline(batch, JobId("1"))

    assert (declined.job_id, declined.answer) == ("1", Answer.NOT_FAILED)
    assert await world.engine.decline(batch, JobId("1")) == declined
    assert await world.engine.rebuild(batch, JobId("1"), "job", payload) == declined
    withheld = await world.engine.withhold(batch)
    assert [result.answer for result in withheld] == [Answer.NOT_FAILED, Answer.WITHHELD]
    assert (await world.engine.counts(QUEUE)).counts.get(JobState.WAITING, 0) == 0


async def test_to_decline_comes_too_late_after_a_rebuild_or_a_withhold(world: QueueWorld) -> None:
    batch = batch_of(QUEUE, [item("1"), item("2")])
    await world.engine.requeue(batch)
    payload = Payload(data=b'{"n":1}', options=b"{}")
    await world.engine.rebuild(batch, JobId("1"), "job", payload)
    await world.engine.withhold(batch)

    late = [await world.engine.decline(batch, JobId(name)) for name in ("1", "2")]

    assert [result.answer for result in late] == [Answer.RECREATED, Answer.WITHHELD]
