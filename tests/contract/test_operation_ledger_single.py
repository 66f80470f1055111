"""Operations of one entry (``redrive.ports.OperationLedger.start_single``)."""

from __future__ import annotations

import asyncio

import pytest

from redrive.domain import (
    SINGLE_TAKES,
    AppId,
    EntryState,
    ItemState,
    OperationKind,
    OperationState,
    Scope,
)
from redrive.errors import EntryNotFound, WrongState
from tests.support.books import Books, job_ids, named, request
from tests.support.factories import AT, BOB, id_of

CASES = [(kind, state) for kind in OperationKind for state in EntryState]
TAKEN = [(kind, state) for kind, state in CASES if state in SINGLE_TAKES[kind]]
REFUSED = [case for case in CASES if case not in TAKEN]


def test_a_retry_takes_failed_entries_and_a_resync_every_settled_one() -> None:
    assert {state for kind, state in TAKEN if kind is OperationKind.RETRY} == {EntryState.FAILED}
    assert {state for kind, state in REFUSED if kind is OperationKind.RESYNC} == {
        EntryState.CLAIMED,
        EntryState.QUEUED,
        EntryState.ACTIVE,
    }


@pytest.mark.parametrize(("kind", "state"), TAKEN)
async def test_a_single_start_claims_its_entry_as_batch_1(
    books: Books, kind: OperationKind, state: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.entry("1")
    operation, batch = await books.single("1", kind, actor=BOB)
    assert (operation.state, operation.total, operation.runner_epoch) == ("running", 1, 1)
    assert (operation.actor, operation.started_at) == ("bob", AT)
    assert operation.scope == Scope.of_entry(AppId("acme"), id_of("1"))
    (entry,) = batch.entries
    assert (batch.operation_id, batch.number) == (operation.operation_id, 1)
    assert (entry.job_id, entry.from_state) == ("1", state)
    assert (entry.failed_at, entry.generation) == (before.failed_at, before.generation + 1)
    after = await books.entry("1")
    assert after.state is EntryState.CLAIMED
    assert (after.error_message, after.operation_id) == (
        before.error_message,
        operation.operation_id,
    )
    assert named(await books.items(operation)) == {"1": (ItemState.CLAIMED, None, None)}
    assert await books.operations.unsettled(operation) == [batch]
    await books.check_counts()


@pytest.mark.parametrize(("kind", "state"), REFUSED)
async def test_an_entry_in_another_state_is_left_alone(
    books: Books, kind: OperationKind, state: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.rows()
    with pytest.raises(WrongState) as refused:
        await books.single("1", kind)
    assert refused.value.fields["state"] == state
    assert refused.value.fields["allowed"] == ", ".join(SINGLE_TAKES[kind])
    assert await books.rows() == before


@pytest.mark.parametrize("kind", OperationKind)
async def test_an_entry_of_another_app_is_not_found(books: Books, kind: OperationKind) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    before = await books.rows()
    with pytest.raises(EntryNotFound, match="of app globex"):
        await books.single("1", kind, app="globex")
    assert await books.rows() == before


async def test_an_unknown_entry_is_not_found(books: Books) -> None:
    with pytest.raises(EntryNotFound):
        await books.single("nobody")


async def test_a_single_start_writes_an_audit_row(books: Books) -> None:
    await books.fail("1")
    operation, _ = await books.single("1", OperationKind.RESYNC)
    (row,) = (await books.accounts.audit_trail(None, 10)).items
    assert (row.action, row.scope) == ("resync.start", f"entry {id_of('1')}")
    assert row.operation_id == operation.operation_id


@pytest.mark.parametrize("kind", OperationKind)
async def test_of_two_single_starts_at_once_one_wins(
    books: Books, second: Books, kind: OperationKind
) -> None:
    await books.fail("1")
    scope = Scope.of_entry(AppId("acme"), id_of("1"))
    starts = [side.operations.start_single(request(scope, kind)) for side in (books, second)]
    answers = await asyncio.gather(*starts, return_exceptions=True)
    won = [answer for answer in answers if isinstance(answer, tuple)]
    assert len(won) == 1
    assert sum(isinstance(answer, WrongState) for answer in answers) == 1
    assert (await books.entry("1")).generation == 1
    assert (await books.entry("1")).operation_id == won[0][0].operation_id
    await books.check_counts()


async def test_a_single_start_at_once_with_a_bulk_claim_moves_the_entry_once(
    books: Books, second: Books
) -> None:
    await books.fail("1", "2", "3")
    bulk = await books.begin()
    scope = Scope.of_entry(AppId("acme"), id_of("2"))
    batch, single = await asyncio.gather(
        books.operations.claim(bulk, 10),
        second.operations.start_single(request(scope)),
        return_exceptions=True,
    )
    assert not isinstance(batch, BaseException)
    claimed = job_ids(batch)
    if isinstance(single, WrongState):
        assert claimed == ["1", "2", "3"]
    else:
        assert isinstance(single, tuple)
        assert claimed == ["1", "3"]
        assert (await books.operation(bulk)).skipped == 1
    assert (await books.entry("2")).generation == 1
    await books.check_counts()


async def test_an_entry_can_be_retried_again_after_it_failed_again(books: Books) -> None:
    await books.fail("1")
    first = await books.requeue_one("1")
    await books.fail("1", at=20)
    again, batch = await books.single("1")
    assert again.operation_id != first.operation_id
    assert batch.entries[0].generation == 2
    assert again.state is OperationState.RUNNING
