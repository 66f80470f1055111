"""Keyset pages: complete, without duplicates, in order (``redrive.ports.ReadingLedger``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from redrive.domain import (
    Answer,
    AppId,
    EntryFilter,
    EntryState,
    ItemState,
    OperationId,
    OperationState,
)
from redrive.errors import BadCursor
from redrive.ports import Page
from tests.support.books import Books, app_scope, results
from tests.support.factories import ADA, failure, later

T = TypeVar("T")
Reader = Callable[[str | None, int], Awaitable[Page[T]]]
LIMITS = [1, 2, 3, 7, 8, 100]
EVERYTHING = EntryFilter()
FAILED = EntryFilter(states=(EntryState.FAILED,))


async def walk(read: Reader[T], limit: int) -> list[T]:
    """Every item of a list, page by page; each page but the last is full."""
    found: list[T] = []
    cursor: str | None = None
    while True:
        page = await read(cursor, limit)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(page.items) == limit


def entries_of(
    books: Books, entry_filter: EntryFilter = EVERYTHING, *, oldest_first: bool = False
) -> Reader[Any]:
    return lambda cursor, limit: books.reading.entries(entry_filter, cursor, limit, oldest_first)


def jobs(entries: Sequence[Any]) -> str:
    return "".join(entry.job_id for entry in entries)


@pytest.mark.parametrize("limit", LIMITS)
async def test_entries_are_read_newest_failure_first_or_oldest_first(
    books: Books, limit: int
) -> None:
    await books.fail(*"abcdefg")
    assert jobs(await walk(entries_of(books), limit)) == "gfedcba"
    assert jobs(await walk(entries_of(books, oldest_first=True), limit)) == "abcdefg"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("app", [None, "acme"])
async def test_failed_entries_are_ordered_by_when_they_failed_however_they_came(
    books: Books, limit: int, app: str | None
) -> None:
    times = {"a": 50, "b": 10, "c": 30, "d": 30, "e": 10, "f": 40, "g": 30}
    await books.take_in(*(failure(job, at=at) for job, at in times.items()))
    await books.fail("h", "i", app="globex")
    await books.requeue_one("h", app="globex")
    await books.requeue_one("i", app="globex")
    failed = EntryFilter(app_id=None if app is None else AppId(app), states=(EntryState.FAILED,))
    assert jobs(await walk(entries_of(books, failed), limit)) == "afgdceb"
    assert jobs(await walk(entries_of(books, failed, oldest_first=True), limit)) == "becdgfa"
    within = replace(failed, failed_from=later(30), failed_before=later(50))
    assert jobs(await walk(entries_of(books, within), limit)) == "fgdc"


async def test_a_count_with_an_end_looks_at_the_newest_failures(books: Books) -> None:
    await books.take_in(failure("a", at=50), failure("b", at=10), failure("c", at=30))
    late = EntryFilter(states=(EntryState.FAILED,), queue="mail", failed_from=later(20))
    assert (await books.reading.count(late, 10, 2)).found == 2
    newest = EntryFilter(states=(EntryState.FAILED,), query="for a")
    assert (await books.reading.count(newest, 10, 1)).found == 1


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_a_walk_meets_every_entry_that_stayed_as_it_was(
    books: Books, oldest_first: bool
) -> None:
    await books.fail(*"abcdef")
    read = entries_of(books, oldest_first=oldest_first)
    first = await read(None, 2)
    await books.take_in(failure("c", at=60), failure("z", at=61))
    rest = [*(await read(first.next_cursor, 100)).items]
    seen = jobs([*first.items, *rest])
    assert set("abdef") <= set(seen)
    assert len(seen) == len(set(seen))


async def test_an_empty_list_is_one_page(books: Books) -> None:
    page = await books.reading.entries(EVERYTHING, None, 10, oldest_first=False)
    assert (page.items, page.next_cursor) == ([], None)
    assert await books.reading.operations(None, None, None, 10) == Page(items=[], next_cursor=None)
    assert await books.reading.apps(None, 10) == Page(items=[], next_cursor=None)


@pytest.mark.parametrize(
    ("entry_filter", "expected"),
    [
        (EntryFilter(app_id=AppId("acme")), "ba"),
        (EntryFilter(app_id=AppId("globex")), "dc"),
        (EntryFilter(app_id=AppId("nobody")), ""),
        (EntryFilter(states=(EntryState.FAILED,)), "dca"),
        (EntryFilter(states=(EntryState.QUEUED,)), "b"),
        (EntryFilter(queue="mail"), "dcba"),
        (EntryFilter(queue="sms"), ""),
        (EntryFilter(app_id=AppId("acme"), states=(EntryState.FAILED,), queue="mail"), "a"),
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 100])
async def test_filters_narrow_the_list_and_its_pages(
    books: Books, entry_filter: EntryFilter, expected: str, limit: int
) -> None:
    await books.fail("a", "b", app="acme")
    await books.fail("c", "d", app="globex")
    await books.requeue_one("b")
    assert jobs(await walk(entries_of(books, entry_filter), limit)) == expected
    upwards = entries_of(books, entry_filter, oldest_first=True)
    assert jobs(await walk(upwards, limit)) == expected[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_apps_are_read_with_most_failed_entries_first(books: Books, limit: int) -> None:
    for app, count in [("b", 2), ("none", 1), ("a", 2), ("most", 3), ("ä ö/ü", 1)]:
        await books.fail(*(f"{app}{number}" for number in range(count)), app=app)
    await books.requeue_one("none0", app="none")
    names = [app.app_id for app in await walk(books.reading.apps, limit)]
    assert names == ["most", "a", "b", "ä ö/ü", "none"]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_operations_are_read_newest_first_and_filtered(books: Books, limit: int) -> None:
    started = []
    for number in range(5):
        await books.fail(f"j{number}", app=f"app-{number % 2}")
        operation = await books.start(app_scope(f"app-{number % 2}"))
        await books.operations.request_cancel(operation.operation_id, ADA)
        started.append(operation.operation_id)
        books.clock.advance(seconds=1)
    open_one = await books.start()

    def reader(state: OperationState | None, app: str | None) -> Reader[Any]:
        app_id = None if app is None else AppId(app)
        return lambda cursor, limit: books.reading.operations(state, app_id, cursor, limit)

    async def ids(state: OperationState | None, app: str | None) -> list[OperationId]:
        return [found.operation_id for found in await walk(reader(state, app), limit)]

    newest_first = [open_one.operation_id, *reversed(started)]
    assert await ids(None, None) == newest_first
    assert await ids(OperationState.CANCELLED, None) == newest_first[1:]
    assert await ids(OperationState.QUEUED, None) == newest_first[:1]
    assert await ids(None, "app-1") == [started[3], started[1]]
    assert await ids(OperationState.QUEUED, "app-1") == []


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_items_are_read_in_hand_over_order_and_filtered(books: Books, limit: int) -> None:
    await books.fail(*"cabed")
    operation = await books.begin()
    for answer in (Answer.REQUEUED, Answer.MISSING):
        batch = await books.claim(operation, 2)
        await books.operations.settle(operation, batch, results(batch, answer))
    await books.claim(operation)

    async def read(state: ItemState | None) -> str:
        return jobs(
            await walk(
                lambda cursor, most: books.reading.items(
                    operation.operation_id, state, cursor, most
                ),
                limit,
            )
        )

    assert await read(None) == "cabed"
    assert await read(ItemState.REQUEUED) == "ca"
    assert await read(ItemState.SKIPPED) == "be"
    assert await read(ItemState.CLAIMED) == "d"
    assert await read(ItemState.ERRORED) == ""


async def test_items_of_an_unknown_operation_are_none(books: Books) -> None:
    page = await books.reading.items(OperationId("op_nobody"), None, None, 10)
    assert page == Page(items=[], next_cursor=None)


LISTS: dict[str, Callable[[Books], Reader[Any]]] = {
    "entries newest first": lambda books: entries_of(books),
    "entries oldest first": lambda books: entries_of(books, oldest_first=True),
    "failed newest first": lambda books: entries_of(books, FAILED),
    "failed oldest first": lambda books: entries_of(books, FAILED, oldest_first=True),
    "apps": lambda books: books.reading.apps,
    "operations": lambda books: lambda c, n: books.reading.operations(None, None, c, n),
    "items": lambda books: lambda c, n: books.reading.items(OperationId("op_1"), None, c, n),
    "audit": lambda books: books.accounts.audit_trail,
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("cursor", ["", "?", "bm9uc2Vuc2U", "ÿ", "W10", "eyJhIjoxfQ"])
async def test_a_made_up_cursor_is_refused_by_every_list(
    books: Books, name: str, cursor: str
) -> None:
    with pytest.raises(BadCursor, match="not one that this list gave out"):
        await LISTS[name](books)(cursor, 10)


async def test_a_cursor_of_one_list_is_refused_by_every_other(books: Books) -> None:
    for number in range(3):
        await books.fail(f"j{number}", app=f"app-{number}")
        operation = await books.start(app_scope(f"app-{number}"))
        await books.operations.request_cancel(operation.operation_id, ADA)
    operation = await books.begin()
    await books.claim(operation)
    await books.fail("k", "l")
    lists = {name: make(books) for name, make in LISTS.items() if name != "items"}
    lists["items"] = lambda c, n: books.reading.items(operation.operation_id, None, c, n)
    cursors = {name: (await read(None, 1)).next_cursor for name, read in lists.items()}
    assert None not in cursors.values()
    for giver, cursor in cursors.items():
        for taker, read in lists.items():
            if giver != taker:
                with pytest.raises(BadCursor):
                    await read(cursor, 1)
