"""Claiming and settling what is to be taken back (``redrive.ports.UndoLedger``)."""

from __future__ import annotations

import pytest

from redrive.domain import (
    Answer,
    EntryState,
    ItemState,
    JobId,
    Operation,
    OperationKind,
    OperationState,
    Outcome,
    Reason,
    Stamp,
    TakeBackResult,
    TakenBack,
    UndoBatch,
)
from redrive.errors import NothingToTakeBack, StaleRunner
from redrive.ledger import SqlUndoLedger
from tests.support.books import Books, app_scope, changes_nothing, named, results
from tests.support.factories import ADA, BOB, active, completed, failure, later

CANCELLING, CANCELLED = OperationState.CANCELLING, OperationState.CANCELLED


@pytest.fixture
def undo(books: Books) -> SqlUndoLedger:
    return SqlUndoLedger(books.database, books.clock)


async def moved(books: Books, *batches: tuple[str, ...]) -> Operation:
    """An operation that has moved these jobs, batch by batch, and is over."""
    for names in batches:
        await books.fail(*names)
    operation = await books.begin()
    for names in batches:
        batch = await books.claim(operation, len(names))
        await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    return await books.operations.finish(operation, OperationState.COMPLETED, None)


async def asked(books: Books, operation: Operation) -> Operation:
    """Its undo is asked for and in a runner's hands."""
    await books.operations.request_cancel(operation.operation_id, BOB, undo=True)
    return await books.take_over(operation.operation_id)


def names_of(batch: UndoBatch | None) -> list[str]:
    assert batch is not None
    return [entry.claimed.job_id for entry in batch.entries]


def all_of(
    batch: UndoBatch, answer: TakenBack = TakenBack.TAKEN_BACK, **others: TakenBack
) -> dict[int, TakeBackResult]:
    """The same answer for every entry, but for those that are named."""
    return {
        entry.claimed.entry_pk: TakeBackResult(
            job_id=entry.claimed.job_id,
            answer=others.get(f"job_{entry.claimed.job_id}", answer),
            at=later(20),
        )
        for entry in batch.entries
    }


async def test_the_newest_batch_comes_first_and_each_one_once(
    books: Books, undo: SqlUndoLedger
) -> None:
    operation = await asked(books, await moved(books, ("1", "2"), ("3",)))
    first = await undo.claim_moved(operation, None, 100)
    assert first is not None
    assert (names_of(first), first.moved_as, first.number) == (["3"], 2, 3)
    assert (await books.states())[JobId("3")] is EntryState.CLAIMED
    await undo.settle_moved(operation, first, all_of(first, TakenBack.LEFT))

    second = await undo.claim_moved(operation, first.entries[-1].claimed.failure_seq, 100)
    assert second is not None
    assert (names_of(second), second.moved_as, second.number) == (["2", "1"], 1, 4)
    await undo.settle_moved(operation, second, all_of(second))
    last = second.entries[-1].claimed.failure_seq
    assert await undo.claim_moved(operation, last, 100) is None
    await books.check_counts()


async def test_a_batch_in_hand_is_given_again_under_its_own_number(
    books: Books, undo: SqlUndoLedger
) -> None:
    operation = await asked(books, await moved(books, ("1", "2")))
    batch = await undo.claim_moved(operation, None, 100)
    assert await undo.claim_moved(operation, None, 100) == batch
    again = await books.take_over(operation.operation_id)
    assert await undo.claim_moved(again, 1, 100) == batch
    assert await books.operations.unsettled(again) == []


async def test_a_batch_in_hand_is_of_the_failures_that_were_moved(
    books: Books, undo: SqlUndoLedger
) -> None:
    await books.fail("1", "2")
    started = await books.begin()
    moved_batch = await books.claim(started)
    await books.operations.settle(started, moved_batch, results(moved_batch, Answer.REQUEUED))
    ended = await books.operations.finish(started, OperationState.COMPLETED, None)
    operation = await asked(books, ended)
    batch = await undo.claim_moved(operation, None, 100)
    assert batch is not None
    claimed = [entry.claimed._replace(from_state=EntryState.FAILED) for entry in batch.entries]
    assert sorted(claimed) == sorted(moved_batch.entries)
    await books.take_in(failure("1", at=30))
    again = await undo.claim_moved(operation, None, 100)
    assert again is not None
    seqs = {entry.claimed.failure_seq for entry in again.entries}
    assert seqs == {entry.failure_seq for entry in moved_batch.entries}


