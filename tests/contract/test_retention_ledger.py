"""What pruning removes, when exactly, and what it never touches (``RetentionLedger``)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from redrive.domain import (
    Answer,
    EntryState,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Prunable,
    Retention,
)
from redrive.ledger.schema import entries, identities, payloads
from redrive.ledger.schema_triage import group_activity, groups
from tests.support.books import Books, named, results
from tests.support.factories import ADA, AT, active, completed, id_of
from tests.support.pruning import DAYS_30, MILLISECOND, prune, prune_batch

NEVER = Retention(history=None, audit=None)
OVER = (EntryState.RECOVERED, EntryState.DISMISSED, EntryState.VANISHED)
NOT_OVER = (EntryState.FAILED, EntryState.CLAIMED, EntryState.QUEUED, EntryState.ACTIVE)


async def months_later(books: Books, months: int = 12) -> None:
    books.clock.advance(days=30 * months)


@pytest.mark.parametrize("state", OVER)
async def test_an_entry_that_is_over_goes_with_its_payload_after_exactly_the_time(
    books: Books, state: EntryState
) -> None:
    await books.make(state, "1")
    books.clock.advance(milliseconds=DAYS_30 / MILLISECOND - 1)
    assert await prune(books) == {}
    books.clock.advance(milliseconds=1)
    assert (await prune(books))[Prunable.ENTRIES] == 1
    assert await books.reading.entry(id_of("1")) is None
    assert await books.database.rows(select(payloads)) == []
    assert await books.database.rows(select(identities)) == []
    await books.check_counts()


@pytest.mark.parametrize("state", NOT_OVER)
async def test_an_entry_that_is_failed_or_live_is_never_pruned(
    books: Books, state: EntryState
) -> None:
    await books.make(state, "1")
    for operation in await books.operations.open_operations():
        await books.end_by_force(operation, OperationState.FAILED)
    await months_later(books)
    assert Prunable.ENTRIES not in await prune(books)
    assert (await books.entry("1")).state is state
    assert len(await books.database.rows(select(payloads))) == 1


async def test_the_time_begins_when_the_ledger_learned_that_the_entry_is_over(
    books: Books,
) -> None:
    await books.fail("late")
    await books.requeue_one("late")
    books.clock.advance(days=20)
    await books.hear(active("late", 11), completed("late", 12))
    books.clock.advance(days=29)
    assert Prunable.ENTRIES not in await prune(books)
    books.clock.advance(days=1)
    assert (await prune(books))[Prunable.ENTRIES] == 1


@pytest.mark.parametrize("state", OVER)
async def test_the_time_of_what_was_found_elsewhere_begins_when_it_was_found(
    books: Books, state: EntryState
) -> None:
    await books.fail("1")
    books.clock.advance(days=20)
    await books.drift("1", state)
    books.clock.advance(days=29)
    assert Prunable.ENTRIES not in await prune(books)
    books.clock.advance(days=1)
    assert (await prune(books))[Prunable.ENTRIES] == 1


async def test_an_entry_over_by_its_operation_is_kept_as_long_as_the_operation(
    books: Books,
) -> None:
    await books.fail("1")
    books.clock.advance(days=40)
    operation, batch = await books.single("1")
    await books.complete(operation, batch, Answer.MISSING)
    assert (await books.entry("1")).state is EntryState.VANISHED
    books.clock.advance(days=29)
    assert set(await prune(books)) == {Prunable.ACTIVITY}
    books.clock.advance(days=1)
    removed = await prune(books)
    assert (removed[Prunable.OPERATIONS], removed[Prunable.ENTRIES]) == (1, 1)


async def test_an_operation_goes_with_its_items_after_exactly_the_time(books: Books) -> None:
    await books.fail("1", "2")
    running = await books.begin()
    operation = await books.complete(running, await books.claim(running), Answer.REQUEUED)
    books.clock.advance(milliseconds=DAYS_30 / MILLISECOND - 1)
    assert await prune(books) == {}
    books.clock.advance(milliseconds=1)
    removed = await prune(books)
    assert (removed[Prunable.OPERATIONS], removed[Prunable.ITEMS]) == (1, 2)
    assert await books.operations.operation(operation.operation_id) is None
    assert await books.items(operation) == []


@pytest.mark.parametrize("what", Prunable)
async def test_nothing_is_pruned_while_an_operation_is_open(books: Books, what: Prunable) -> None:
    await books.make(EntryState.RECOVERED, "1")
    await months_later(books)
    await books.start(kind=OperationKind.RESYNC)
    if what is Prunable.ENTRIES:
        await free_of_items(books)
    before = await books.rows()
    assert await prune_batch(books, what) is None
    assert await books.rows() == before


async def free_of_items(books: Books) -> None:
    """Another entry that no item names, so that only the open operation keeps it."""
    await books.fail("2")
    await books.drift("2", EntryState.VANISHED)
    await months_later(books)


async def test_an_open_operation_ends_with_every_entry_that_it_counted(books: Books) -> None:
    await books.make(EntryState.RECOVERED, "1")
    await months_later(books)
    await prune_batch(books, Prunable.OPERATIONS)
    operation = await books.begin(kind=OperationKind.RESYNC)
    assert await prune_batch(books, Prunable.ENTRIES) is None
    finished = await books.complete(operation, await books.claim(operation), Answer.REQUEUED)
    assert (finished.total, finished.requeued) == (1, 1)


async def test_beside_a_paused_operation_goes_what_it_did_not_select(books: Books) -> None:
    await books.fail("1", error_type="Other", error_message="another", stacktrace="")
    operation, batch = await books.single("1")
    await books.complete(operation, batch, Answer.MISSING)
    books.clock.advance(days=1)
    await paused(books)
    await months_later(books)
    assert set(await prune(books)) == set(Prunable)
    assert await books.states() == {"selected": EntryState.FAILED}
    await books.check_counts()


async def test_what_left_the_selection_of_a_paused_plan_stays_for_its_item(books: Books) -> None:
    await books.fail("over")
    await books.drift("over", EntryState.VANISHED)
    books.clock.advance(days=1)
    operation = await paused(books)
    books.clock.advance(days=1)
    await books.drift("selected", EntryState.RECOVERED)
    await months_later(books)
    assert (await prune(books))[Prunable.ENTRIES] == 1
    assert await books.reading.entry(id_of("over")) is None
    await books.operations.resume(operation.operation_id, ADA)
    running = await books.take_over(operation.operation_id)
    assert await books.operations.claim(running, 10) is None
    assert named(await books.items(running)) == {
        "selected": ("skipped", "resolved_elsewhere", None)
    }
    await books.operations.finish(running, OperationState.COMPLETED, None)
    await months_later(books)
    assert (await prune(books))[Prunable.ENTRIES] == 1


async def test_a_paused_resync_keeps_the_entries_that_it_takes_and_nothing_else(
    books: Books,
) -> None:
    await books.make(EntryState.RECOVERED, "1")
    books.clock.advance(days=1)
    operation = await paused(books, OperationKind.RESYNC, app_id="acme")
    await months_later(books)
    assert set(await prune(books)) == {
        *(Prunable.OPERATIONS, Prunable.ITEMS, Prunable.AUDIT, Prunable.ACTIVITY)
    }
    await books.operations.resume(operation.operation_id, ADA)
    running = await books.take_over(operation.operation_id)
    assert len((await books.claim(running)).entries) == operation.total == 2


async def paused(
    books: Books, kind: OperationKind = OperationKind.RETRY, **narrowed: Any
) -> Operation:
    """A planned operation, on one more entry unless it is narrowed otherwise, that was paused."""
    await books.fail("selected")
    narrowed = narrowed or {"entry_ids": (id_of("selected"),)}
    operation = await books.start_plan(await books.plan(kind, **narrowed))
    return await books.operations.request_pause(operation.operation_id, ADA, "")


async def test_audit_rows_go_after_exactly_their_time(books: Books) -> None:
    await books.accounts.audit(ADA, "login", "console")
    books.clock.advance(milliseconds=1)
    await books.accounts.audit(ADA, "logout", "console")
    books.clock.advance(milliseconds=DAYS_30 / MILLISECOND - 2)
    assert await prune(books) == {}
    books.clock.advance(milliseconds=1)
    assert await prune(books) == {Prunable.AUDIT: 1}
    assert [row.action for row in (await books.accounts.audit_trail(None, 10)).items] == ["logout"]


async def test_a_minute_of_activity_goes_when_all_of_it_is_old_enough(books: Books) -> None:
    await books.fail("1")
    books.clock.advance(minutes=DAYS_30 / timedelta(minutes=1))
    assert await prune(books) == {}
    books.clock.advance(minutes=1)
    assert await prune(books) == {Prunable.ACTIVITY: 2}, "the failure's group has a chart, too"


async def test_the_chart_of_a_week_stays_whole_whatever_the_time(books: Books) -> None:
    await books.fail("1")
    books.clock.advance(days=8)
    day = timedelta(days=1)
    assert await prune(books, retention=Retention(history=day, audit=day)) == {}


async def test_each_time_can_be_turned_off(books: Books) -> None:
    await books.make(EntryState.RECOVERED, "1")
    await months_later(books)
    assert await prune(books, retention=NEVER) == {}
    assert set(await prune(books, retention=Retention(history=None, audit=DAYS_30))) == {
        Prunable.AUDIT
    }
    assert Prunable.AUDIT not in await prune(
        books, retention=Retention(history=DAYS_30, audit=None)
    )


async def test_a_second_pass_finds_nothing(books: Books) -> None:
    await books.make(EntryState.RECOVERED, "1")
    await months_later(books)
    assert await prune(books)
    before = await books.rows()
    assert await prune(books) == {}
    assert await books.rows() == before


async def test_what_was_removed_stays_in_the_counters(books: Books) -> None:
    for number in "12":
        await books.make(EntryState.RECOVERED, number)
        books.clock.advance(days=10)
    (before,) = await books.reading.tallies()
    assert (before.operations, before.requeued, before.recovered) == (2, 2, 2)
    books.clock.advance(days=15)
    first = await prune(books)
    assert await books.reading.tallies() == [before]
    await months_later(books)
    second = await prune(books)
    assert await books.reading.tallies() == [before]
    assert await books.reading.pruned() == {
        what: first.get(what, 0) + second.get(what, 0) for what in Prunable
    }
    assert (first[Prunable.ENTRIES], second[Prunable.ENTRIES]) == (1, 1)


async def test_a_job_that_fails_after_its_entry_was_pruned_is_a_new_entry(books: Books) -> None:
    await books.make(EntryState.RECOVERED, "1")
    await months_later(books)
    await prune(books)
    await books.fail("1", at=1000)
    entry = await books.entry("1")
    assert (entry.state, entry.failures, entry.generation) == (EntryState.FAILED, 1, 0)
    await books.requeue_one("1")
    await books.check_counts()


async def test_a_job_that_ends_after_its_operation_was_pruned_still_recovers(
    books: Books,
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    await months_later(books)
    await prune(books)
    assert await books.hear(completed("1", 1000)) == []
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert detail.entry.state is EntryState.RECOVERED
    assert detail.entry.operation_id == OperationId(operation.operation_id)
    assert detail.history == ()
    await books.check_counts()


async def test_pages_go_on_from_a_cursor_whose_row_was_pruned(books: Books) -> None:
    for number in "1234":
        await books.make(EntryState.RECOVERED, number)
        books.clock.advance(days=1)
    operations = await books.reading.operations(None, None, None, 2)
    trail = await books.accounts.audit_trail(None, 3)
    books.clock.set(AT + timedelta(days=2) + DAYS_30)
    await prune(books)
    left = await books.reading.operations(None, None, None, 2)
    assert [one.operation_id for one in left.items] == [operations.items[0].operation_id]
    rest = await books.reading.operations(None, None, operations.next_cursor, 2)
    assert (rest.items, rest.next_cursor) == ([], None)
    older = await books.accounts.audit_trail(trail.next_cursor, 3)
    assert (older.items, older.next_cursor) == ([], None)


@pytest.mark.parametrize(
    ("answer", "heard"),
    [(Answer.MISSING, True), (Answer.NOT_FAILED, True), (Answer.REQUEUED, False)],
)
async def test_what_a_settle_ends_counts_as_heard_of_then(
    books: Books, answer: Answer, heard: bool
) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    books.clock.advance(seconds=500)
    await books.operations.settle(operation, batch, results(batch, answer))
    (row,) = await books.database.rows(select(entries.c.heard_at))
    assert (row.heard_at == books.clock.now()) is heard


async def groups_left(books: Books) -> set[str]:
    return {row.title for row in await books.database.rows(select(groups))}


async def test_a_group_goes_when_no_entry_belongs_to_it_and_it_is_old_enough(
    books: Books,
) -> None:
    for state in (*OVER, *NOT_OVER):
        await books.fail(state.value, error_message=state.value, stacktrace="")
    await books.make(EntryState.RECOVERED, "moved")
    await books.fail("moved", error_message="another way", stacktrace="", at=20)
    (quiet,) = await groups_left(books) - {state.value for state in EntryState} - {"another way"}
    for state in OVER:
        await books.drift(state.value, state)
    await books.requeue_one("queued")
    books.clock.advance(milliseconds=DAYS_30 / MILLISECOND - 1)
    assert Prunable.GROUPS not in await prune(books)
    books.clock.advance(days=1)
    assert (await prune(books))[Prunable.GROUPS] == len(OVER) + 1
    assert await groups_left(books) == {state.value for state in NOT_OVER} | {"another way"}
    assert quiet == "the provider did not answer for moved"
    await books.check_counts()


async def test_a_group_with_a_note_stays(books: Books) -> None:
    await books.make(EntryState.RECOVERED, "1")
    group_id = (await books.entry("1")).group_id
    assert group_id is not None
    await books.accounts.note_group(group_id, "ask the hoster", ADA)
    await months_later(books)
    assert Prunable.GROUPS not in await prune(books)
    await books.accounts.note_group(group_id, "", ADA)
    assert (await prune(books))[Prunable.GROUPS] == 1
    await books.fail("1")
    await books.check_counts()


async def test_the_charts_of_groups_go_with_the_chart_of_everything(books: Books) -> None:
    await books.fail("1", "2", "3", error_message="full", stacktrace="")
    books.clock.advance(days=31)
    await books.fail("4", error_message="full", stacktrace="", at=31 * 86_400)
    await prune(books)
    left = await books.database.rows(select(group_activity))
    assert [row.failed for row in left] == [1]
