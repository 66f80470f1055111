"""Cursors move with what they cover, by compare and set (``redrive.ports.FollowerLedger``)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from redrive.domain import EntryState, Operation
from tests.support.books import Books
from tests.support.factories import QUEUE, SOURCE, completed, failure

Record = Callable[[Books, tuple[str, str]], Awaitable[list[Operation] | None]]


async def failures(books: Books, cursor: tuple[str, str]) -> list[Operation] | None:
    """Record something new under a cursor."""
    return await books.following.record_failures(
        SOURCE, QUEUE, [failure("new"), failure("1", at=80)], cursor
    )


async def outcomes(books: Books, cursor: tuple[str, str]) -> list[Operation] | None:
    return await books.following.record_outcomes(SOURCE, QUEUE, [completed("1", 20)], cursor)


KINDS = pytest.mark.parametrize("record", [failures, outcomes])


async def _queued(books: Books) -> None:
    """An entry that both kinds of record change."""
    await books.fail("1")
    await books.requeue_one("1")


async def _saved(books: Books, record: Record) -> dict[str, str]:
    return await books.following.cursors(SOURCE, record.__name__)


@KINDS
async def test_there_are_no_cursors_at_the_beginning(books: Books, record: Record) -> None:
    assert await _saved(books, record) == {}


@KINDS
async def test_a_record_moves_its_cursor(books: Books, record: Record) -> None:
    await _queued(books)
    assert await record(books, ("", "a")) is not None
    assert await _saved(books, record) == {QUEUE: "a"}
    assert await record(books, ("a", "b")) is not None
    assert await _saved(books, record) == {QUEUE: "b"}


@KINDS
@pytest.mark.parametrize("stale", ["", "0", "b"])
async def test_a_record_with_a_stale_cursor_changes_nothing(
    books: Books, record: Record, stale: str
) -> None:
    await _queued(books)
    await books.following.record_failures(SOURCE, QUEUE, [], ("", "a"))
    await books.following.record_outcomes(SOURCE, QUEUE, [], ("", "a"))
    before = await books.rows()
    assert await record(books, (stale, "c")) is None
    assert await books.rows() == before


@KINDS
async def test_a_cursor_that_was_never_saved_cannot_be_moved_on(
    books: Books, record: Record
) -> None:
    await _queued(books)
    before = await books.rows()
    assert await record(books, ("a", "b")) is None
    assert await books.rows() == before


@KINDS
@pytest.mark.parametrize("first", ["", "a"])
async def test_of_two_followers_at_once_one_records(
    books: Books, second: Books, record: Record, first: str
) -> None:
    await _queued(books)
    if first:
        await books.following.record_failures(SOURCE, QUEUE, [], ("", first))
        await books.following.record_outcomes(SOURCE, QUEUE, [], ("", first))
    answers = await asyncio.gather(
        record(books, (first, "mine")), record(second, (first, "theirs"))
    )
    assert sum(answer is None for answer in answers) == 1
    won = "mine" if answers[0] is not None else "theirs"
    assert await _saved(books, record) == {QUEUE: won}
    assert (await books.entry("1")).state in (EntryState.FAILED, EntryState.RECOVERED)
    await books.check_counts()


@KINDS
async def test_nothing_new_still_moves_the_cursor(books: Books, record: Record) -> None:
    if record is failures:
        assert await books.following.record_failures(SOURCE, QUEUE, [], ("", "a")) == []
    else:
        assert await books.following.record_outcomes(SOURCE, QUEUE, [], ("", "a")) == []
    assert await _saved(books, record) == {QUEUE: "a"}


async def test_each_source_queue_and_kind_has_its_own_cursor(books: Books) -> None:
    await books.following.record_failures("one", "q1", [], ("", "a"))
    await books.following.record_failures("one", "q2", [], ("", "b"))
    await books.following.record_failures("two", "q1", [], ("", "c"))
    await books.following.record_outcomes("one", "q1", [], ("", "d"))
    assert await books.following.cursors("one", "failures") == {"q1": "a", "q2": "b"}
    assert await books.following.cursors("two", "failures") == {"q1": "c"}
    assert await books.following.cursors("one", "outcomes") == {"q1": "d"}


async def test_failures_found_beside_the_scan_leave_its_cursor_alone(books: Books) -> None:
    await books.following.record_failures(SOURCE, QUEUE, [], ("", "a"))
    assert await books.following.record_failures(SOURCE, QUEUE, [failure("1")], None) == []
    assert await books.following.cursors(SOURCE, "failures") == {QUEUE: "a"}