async def test_an_undo_comes_past_an_entry_that_failed_anew_before_it_was_moved(
    books: Books, undo: SqlUndoLedger
) -> None:
    await books.fail("1")
    started = await books.begin(kind=OperationKind.RESYNC, scope=app_scope("acme"))
    batch = await books.claim(started)
    await books.take_in(failure("1", at=5))
    await books.operations.settle(started, batch, results(batch, Answer.REQUEUED, 10))
    ended = await books.operations.finish(started, OperationState.COMPLETED, None)
    operation = await asked(books, ended)
    in_hand = await undo.claim_moved(operation, None, 100)
    assert in_hand is not None
    assert in_hand.entries[0].claimed.failure_seq == batch.entries[0].failure_seq
    operation = await undo.settle_moved(operation, in_hand, all_of(in_hand, TakenBack.LEFT))
    assert await undo.claim_moved(operation, batch.entries[0].failure_seq, 100) is None


async def test_taken_back_entries_are_failed_with_their_error_and_their_failure(
    books: Books, undo: SqlUndoLedger
) -> None:
    before = await moved(books, ("1", "2", "3"))
    entry = await books.entry("1")
    operation = await asked(books, before)
    batch = await undo.claim_moved(operation, None, 100)
    assert batch is not None
    books.clock.advance(seconds=30)

    after = await undo.settle_moved(operation, batch, all_of(batch, job_3=TakenBack.STARTED))

    assert (after.requeued, after.released, after.completed) == (1, 2, 1)
    assert after.taken_back == 2
    assert named(await books.items(operation)) == {
        "1": (ItemState.RELEASED, Reason.TAKEN_BACK, None),
        "2": (ItemState.RELEASED, Reason.TAKEN_BACK, None),
        "3": (ItemState.REQUEUED, Reason.REQUEUED, Outcome.WAITING),
    }
    back = await books.entry("1")
    assert (back.state, back.failure_seq) == (EntryState.FAILED, entry.failure_seq)
    assert (back.error_message, back.failures) == (entry.error_message, 1)
    assert await books.totals() == {EntryState.FAILED: 2, EntryState.QUEUED: 1}
    await books.check_counts()
    finished = await books.operations.finish(after, OperationState.COMPLETED, None)
    assert (finished.state, finished.finished_at) == (CANCELLED, later(30))


async def test_a_settled_batch_stays_as_it_is(books: Books, undo: SqlUndoLedger) -> None:
    operation = await asked(books, await moved(books, ("1", "2")))
    batch = await undo.claim_moved(operation, None, 100)
    assert batch is not None
    await undo.settle_moved(operation, batch, all_of(batch))
    await changes_nothing(books, lambda: undo.settle_moved(operation, batch, all_of(batch)))


async def test_what_was_heard_of_is_not_claimed(books: Books, undo: SqlUndoLedger) -> None:
    before = await moved(books, ("1", "2", "3", "4"))
    await books.hear(active("1", 11), completed("2", 12))
    await books.take_in(failure("3", at=13))
    operation = await asked(books, before)
    assert names_of(await undo.claim_moved(operation, None, 100)) == ["4"]


async def test_what_is_heard_while_it_is_claimed_is_judged_at_the_settle(
    books: Books, undo: SqlUndoLedger
) -> None:
    operation = await asked(books, await moved(books, ("1", "2", "3", "4")))
    batch = await undo.claim_moved(operation, None, 100)
    assert batch is not None
    await books.hear(completed("1", 12), active("2", 13))
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(failure("3", at=14, stamp=stamp))

    after = await undo.settle_moved(
        operation,
        batch,
        all_of(batch, TakenBack.STARTED, job_4=TakenBack.TAKEN_BACK),
    )

    assert (after.requeued, after.released) == (3, 1)
    assert (after.recovered, after.failed_again, after.vanished) == (1, 1, 0)
    assert await books.states() == {
        "1": EntryState.RECOVERED,
        "2": EntryState.ACTIVE,
        "3": EntryState.FAILED,
        "4": EntryState.FAILED,
    }
    await books.check_counts()


async def test_what_is_taken_back_is_selected_by_the_next_operation_and_by_no_earlier_one(
    books: Books, undo: SqlUndoLedger
) -> None:
    operation = await asked(books, await moved(books, ("1",)))
    batch = await undo.claim_moved(operation, None, 100)
    assert batch is not None
    await undo.settle_moved(operation, batch, all_of(batch))
    await books.operations.finish(operation, OperationState.COMPLETED, None)
    following = await books.begin()
    assert following.total == 1
    claimed = await books.claim(following)
    assert [entry.generation for entry in claimed.entries] == [2]


async def test_a_recovered_entry_of_a_resync_is_recovered_again(
    books: Books, undo: SqlUndoLedger
) -> None:
    await books.make(EntryState.RECOVERED, "1")
    started = await books.begin(kind=OperationKind.RESYNC, scope=app_scope("acme"))
    batch = await books.claim(started)
    await books.operations.settle(started, batch, results(batch, Answer.REQUEUED, 20))
    ended = await books.operations.finish(started, OperationState.COMPLETED, None)
    operation = await asked(books, ended)
    in_hand = await undo.claim_moved(operation, None, 100)
    assert in_hand is not None
    await undo.settle_moved(operation, in_hand, all_of(in_hand))
    assert await books.totals() == {EntryState.RECOVERED: 1}


