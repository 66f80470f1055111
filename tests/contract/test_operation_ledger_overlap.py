"""Bulk operations whose scopes overlap: the second is refused, however close the race."""

from __future__ import annotations

import asyncio

import pytest

from redrive.domain import Operation, OperationKind, OperationState, Scope
from redrive.errors import OperationOverlap
from tests.support.books import ALL, Books, app_scope, request
from tests.support.factories import ADA, BOB

ACME, GLOBEX = app_scope("acme"), app_scope("globex")
OVERLAPPING = [(ALL, ALL), (ALL, ACME), (ACME, ALL), (ACME, ACME)]


@pytest.fixture(autouse=True)
async def two_apps(books: Books) -> None:
    await books.fail("1", "2", app="acme")
    await books.fail("3", "4", app="globex")


@pytest.mark.parametrize(("first", "second_scope"), OVERLAPPING, ids=str)
async def test_an_overlapping_start_is_refused_and_names_the_running_operation(
    books: Books, first: Scope, second_scope: Scope
) -> None:
    running = await books.start(first, actor=BOB)
    before = await books.rows()
    with pytest.raises(OperationOverlap) as refused:
        await books.start(second_scope)
    assert refused.value.fields == {
        "operation_id": running.operation_id,
        "scope": str(first),
        "actor": "bob",
    }
    assert await books.rows() == before


async def test_another_apps_operation_does_not_overlap(books: Books) -> None:
    await books.start(ACME)
    assert (await books.start(GLOBEX)).total == 2


async def test_a_resync_overlaps_a_retry(books: Books) -> None:
    await books.start(ACME)
    with pytest.raises(OperationOverlap):
        await books.start(ACME, OperationKind.RESYNC)


@pytest.mark.parametrize("state", [OperationState.RUNNING, OperationState.CANCELLING])
async def test_an_operation_overlaps_until_it_is_over(books: Books, state: OperationState) -> None:
    running = await books.begin(ALL)
    if state is OperationState.CANCELLING:
        await books.operations.request_cancel(running.operation_id, ADA)
    assert (await books.operation(running)).state is state
    with pytest.raises(OperationOverlap):
        await books.start(ACME)
    await books.operations.finish(running, OperationState.FAILED, "stopped")
    assert (await books.start(ACME)).total == 2


async def test_a_single_retry_does_not_keep_a_bulk_start_out(books: Books) -> None:
    await books.single("1")
    assert (await books.start(ALL)).total == 3


async def test_a_bulk_start_does_not_keep_a_single_retry_out(books: Books) -> None:
    await books.start(ALL)
    operation, _ = await books.single("1")
    assert operation.state is OperationState.RUNNING


@pytest.mark.parametrize(("first", "second_scope"), OVERLAPPING, ids=str)
async def test_of_two_overlapping_starts_at_once_exactly_one_wins(
    books: Books, second: Books, first: Scope, second_scope: Scope
) -> None:
    starts = [
        books.operations.start_bulk(request(first)),
        second.operations.start_bulk(request(second_scope, actor=BOB)),
    ]
    answers = await asyncio.gather(*starts, return_exceptions=True)
    won = [answer[0] for answer in answers if isinstance(answer, tuple)]
    lost = [answer for answer in answers if isinstance(answer, OperationOverlap)]
    assert (len(won), len(lost)) == (1, 1)
    assert lost[0].fields["operation_id"] == won[0].operation_id
    assert await _open(books) == won


async def test_of_many_starts_at_once_exactly_one_wins(books: Books, second: Books) -> None:
    starts = [side.operations.start_bulk(request(ALL)) for side in (books, second) * 5]
    answers = await asyncio.gather(*starts, return_exceptions=True)
    assert sum(isinstance(answer, tuple) for answer in answers) == 1
    assert sum(isinstance(answer, OperationOverlap) for answer in answers) == 9


async def test_two_apps_can_be_started_at_once(books: Books, second: Books) -> None:
    await asyncio.gather(
        books.operations.start_bulk(request(ACME)), second.operations.start_bulk(request(GLOBEX))
    )
    assert {operation.scope for operation in await _open(books)} == {ACME, GLOBEX}


async def _open(books: Books) -> list[Operation]:
    return await books.operations.open_operations()
