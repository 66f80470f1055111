"""Taking in failure occurrences (``redrive.ports.FollowerLedger.record_failures``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from redrive.domain import (
    Answer,
    AppId,
    EntryState,
    Failure,
    JobId,
    JobState,
    JobStatus,
    OperationKind,
    Payload,
    Scope,
)
from redrive.ports import EntryVersion
from tests.support.books import Books, request
from tests.support.factories import (
    AT,
    QUEUE,
    SOURCE,
    completed,
    dropped,
    failure,
    id_of,
    later,
)

ANOTHER_TIME = [99.0, -99.0]


async def test_a_new_failure_becomes_an_entry_with_everything_that_is_known(
    books: Books,
) -> None:
    given = failure(
        "1",
        error_type="SmtpError",
        error_message="550 no such user",
        stacktrace="SmtpError: 550\n  at send",
        created_at=later(-60),
        started_at=later(-1),
        attempts_made=7,
        forgets=True,
        defect="its data is not JSON",
    )
    await books.take_in(given)
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    entry = detail.entry
    assert (entry.app_id, entry.source, entry.queue, entry.job_id) == ("acme", SOURCE, QUEUE, "1")
    assert (entry.state, entry.failures, entry.generation) == (EntryState.FAILED, 1, 0)
    assert (entry.error_type, entry.error_message) == ("SmtpError", "550 no such user")
    assert (entry.failed_at, entry.first_failed_at) == (AT, AT)
    assert (entry.created_at, entry.started_at) == (later(-60), later(-1))
    assert (entry.job_name, entry.attempts_made, entry.data_size) == ("deliver", 7, 7)
    assert (entry.forgets, entry.defect) == (True, "its data is not JSON")
    assert (entry.operation_id, entry.recovered_at, entry.state_reason) == (None, None, "")
    assert (detail.stacktrace, detail.payload) == ("SmtpError: 550\n  at send", given.payload)
    assert detail.history == ()


async def test_an_app_appears_with_its_first_failure(books: Books) -> None:
    assert await books.reading.app(failure("1").app_id) is None
    await books.fail("1", "2", at=-5)
    app = await books.reading.app(failure("1").app_id)
    assert app is not None
    assert (app.failed, app.first_seen_at, app.last_failed_at) == (2, AT, later(-4))


async def test_the_last_failure_of_an_app_does_not_move_backwards(books: Books) -> None:
    await books.fail("1", at=10)
    await books.fail("2", at=5)
    app = await books.reading.app(failure("1").app_id)
    assert app is not None
    assert app.last_failed_at == later(10)


async def test_numbers_grow_in_the_order_in_which_failures_are_recorded(books: Books) -> None:
    await books.take_in(failure("c", at=3), failure("a", at=1))
    await books.take_in(failure("b", at=2), failure("c", at=9))
    seqs = [(await books.entry(job_id)).failure_seq for job_id in ("a", "b", "c")]
    assert seqs == sorted(seqs)
    assert len(set(seqs)) == 3


@pytest.mark.parametrize("state", EntryState)
async def test_a_known_occurrence_changes_nothing(books: Books, state: EntryState) -> None:
    await books.make(state, "1")
    before = await books.rows()
    assert await books.take_in(failure("1", error_message="told again")) == []
    assert await books.rows() == before


@pytest.mark.parametrize("at", ANOTHER_TIME, ids=["later", "by a clock that is behind"])
@pytest.mark.parametrize("state", [state for state in EntryState if state != EntryState.CLAIMED])
async def test_another_occurrence_makes_the_entry_failed_with_the_new_error(
    books: Books, state: EntryState, at: float
) -> None:
    await books.make(state, "1")
    before = await books.entry("1")
    again = failure("1", at=at, error_type="NewError", error_message="anew", attempts_made=9)
    await books.take_in(again)
    entry = await books.entry("1")
    assert (entry.state, entry.failures) == (EntryState.FAILED, 2)
    assert (entry.error_type, entry.error_message) == ("NewError", "anew")
    assert (entry.attempts_made, entry.failed_at) == (9, later(at))
    assert (entry.first_failed_at, entry.recovered_at) == (AT, None)
    assert entry.failure_seq > before.failure_seq
    assert entry.state_reason == ""
    assert await books.totals() == {EntryState.FAILED: 1}
    await books.check_counts()


@pytest.mark.parametrize("at", ANOTHER_TIME, ids=["later", "by a clock that is behind"])
async def test_a_claimed_entry_stays_claimed_and_takes_the_new_error(
    books: Books, at: float
) -> None:
    await books.make(EntryState.CLAIMED, "1")
    await books.take_in(failure("1", at=at, error_message="anew"))
    entry = await books.entry("1")
    assert (entry.state, entry.failures) == (EntryState.CLAIMED, 2)
    assert (entry.error_message, entry.failed_at) == ("anew", later(at))
    await books.check_counts()


@pytest.mark.parametrize("state", EntryState)
async def test_another_occurrence_is_taken_in_once(books: Books, state: EntryState) -> None:
    await books.make(state, "1")
    await books.take_in(failure("1", at=50))
    before = await books.rows()
    await books.take_in(failure("1", at=50))
    assert await books.rows() == before


TAKEN_BY_EVENT = [state for state in EntryState if state != EntryState.FAILED]


@pytest.mark.parametrize("state", TAKEN_BY_EVENT)
async def test_an_announced_failure_after_the_hand_over_counts(
    books: Books, state: EntryState
) -> None:
    await books.make(state, "1")
    await books.take_in(dropped("1", at=20, error_message="dropped"))
    entry = await books.entry("1")
    claimed = state is EntryState.CLAIMED
    assert entry.state is (EntryState.CLAIMED if claimed else EntryState.FAILED)
    assert (entry.error_message, entry.failures) == ("dropped", 2)
    await books.check_counts()


@pytest.mark.parametrize("state", [EntryState.QUEUED, EntryState.ACTIVE, EntryState.RECOVERED])
async def test_an_announced_failure_from_before_the_hand_over_is_ignored(
    books: Books, state: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.rows()
    await books.take_in(dropped("1", at=9))
    assert await books.rows() == before


@pytest.mark.parametrize("at", [0.0, 50.0])
async def test_an_announced_failure_says_nothing_new_of_a_failed_entry(
    books: Books, at: float
) -> None:
    await books.fail("1")
    before = await books.rows()
    await books.take_in(dropped("1", at=at))
    assert await books.rows() == before


async def test_an_announced_failure_of_an_unknown_job_becomes_an_entry(books: Books) -> None:
    await books.take_in(dropped("1", at=5))
    assert (await books.entry("1")).state is EntryState.FAILED
    assert (await books.entry("1")).forgets
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert (detail.payload, detail.stacktrace) == (None, "")


async def test_an_announced_failure_leaves_the_kept_payload_alone(books: Books) -> None:
    await books.fail("1")
    await books.requeue_one("1")
    await books.take_in(dropped("1", at=20))
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert detail.payload == failure("1").payload
    assert detail.stacktrace == failure("1").stacktrace


async def test_another_occurrence_brings_its_payload_and_stack(books: Books) -> None:
    await books.fail("1")
    payload = Payload(data=b'{"n":2}', options=b'{"attempts":3}', extra={"parent": "p:1"})
    await books.take_in(failure("1", at=9, payload=payload, stacktrace="Other: stack"))
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert (detail.payload, detail.stacktrace) == (payload, "Other: stack")


async def test_one_call_takes_in_new_and_known_and_repeated_jobs_together(books: Books) -> None:
    await books.fail("known", "again")
    await books.take_in(
        failure("known"),
        failure("again", at=70),
        failure("new", app="globex", at=71),
    )
    assert await books.totals() == {EntryState.FAILED: 3}
    assert [(await books.entry(job)).failures for job in ("known", "again", "new")] == [1, 2, 1]
    await books.check_counts()


async def test_a_large_batch_is_taken_in_whole(books: Books) -> None:
    batch = [failure(str(number), f"app-{number % 7}", number) for number in range(2500)]
    await books.take_in(*batch)
    assert await books.totals() == {EntryState.FAILED: 2500}
    await books.check_counts()


async def test_the_same_job_id_in_another_queue_is_another_entry(books: Books) -> None:
    await books.take_in(failure("1"))
    await books.following.record_failures(SOURCE, "sms", [failure("1", queue="sms")], None)
    assert (await books.entry("1", "sms")).entry_id != (await books.entry("1")).entry_id
    assert await books.totals() == {EntryState.FAILED: 2}


async def test_two_followers_at_once_record_an_occurrence_once(books: Books, second: Books) -> None:
    await books.fail("again")
    given: list[Failure] = [failure("new"), failure("again", at=60)]
    await asyncio.gather(books.take_in(*given), second.take_in(*reversed(given)))
    assert [(await books.entry(job)).failures for job in ("new", "again")] == [1, 2]
    await books.check_counts()


async def seen(books: Books, job_id: str) -> Mapping[JobId, EntryVersion]:
    return await books.following.versions(SOURCE, QUEUE, [JobId(job_id), JobId("unknown")])


@pytest.mark.parametrize("became", ["retried", "failed", "recovered", "dismissed", "restored"])
async def test_a_failure_that_was_read_before_something_became_of_its_entry_is_passed_over(
    books: Books, became: str
) -> None:
    await books.fail("1")
    await books.make(EntryState.DISMISSED, "2")
    job_id = "2" if became == "restored" else "1"
    read_before = await seen(books, job_id)
    if became == "retried":
        await books.requeue_one(job_id)
    elif became == "failed":
        await books.fail(job_id, at=60)
    elif became == "recovered":
        await books.drift(job_id, EntryState.RECOVERED)
    elif became == "dismissed":
        operation, batch = await books.single(job_id, OperationKind.DISMISS)
        await books.complete(operation, batch, Answer.DISMISSED)
    else:
        scope = Scope.of_entry(AppId("acme"), id_of(job_id))
        await books.triage.restore(request(scope, OperationKind.DISMISS))
    before = await books.rows()
    outdated = failure(job_id, at=30)
    assert await books.following.record_failures(SOURCE, QUEUE, [outdated], None, read_before) == []
    assert await books.rows() == before


async def test_a_failure_is_taken_in_that_was_read_after_its_entry(books: Books) -> None:
    await books.fail("known")
    for job_id in ("known", "unknown"):
        read_before = await seen(books, job_id)
        given = [failure(job_id, at=30)]
        await books.following.record_failures(SOURCE, QUEUE, given, None, read_before)
    assert [(await books.entry(job)).failures for job in ("known", "unknown")] == [2, 1]


async def test_versions_are_those_of_the_queue_and_source(books: Books) -> None:
    await books.fail("1")
    assert set(await seen(books, "1")) == {"1"}
    assert await books.following.versions(SOURCE, "sms", [JobId("1")]) == {}
    assert await books.following.versions("other", QUEUE, [JobId("1")]) == {}
    assert await books.following.versions(SOURCE, QUEUE, []) == {}


async def test_unrecorded_names_the_failed_jobs_whose_occurrence_is_not_known(
    books: Books,
) -> None:
    await books.fail("known", "again", at=5)
    statuses = [
        JobStatus(job_id=JobId(job_id), state=JobState.FAILED, finished_at=at)
        for job_id, at in [("known", later(5)), ("again", later(7)), ("new", later(8))]
    ]
    assert await books.following.unrecorded(SOURCE, QUEUE, statuses) == ["again", "new"]
    assert await books.following.unrecorded(SOURCE, QUEUE, []) == []
    assert await books.following.unrecorded(SOURCE, "sms", statuses[:1]) == ["known"]


async def test_a_failure_after_a_recovery_is_a_failure_of_its_own(books: Books) -> None:
    await books.fail("1")
    first = await books.requeue_one("1")
    await books.hear(completed("1", 12))
    await books.fail("1", at=500)
    assert (await books.operation(first)).recovered == 1
    assert (await books.operation(first)).failed_again == 0
    again, batch = await books.single("1")
    await books.complete(again, batch, Answer.REQUEUED, at=600)
    assert batch.entries[0].failed_at == AT + timedelta(seconds=500)


async def test_an_announcement_that_is_told_again_while_its_entry_is_claimed_is_known(
    books: Books,
) -> None:
    await books.take_in(dropped("1", at=5))
    operation = await books.begin()
    await books.claim(operation)
    before = await books.entry("1")
    assert await books.take_in(dropped("1", at=5)) == []
    assert await books.entry("1") == before
    await books.check_counts()
