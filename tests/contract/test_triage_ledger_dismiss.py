"""Dismissing entries, and taking that back."""

from __future__ import annotations

import pytest

from redrive.domain import (
    Answer,
    AppId,
    EntryState,
    Operation,
    OperationKind,
    OperationState,
    Scope,
)
from redrive.errors import EntryNotFound, WrongState
from tests.support.books import Books, changes_nothing, job_ids, named, request, results
from tests.support.factories import BOB, completed, dropped, id_of

DISMISS = OperationKind.DISMISS


def scope_of(job_id: str, app: str = "acme") -> Scope:
    return Scope.of_entry(AppId(app), id_of(job_id))


async def dismiss(books: Books, job_id: str, reason: str = "") -> Operation:
    asked = request(scope_of(job_id), DISMISS, reason=reason)
    operation, batch = await books.operations.start_single(asked)
    return await books.complete(operation, batch, Answer.DISMISSED)


async def test_a_dismissed_entry_says_by_whom_and_why(books: Books) -> None:
    await books.fail("1")
    operation = await dismiss(books, "1", "test data")
    entry = await books.entry("1")
    assert (entry.state, entry.state_reason) == (
        EntryState.DISMISSED,
        "dismissed by ada: test data",
    )
    assert entry.error_type == "TimeoutError"
    assert named(await books.items(operation)) == {"1": ("dismissed", "dismissed", None)}
    assert (operation.dismissed, operation.completed, operation.total) == (1, 1, 1)
    assert await books.totals() == {EntryState.DISMISSED: 1}
    await books.check_counts()


@pytest.mark.parametrize("state", [state for state in EntryState if state != EntryState.FAILED])
async def test_only_a_failed_entry_can_be_dismissed(books: Books, state: EntryState) -> None:
    await books.make(state, "1")
    before = await books.rows()
    with pytest.raises(WrongState, match="allowed is: failed"):
        await books.single("1", DISMISS)
    assert await books.rows() == before


async def test_a_planned_dismissal_counts_what_it_dismissed(books: Books) -> None:
    await books.fail("1", "2", "3")
    operation = await books.begin_plan(DISMISS)
    batch = await books.claim(operation)
    settled = await books.operations.settle(operation, batch, results(batch, Answer.DISMISSED))
    assert (settled.dismissed, settled.completed, settled.requeued) == (3, 3, 0)
    assert await books.totals() == {EntryState.DISMISSED: 3}
    await books.check_counts()


async def test_a_dismissed_entry_that_fails_anew_is_failed_again(books: Books) -> None:
    await books.fail("1")
    await dismiss(books, "1")
    await books.fail("1", at=50)
    entry = await books.entry("1")
    assert (entry.state, entry.state_reason, entry.failures) == (EntryState.FAILED, "", 2)
    await books.check_counts()


async def test_one_that_fails_anew_while_it_is_being_dismissed_is_failed(books: Books) -> None:
    await books.fail("1")
    operation, batch = await books.single("1", DISMISS)
    await books.fail("1", at=50)
    finished = await books.complete(operation, batch, Answer.DISMISSED)
    assert finished.dismissed == 1
    assert (await books.entry("1")).state is EntryState.FAILED
    await books.check_counts()


async def test_one_that_completes_while_it_is_being_dismissed_is_dismissed_all_the_same(
    books: Books,
) -> None:
    await books.fail("1")
    operation, batch = await books.single("1", DISMISS)
    await books.hear(completed("1", 50))
    await books.complete(operation, batch, Answer.DISMISSED)
    entry = await books.entry("1")
    assert (entry.state, entry.state_reason) == (EntryState.DISMISSED, "dismissed by ada")


@pytest.mark.parametrize(
    ("at", "state"), [(-1, EntryState.DISMISSED), (1, EntryState.FAILED)], ids=["late news", "new"]
)
async def test_an_announced_failure_from_before_the_dismissal_does_not_undo_it(
    books: Books, at: float, state: EntryState
) -> None:
    await books.fail("1", at=-10)
    await dismiss(books, "1")
    await books.take_in(dropped("1", at=at))
    assert (await books.entry("1")).state is state


async def test_a_dismissal_that_is_taken_back_leaves_the_entry_as_it_failed(books: Books) -> None:
    await books.fail("1")
    before = await books.entry("1")
    await dismiss(books, "1", "by mistake")
    asked = request(Scope.of_entry(before.app_id, before.entry_id), DISMISS, actor=BOB, reason="no")
    restored = await books.triage.restore(asked)
    after = await books.entry("1")
    assert restored == after
    assert (after.state, after.state_reason) == (EntryState.FAILED, "")
    assert (after.error_message, after.failed_at) == (before.error_message, before.failed_at)
    await books.check_counts()
    row = (await books.accounts.audit_trail(None, 1)).items[0]
    assert (row.actor, row.action, row.result, row.reason) == ("bob", "restore", "restored", "no")
    assert (row.before, row.after) == ({"state": "dismissed"}, {"state": "failed"})


@pytest.mark.parametrize("state", [state for state in EntryState if state != EntryState.DISMISSED])
async def test_only_a_dismissed_entry_can_be_restored(books: Books, state: EntryState) -> None:
    await books.make(state, "1")
    before = await books.rows()
    with pytest.raises(WrongState, match="allowed is: dismissed"):
        await books.triage.restore(request(scope_of("1"), DISMISS))
    assert await books.rows() == before


async def test_an_unknown_entry_or_one_of_another_app_cannot_be_restored(books: Books) -> None:
    await books.fail("1")
    await dismiss(books, "1")
    for app, job_id in (("globex", "1"), ("acme", "2")):
        with pytest.raises(EntryNotFound):
            await books.triage.restore(request(scope_of(job_id, app), DISMISS))


async def test_an_open_operation_does_not_sweep_up_what_was_restored(books: Books) -> None:
    await books.fail("1", "2")
    await dismiss(books, "1")
    operation = await books.begin()
    await books.triage.restore(request(scope_of("1"), DISMISS))
    assert job_ids(await books.claim(operation)) == ["2"]
    assert await books.operations.claim(operation, 10) is None


async def test_a_batch_that_was_dismissed_already_stays_so(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin_plan(DISMISS)
    batch = await books.claim(operation)
    told = results(batch, Answer.DISMISSED)
    await books.operations.settle(operation, batch, told)
    await changes_nothing(books, lambda: books.operations.settle(operation, batch, told))
    finished = await books.operations.finish(operation, OperationState.COMPLETED, None)
    assert finished.dismissed == 1
