"""Outcomes by the minute of their operation (``redrive.verdicts``)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from redrive import verdicts
from redrive.domain import (
    Answer,
    EntryState,
    Judgement,
    Operation,
    OutcomePoint,
    Prunable,
    Stamp,
)
from redrive.ledger.schema_triage import operation_activity
from redrive.verdicts import MOST_POINTS, read_judgement
from tests.support.books import Books, results
from tests.support.factories import AT, completed, failure, later
from tests.support.pruning import prune

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def judge(books: Books, operation: Operation) -> Judgement:
    await books.check_counts()
    found = await books.operation(operation)
    return await read_judgement(books.reading, found, books.clock.now(), HOUR)


def told(judgement: Judgement) -> list[tuple[float, int, int]]:
    """Minutes since the beginning, with what recovered and failed again in them."""
    return [
        ((point.at - AT) / MINUTE, point.recovered, point.failed_again)
        for point in judgement.points
    ]


async def moved(books: Books, *job_ids: str) -> Operation:
    """One operation that handed the jobs over at 10 seconds."""
    await books.fail(*job_ids)
    operation = await books.begin()
    return await books.complete(operation, await books.claim(operation), Answer.REQUEUED)


async def test_outcomes_count_in_the_minutes_in_which_they_came(books: Books) -> None:
    operation = await moved(books, "1", "2", "3")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    books.clock.advance(minutes=4)
    await books.hear(completed("1", 70), completed("2", 80))
    await books.take_in(failure("3", at=190, stamp=stamp))
    judgement = await judge(books, operation)
    assert judgement.verdict.is_final
    assert judgement.step == MINUTE
    assert told(judgement) == [(0, 0, 0), (1, 2, 0), (2, 0, 0), (3, 0, 1)]


async def test_the_series_of_an_open_verdict_goes_on_until_now(books: Books) -> None:
    operation = await moved(books, "1", "2")
    books.clock.advance(minutes=3)
    await books.hear(completed("1", 70))
    judgement = await judge(books, operation)
    assert judgement.verdict.phase == "observing"
    assert told(judgement) == [(0, 0, 0), (1, 1, 0), (2, 0, 0), (3, 0, 0)]
    books.clock.advance(hours=2)
    assert told(await judge(books, operation)) == [(0, 0, 0), (1, 1, 0)]


async def test_without_an_outcome_there_is_no_series(books: Books) -> None:
    operation = await moved(books, "1")
    assert (await judge(books, operation)).points == ()
    await books.drift("1", EntryState.VANISHED)
    assert (await judge(books, operation)).points == ()


async def test_what_was_heard_before_the_settle_counts_when_it_came(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation)
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    books.clock.advance(minutes=5)
    await books.hear(completed("1", 65))
    await books.take_in(failure("2", at=130, stamp=stamp))
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert told(await judge(books, operation))[:3] == [(0, 0, 0), (1, 1, 0), (2, 0, 1)]


async def test_no_outcome_lies_before_its_operation_or_in_the_future(books: Books) -> None:
    books.clock.advance(minutes=2)
    operation = await moved(books, "1", "2")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    books.clock.advance(minutes=1)
    await books.take_in(failure("1", at=20, stamp=stamp))
    await books.hear(completed("2", 3600))
    assert told(await judge(books, operation)) == [(2, 0, 1), (3, 1, 0)]


async def test_what_the_drift_check_finds_counts_when_it_is_found(books: Books) -> None:
    operation = await moved(books, "1")
    books.clock.advance(minutes=2)
    await books.drift("1", EntryState.RECOVERED)
    assert told(await judge(books, operation)) == [(0, 0, 0), (1, 0, 0), (2, 1, 0)]


async def test_a_verdict_that_is_revised_counts_once(books: Books) -> None:
    operation = await moved(books, "1")
    await books.drift("1", EntryState.VANISHED)
    books.clock.advance(minutes=1)
    await books.hear(completed("1", 61))
    await books.hear(completed("1", 61))
    assert told(await judge(books, operation)) == [(0, 0, 0), (1, 1, 0)]


async def test_a_long_series_has_coarser_steps(books: Books) -> None:
    operation = await moved(books, "1", "2")
    await books.hear(completed("1", 20))
    books.clock.advance(days=20)
    await books.hear(completed("2", 20 * 86_400))
    judgement = await judge(books, operation)
    assert judgement.step == timedelta(hours=6)
    assert len(judgement.points) <= MOST_POINTS
    assert sum(point.recovered for point in judgement.points) == 2
    assert judgement.points[-1] == OutcomePoint(at=later(20 * 86_400), recovered=1, failed_again=0)


async def test_the_minutes_of_an_operation_go_with_it(books: Books) -> None:
    operation = await moved(books, "1")
    await books.hear(completed("1", 20))
    books.clock.advance(days=20)
    await books.fail("2", at=20 * 86_400)
    kept = await books.requeue_one("2", at=20 * 86_400)
    await books.hear(completed("2", 20 * 86_400))
    books.clock.advance(days=11)
    assert (await prune(books))[Prunable.OPERATIONS] == 1
    assert await books.operations.operation(operation.operation_id) is None
    rows = await books.database.rows(select(operation_activity.c.operation_id))
    assert [row.operation_id for row in rows] == [kept.operation_id]
    assert await books.reading.last_outcome(operation.operation_id) is None
    (count,) = await books.database.rows(select(func.count()).select_from(operation_activity))
    assert count[0] == 1


async def test_the_sum_of_what_failed_the_same_way_outlives_its_operations(books: Books) -> None:
    operation = await moved(books, "1")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(failure("1", at=20, stamp=stamp))
    (before,) = await books.reading.tallies()
    assert (before.failed_again, before.failed_same, before.waiting) == (1, 1, 0)
    books.clock.advance(days=31)
    assert (await prune(books))[Prunable.OPERATIONS] == 1
    assert await books.reading.tallies() == [before]


def following(judgement: Judgement) -> list[tuple[str, int, bool]]:
    return [(one.kind, one.at_most, one.is_counted) for one in judgement.follow_ups]


async def test_what_could_be_done_next_counts_what_is_left_of_it(books: Books) -> None:
    operation = await moved(books, "1", "2", "3", "4")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    other = {"error_message": "no such mailbox", "stacktrace": ""}
    await books.hear(completed("1", 70))
    await books.take_in(
        failure("2", at=80, stamp=stamp),
        failure("3", at=80, stamp=stamp, **other),
        failure("4", at=80, stamp=stamp, **other),
    )
    assert following(await judge(books, operation)) == [("retry", 3, True), ("dismiss", 1, True)]
    await books.requeue_one("3", at=90)
    assert following(await judge(books, operation)) == [("retry", 2, True), ("dismiss", 1, True)]
    await books.drift("2", EntryState.DISMISSED)
    assert following(await judge(books, operation)) == [("retry", 1, True)]
    await books.requeue_one("4", at=90)
    assert following(await judge(books, operation)) == []


async def test_where_too_many_are_failed_to_be_counted_it_is_as_many_as_there_ever_were(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "LOOKED_AT", 1)
    operation = await moved(books, "1", "2")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(failure("1", at=80, stamp=stamp), failure("2", at=80, stamp=stamp))
    await books.requeue_one("1", at=90)
    assert following(await judge(books, operation)) == [("retry", 2, False)]
