"""Claims of a plan's operation: every selected entry ends with exactly one reason."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    BATCH_BYTES,
    Answer,
    EntryState,
    Operation,
    OperationKind,
    OperationState,
    Scope,
)
from redrive.errors import StaleRunner
from redrive.ledger.schema import entries, items
from tests.support.books import Books, job_ids, named, request, results
from tests.support.factories import ADA

RESYNC = OperationKind.RESYNC

FETCHED = """
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables
WHERE relname IN ('entries', 'selections')
"""


async def work_off(books: Books, operation: Operation, limit: int = 2) -> Operation:
    """What a runner does; it must add up."""
    while (batch := await books.operations.claim(operation, limit)) is not None:
        assert batch.entries
        await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    current = await books.operation(operation)
    assert current.completed == current.total
    await books.check_counts()
    return await books.operations.finish(operation, OperationState.COMPLETED, None)


async def test_claims_take_the_selection_oldest_first_and_nothing_else(books: Books) -> None:
    await books.fail("1", "2", job_name="a")
    await books.fail("x", job_name="b")
    await books.fail("3", job_name="a")
    operation = await books.begin_plan(job_name="a")
    await books.fail("late", job_name="a")
    assert job_ids(await books.claim(operation, 2)) == ["1", "2"]
    assert job_ids(await books.claim(operation, 2)) == ["3"]
    assert await books.operations.claim(operation, 2) is None
    assert (await books.entry("x")).state is EntryState.FAILED


async def leave(books: Books, job_id: str, how: str) -> None:
    match how:
        case "fails again":
            await books.fail(job_id, at=50)
        case "is retried":
            await books.requeue_one(job_id)
        case "is in another's hands":
            await books.single(job_id)
        case "is dismissed":
            operation, batch = await books.single(job_id, OperationKind.DISMISS)
            await books.complete(operation, batch, Answer.DISMISSED)
        case "recovers elsewhere":
            await books.drift(job_id, EntryState.RECOVERED)
        case "vanishes":
            await books.drift(job_id, EntryState.VANISHED)
        case "is retried and fails again":
            await books.requeue_one(job_id)
            await books.fail(job_id, at=60)


LEAVING = {
    "fails again": "failed_again_before",
    "is retried": "taken_by_another",
    "is in another's hands": "taken_by_another",
    "is dismissed": "taken_by_another",
    "recovers elsewhere": "resolved_elsewhere",
    "vanishes": "resolved_elsewhere",
    "is retried and fails again": "failed_again_before",
}


@pytest.mark.parametrize("started_first", [True, False])
@pytest.mark.parametrize(("how", "reason"), LEAVING.items(), ids=LEAVING)
async def test_what_left_the_selection_is_skipped_with_its_one_reason(
    books: Books, how: str, reason: str, started_first: bool
) -> None:
    await books.fail("1", "2", "3")
    plan = await books.plan()
    if not started_first:
        await leave(books, "2", how)
    started = await books.start_plan(plan)
    assert started.total == 3
    if started_first:
        await leave(books, "2", how)
    finished = await work_off(books, await books.take_over(started.operation_id))
    assert (finished.requeued, finished.skipped) == (2, 1)
    assert named(await books.items(finished)) == {
        "1": ("requeued", "requeued", "waiting"),
        "2": ("skipped", reason, None),
        "3": ("requeued", "requeued", "waiting"),
    }


async def test_what_others_did_before_the_plan_is_no_reason(books: Books) -> None:
    await books.fail("1")
    await leave(books, "1", "is dismissed")
    entry = await books.entry("1")
    scope = Scope.of_entry(entry.app_id, entry.entry_id)
    await books.triage.restore(request(scope, OperationKind.DISMISS))
    operation = await books.begin_plan()
    await books.drift("1", EntryState.RECOVERED)
    finished = await work_off(books, operation)
    assert named(await books.items(finished)) == {"1": ("skipped", "resolved_elsewhere", None)}


async def test_an_entry_that_was_taken_and_given_back_is_still_selected(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan()
    single, batch = await books.single("1")
    await books.operations.release(single, batch, engine_away=True)
    await books.operations.finish(single, OperationState.FAILED, "away")
    started = await books.start_plan(plan)
    finished = await work_off(books, await books.take_over(started.operation_id))
    assert (finished.requeued, finished.skipped) == (1, 0)


async def test_a_claim_that_finds_everything_gone_goes_on_to_the_next_entries(
    books: Books,
) -> None:
    await books.fail(*(str(number) for number in range(7)))
    operation = await books.begin_plan()
    for number in range(5):
        await books.drift(str(number), EntryState.RECOVERED)
    assert job_ids(await books.claim(operation, 2)) == ["5"]
    assert (await books.operation(operation)).skipped == 5


async def test_a_selection_of_which_nothing_is_left_completes(books: Books) -> None:
    await books.fail("1", "2", "3")
    operation = await books.begin_plan()
    for job_id in ("1", "2", "3"):
        await books.drift(job_id, EntryState.VANISHED)
    assert (await work_off(books, operation)).skipped == 3


async def test_a_resync_takes_what_recovered_after_it_was_planned(books: Books) -> None:
    await books.fail("1")
    await books.make(EntryState.RECOVERED, "2")
    operation = await books.begin_plan(RESYNC)
    await books.drift("1", EntryState.RECOVERED)
    assert sorted(job_ids(await books.claim(operation))) == ["1", "2"]


async def test_an_entry_of_which_the_ledger_knows_nothing_any_more_is_skipped(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin_plan()
    pk = await books.pk("1")
    await books.database.write(
        lambda connection: connection.execute(delete(entries).where(entries.c.id == pk))
    )
    assert job_ids(await books.claim(operation)) == ["2"]
    (item,) = await books.database.rows(select(items).where(items.c.entry_pk == pk))
    assert (item.state, item.reason) == ("skipped", "resolved_elsewhere")
    assert (await books.operation(operation)).skipped == 1


async def test_a_batch_ends_where_its_data_becomes_large(books: Books) -> None:
    await books.fail("1", "2", "3", data_size=BATCH_BYTES // 2)
    operation = await books.begin_plan()
    assert job_ids(await books.claim(operation)) == ["1", "2"]
    assert job_ids(await books.claim(operation)) == ["3"]


async def test_no_claim_starts_after_a_cancel_and_the_rest_stays_failed(books: Books) -> None:
    await books.fail("1", "2", "3")
    operation = await books.begin_plan()
    batch = await books.claim(operation, 1)
    await books.operations.request_cancel(operation.operation_id, ADA)
    before = await books.rows()
    assert await books.operations.claim(operation, 1) is None
    assert await books.rows() == before
    await books.operations.settle(operation, batch, results(batch, Answer.WITHHELD))
    assert await books.totals() == {EntryState.FAILED: 3}


async def test_a_runner_that_was_only_asleep_claims_and_skips_nothing(books: Books) -> None:
    await books.fail("1", "2")
    asleep = await books.begin_plan()
    await books.drift("1", EntryState.RECOVERED)
    await books.take_over(asleep.operation_id)
    before = await books.rows()
    with pytest.raises(StaleRunner):
        await books.operations.claim(asleep, 1)
    assert await books.rows() == before


async def test_a_takeover_finds_what_is_claimed_and_goes_on_behind_it(books: Books) -> None:
    await books.fail("1", "2", "3")
    first = await books.begin_plan()
    await books.drift("1", EntryState.RECOVERED)
    claimed = await books.claim(first, 2)
    second = await books.take_over(first.operation_id)
    (batch,) = await books.operations.unsettled(second)
    assert batch == claimed
    await books.operations.settle(second, batch, results(batch, Answer.REQUEUED))
    finished = await work_off(books, second)
    assert (finished.requeued, finished.skipped) == (2, 1)


async def test_failures_that_leave_a_plans_selection_move_no_count_of_it_before_its_turn(
    books: Books,
) -> None:
    await books.fail("1", "2")
    operation = await books.begin_plan()
    await books.fail("1", at=50)
    await books.drift("2", EntryState.RECOVERED)
    assert (await books.operation(operation)).skipped == 0
    assert await books.items(operation) == []


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_claim_reads_as_much_as_it_takes_whatever_is_left_of_its_plan(books: Books) -> None:
    many, size, claims = 2_500, 10, 5
    await books.fail(*(str(number) for number in range(many)))
    operation = await books.begin_plan(job_name="deliver")

    async def fetched() -> int:
        async def work(connection: AsyncConnection) -> int:
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
            return int((await connection.execute(text(FETCHED))).scalar_one())

        await books.database.write(work)
        return await books.database.write(work)

    before = await fetched()
    for _ in range(claims):
        assert len((await books.claim(operation, size)).entries) == size
    assert await fetched() - before < claims * size * 10