@pytest.mark.parametrize("forgets", [True, False])
async def test_only_what_its_queue_forgets_by_plan_is_removed_again(
    books: Books, undo: SqlUndoLedger, forgets: bool
) -> None:
    await books.fail("1", forgets=forgets)
    started = await books.begin()
    batch = await books.claim(started)
    await books.operations.settle(started, batch, results(batch, Answer.RECREATED))
    ended = await books.operations.finish(started, OperationState.COMPLETED, None)
    operation = await asked(books, ended)
    in_hand = await undo.claim_moved(operation, None, 100)
    assert in_hand is not None
    assert [entry.removable for entry in in_hand.entries] == [forgets]


async def test_a_runner_that_was_taken_over_claims_and_settles_nothing(
    books: Books, undo: SqlUndoLedger
) -> None:
    asleep = await asked(books, await moved(books, ("1",)))
    batch = await undo.claim_moved(asleep, None, 100)
    assert batch is not None
    await books.take_over(asleep.operation_id)
    before = await books.rows()
    with pytest.raises(StaleRunner):
        await undo.settle_moved(asleep, batch, all_of(batch))
    with pytest.raises(StaleRunner):
        await undo.claim_moved(asleep, None, 100)
    assert await books.rows() == before


async def test_a_finished_operation_is_opened_again_and_audited(books: Books) -> None:
    before = await moved(books, ("1", "2"))
    answer = await books.operations.request_cancel(before.operation_id, BOB, undo=True)
    assert (answer.state, answer.undo_wanted) == (CANCELLING, True)
    assert (answer.cancelled_by, answer.finished_at) == ("bob", None)
    assert answer.turn == before.turn + 1
    assert [found.operation_id for found in await books.operations.open_operations()] == [
        before.operation_id
    ]
    row = (await books.accounts.audit_trail(None, 1)).items[0]
    assert (row.action, row.actor, row.result) == ("operation.undo", "bob", CANCELLING)
    assert row.counts == {"requeued": 2, "released": 0, "waiting": 2}
    assert row.before == {"state": "completed", "undo_wanted": False}
    assert row.after == {"state": "cancelling", "undo_wanted": True}


async def test_a_second_request_changes_nothing(books: Books) -> None:
    before = await moved(books, ("1",))
    await books.operations.request_cancel(before.operation_id, BOB, undo=True)
    await changes_nothing(
        books,
        lambda: books.operations.request_cancel(before.operation_id, ADA, undo=True),
    )


async def test_an_undo_is_refused_when_everything_that_was_moved_has_an_outcome(
    books: Books,
) -> None:
    before = await moved(books, ("1", "2"))
    await books.hear(completed("1", 11))
    stamp = Stamp(operation_id=before.operation_id, generation=1)
    await books.take_in(failure("2", at=12, stamp=stamp))
    rows = await books.rows()
    with pytest.raises(NothingToTakeBack, match="Nothing was changed"):
        await books.operations.request_cancel(before.operation_id, BOB, undo=True)
    assert await books.rows() == rows


async def test_a_queued_operation_is_cancelled_at_once_also_with_undo(books: Books) -> None:
    await books.fail("1")
    operation = await books.start()
    answer = await books.operations.request_cancel(operation.operation_id, BOB, undo=True)
    assert (answer.state, answer.undo_wanted) == (CANCELLED, False)


async def test_the_undo_of_an_operation_that_is_cancelling_may_still_be_asked_for(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    await books.operations.request_cancel(operation.operation_id, ADA)
    answer = await books.operations.request_cancel(operation.operation_id, BOB, undo=True)
    assert (answer.state, answer.undo_wanted, answer.cancelled_by) == (CANCELLING, True, "ada")


async def test_an_operation_is_not_finished_past_an_undo_that_its_runner_does_not_know_of(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation, 1)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    await books.operations.request_cancel(operation.operation_id, BOB, undo=True)
    answer = await books.operations.finish(operation, OperationState.COMPLETED, None)
    assert (answer.state, answer.undo_wanted) == (CANCELLING, True)
    finished = await books.operations.finish(answer, OperationState.COMPLETED, None)
    assert finished.state is CANCELLED


async def test_what_leaves_the_old_selection_during_an_undo_is_none_of_the_operations_business(
    books: Books,
) -> None:
    await books.fail("1", "2")
    started = await books.begin()
    batch = await books.claim(started, 1)
    await books.operations.settle(started, batch, results(batch, Answer.REQUEUED))
    await books.operations.request_cancel(started.operation_id, ADA)
    cancelled = await books.operations.finish(started, OperationState.COMPLETED, None)
    await asked(books, cancelled)
    await books.drift("2", EntryState.RECOVERED)
    assert (await books.operation(cancelled)).skipped == 0
