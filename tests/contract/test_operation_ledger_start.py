"""Starting bulk operations (``redrive.ports.OperationLedger.start_bulk``)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from redrive.domain import EntryState, OperationKind, OperationState, Scope
from redrive.errors import AppNotFound, IdempotencyMismatch, NothingToDo
from redrive.ledger.schema import entries
from tests.support.books import ALL, Books, app_scope, job_ids, request
from tests.support.factories import ADA, AT, BOB

RESYNC = OperationKind.RESYNC


async def test_a_bulk_start_records_who_asked_for_what_and_why(books: Books) -> None:
    await books.fail("1", "2")
    operation, new = await books.operations.start_bulk(
        request(app_scope("acme"), reason="provider is back", actor=BOB)
    )
    assert new
    assert operation.operation_id.startswith("op_")
    assert (operation.kind, operation.scope) == (OperationKind.RETRY, app_scope("acme"))
    assert (operation.actor, operation.origin) == ("bob", "cli")
    assert (operation.reason, operation.created_at) == ("provider is back", AT)
    assert (operation.state, operation.total) == (OperationState.QUEUED, 2)
    assert operation.completed == operation.released == operation.runner_epoch == 0
    assert (operation.started_at, operation.finished_at, operation.error) == (None, None, None)
    assert await books.operation(operation) == operation


async def test_a_start_writes_one_audit_row(books: Books) -> None:
    await books.fail("1")
    operation = await books.start(actor=BOB, reason="because")
    (row,) = (await books.accounts.audit_trail(None, 10)).items
    assert (row.actor, row.origin, row.action) == ("bob", "cli", "retry.start")
    assert (row.scope, row.reason, row.at) == ("all apps", "because", AT)
    assert (row.operation_id, row.counts) == (operation.operation_id, {"total": 1})
    assert (row.before, row.after) == (None, {"state": "queued", "total": 1})


async def test_a_bulk_start_changes_no_entry(books: Books) -> None:
    await books.fail("1", "2")
    before = await books.rows()
    await books.start()
    after = await books.rows()
    assert [after[table] for table in ("entries", "apps", "items")] == [
        before[table] for table in ("entries", "apps", "items")
    ]


async def test_failures_recorded_later_are_not_swept_in(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.start()
    await books.fail("late", at=-100)
    await books.fail("1", at=50)
    assert operation.total == 2
    taken = await books.take_over(operation.operation_id)
    assert job_ids(await books.claim(taken)) == ["2"]
    assert await books.operations.claim(taken, 100) is None


async def test_a_retry_counts_failed_entries_only(books: Books) -> None:
    for state in EntryState:
        await books.make(state, state.value)
    assert (await books.start()).total == 1


async def test_a_resync_counts_failed_and_recovered_entries(books: Books) -> None:
    for state in EntryState:
        await books.make(state, state.value)
    assert (await books.start(kind=RESYNC)).total == 2


async def test_an_app_start_counts_that_apps_entries_only(books: Books) -> None:
    await books.fail("1", "2", app="acme")
    await books.fail("3", app="globex")
    assert (await books.start(app_scope("acme"))).total == 2


async def test_an_unknown_app_is_not_found_and_nothing_changes(books: Books) -> None:
    await books.fail("1")
    before = await books.rows()
    with pytest.raises(AppNotFound, match="no app nobody"):
        await books.start(app_scope("nobody"))
    assert await books.rows() == before


@pytest.mark.parametrize("scope", [ALL, app_scope("acme")], ids=str)
@pytest.mark.parametrize("state", [state for state in EntryState if state != EntryState.FAILED])
async def test_there_is_nothing_to_retry_where_nothing_is_failed(
    books: Books, scope: Scope, state: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.rows()
    with pytest.raises(NothingToDo, match=str(scope)):
        await books.start(scope)
    assert await books.rows() == before


async def test_there_is_nothing_to_do_in_an_empty_ledger(books: Books) -> None:
    with pytest.raises(NothingToDo, match="all apps"):
        await books.start()


async def test_the_same_idempotency_key_answers_with_the_operation_it_started(
    books: Books,
) -> None:
    await books.fail("1")
    first = await books.start(idempotency_key="k1")
    await books.fail("2")
    again, new = await books.operations.start_bulk(request(ALL, idempotency_key="k1"))
    assert (again, new) == (first, False)


async def test_an_idempotency_key_still_answers_when_its_operation_is_over(books: Books) -> None:
    await books.fail("1")
    first = await books.start(idempotency_key="k1")
    cancelled = await books.operations.request_cancel(first.operation_id, ADA)
    again, new = await books.operations.start_bulk(request(ALL, idempotency_key="k1"))
    assert (again, new) == (cancelled, False)


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        (app_scope("acme"), OperationKind.RETRY),
        (app_scope("globex"), OperationKind.RETRY),
        (ALL, RESYNC),
    ],
    ids=["one of its apps", "another app", "another kind"],
)
async def test_an_idempotency_key_does_not_start_something_else(
    books: Books, scope: Scope, kind: OperationKind
) -> None:
    await books.fail("1")
    await books.fail("2", app="globex")
    first = await books.start(ALL, idempotency_key="k1")
    with pytest.raises(IdempotencyMismatch) as refused:
        await books.operations.start_bulk(request(scope, kind, idempotency_key="k1"))
    assert refused.value.fields["operation_id"] == first.operation_id


async def test_two_actors_may_use_the_same_idempotency_key(books: Books) -> None:
    await books.fail("1")
    await books.fail("2", app="globex")
    first = await books.start(app_scope("acme"), actor=ADA, idempotency_key="k1")
    second = await books.start(app_scope("globex"), actor=BOB, idempotency_key="k1")
    assert first.operation_id != second.operation_id


async def test_two_starts_at_once_with_one_key_are_one_operation(
    books: Books, second: Books
) -> None:
    await books.fail("1")
    wanted = request(ALL, idempotency_key="k1")
    (one, one_new), (two, two_new) = await asyncio.gather(
        books.operations.start_bulk(wanted), second.operations.start_bulk(wanted)
    )
    assert one == two
    assert sorted([one_new, two_new]) == [False, True]


async def test_the_total_is_what_a_count_of_the_entries_says(books: Books) -> None:
    await books.fail("1", "2", "3")
    await books.fail("4", "5", app="globex", at=10)
    await books.fail("6", app="initech", at=20)
    await books.drift("2", EntryState.RECOVERED)
    await books.drift("4", EntryState.VANISHED)
    counted = await books.database.rows(select(entries.c.state).where(entries.c.state == "failed"))
    operation = await books.start()
    assert operation.total == len(counted) == 4
    await books.operations.request_cancel(operation.operation_id, ADA)
    assert (await books.start(kind=RESYNC)).total == 5, "failed and recovered, not vanished"
