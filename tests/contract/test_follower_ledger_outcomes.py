"""What became of jobs (``redrive.ports.FollowerLedger.record_outcomes``)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redrive.domain import Answer, EntryState, JobOutcome, OperationKind
from tests.support.books import Books, results
from tests.support.factories import active, completed, failed_event, failure, later

CLAIMED, QUEUED, ACTIVE = EntryState.CLAIMED, EntryState.QUEUED, EntryState.ACTIVE
RECOVERED, VANISHED = EntryState.RECOVERED, EntryState.VANISHED
Event = Callable[[str, float], JobOutcome]
AFTER, BEFORE = 20.0, 9.0

TARGET: dict[Event, dict[EntryState, EntryState]] = {
    active: {QUEUED: ACTIVE, ACTIVE: ACTIVE, VANISHED: ACTIVE},
    completed: {QUEUED: RECOVERED, ACTIVE: RECOVERED, VANISHED: RECOVERED},
    failed_event: {},
}
"""Where an outcome after the hand-over takes an entry; a state that is not named stays."""

CASES = [
    pytest.param(event, state, states.get(state, state), id=f"{event.__name__}-{state}")
    for event, states in TARGET.items()
    for state in EntryState
]


@pytest.mark.parametrize(("event", "state", "after"), CASES)
async def test_an_outcome_takes_an_entry_where_its_state_allows(
    books: Books, event: Event, state: EntryState, after: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.entry("1")
    await books.hear(event("1", AFTER))
    entry = await books.entry("1")
    assert entry.state is after
    assert (entry.error_message, entry.failed_at) == (before.error_message, before.failed_at)
    if after is RECOVERED and state is not RECOVERED:
        assert entry.recovered_at == later(AFTER)
    else:
        assert entry.recovered_at == before.recovered_at
    await books.check_counts()


@pytest.mark.parametrize("event", [active, completed])
@pytest.mark.parametrize("state", [QUEUED, ACTIVE, RECOVERED])
async def test_an_outcome_from_before_the_hand_over_is_ignored(
    books: Books, event: Event, state: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.rows()
    await books.hear(event("1", BEFORE))
    after = await books.rows()
    assert before.pop("cursors") != after.pop("cursors")
    assert before == after


@pytest.mark.parametrize("event", [active, completed])
async def test_an_outcome_at_the_instant_of_the_hand_over_counts(
    books: Books, event: Event
) -> None:
    await books.make(QUEUED, "1")
    await books.hear(event("1", 10))
    assert (await books.entry("1")).state is TARGET[event][QUEUED]


async def test_the_last_of_several_outcomes_counts(books: Books) -> None:
    await books.make(QUEUED, "1")
    await books.hear(active("1", 11), completed("1", 12))
    assert (await books.entry("1")).state is RECOVERED


async def test_unknown_jobs_are_passed_over(books: Books) -> None:
    await books.make(QUEUED, "1")
    assert await books.hear(completed("nobody", 11)) == []
    await books.hear(completed("nobody", 11), completed("1", 12), active("nobody", 13))
    assert await books.states() == {"1": RECOVERED}


async def test_a_recovery_is_told_with_its_operations_new_counts(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert await books.hear(active("1", 11)) == []
    (changed,) = await books.hear(completed("1", 12))
    assert (changed.operation_id, changed.recovered) == (operation.operation_id, 1)
    assert await books.operation(operation) == changed
    (changed,) = await books.hear(completed("1", 13), completed("2", 13))
    assert changed.recovered == 2
    assert [item.outcome for item in await books.items(operation)] == ["recovered"] * 2


async def test_a_repeated_outcome_counts_once(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.hear(completed("1", 12))
    assert await books.hear(completed("1", 12)) == []
    assert (await books.operation(operation)).recovered == 1


async def test_a_job_that_was_thought_vanished_and_completed_is_recovered(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.drift("1", VANISHED)
    assert (await books.operation(operation)).vanished == 1
    (changed,) = await books.hear(completed("1", 30))
    assert (changed.recovered, changed.vanished) == (1, 0)
    assert (await books.item(operation, "1")).outcome == "recovered"
    assert (await books.entry("1")).state is RECOVERED
    await books.check_counts()


async def test_a_job_that_was_thought_vanished_and_is_taken_up_keeps_its_verdict_open(
    books: Books,
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await books.drift("1", VANISHED)
    assert await books.hear(active("1", 30)) == []
    assert (await books.entry("1")).state is ACTIVE
    (changed,) = await books.hear(completed("1", 31))
    assert (changed.recovered, changed.vanished) == (1, 0)
    assert await books.operation(operation) == changed


async def test_a_job_moved_by_nobody_we_know_recovers_without_an_operation(books: Books) -> None:
    await books.fail("1")
    await books.drift("1", QUEUED, "retried elsewhere")
    assert await books.hear(completed("1", 1)) == []
    assert (await books.entry("1")).state is RECOVERED


async def test_a_recovered_entry_enters_the_selection_of_a_later_resync_only(
    books: Books,
) -> None:
    await books.fail("1", "2")
    await books.requeue_one("1")
    resync = await books.begin(kind=OperationKind.RESYNC)
    assert resync.total == 1
    await books.hear(completed("1", 12))
    assert [entry.job_id for entry in (await books.claim(resync)).entries] == ["2"]


async def test_recoveries_are_counted_since_a_time(books: Books) -> None:
    for job_id in ("1", "2", "3"):
        await books.make(QUEUED, job_id)
    await books.hear(completed("1", 11))
    books.clock.advance(hours=1)
    await books.hear(completed("2", 3600), completed("3", 3601))
    assert await books.reading.recovered_since(later(0)) == 3
    assert await books.reading.recovered_since(later(3600)) == 2
    assert await books.reading.recovered_since(later(7200)) == 0


async def test_a_failure_event_alone_changes_nothing_because_its_error_is_still_to_come(
    books: Books,
) -> None:
    await books.make(ACTIVE, "1")
    assert await books.hear(failed_event("1", AFTER)) == []
    assert (await books.entry("1")).state is ACTIVE
    await books.take_in(failure("1", at=AFTER))
    assert (await books.entry("1")).state is EntryState.FAILED
    assert CLAIMED not in await books.totals()
