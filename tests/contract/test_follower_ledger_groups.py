"""Failures and their groups (``redrive.ports.FollowerLedger.record_failures``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from redrive.domain import (
    Answer,
    EntryState,
    Group,
    GroupFilter,
    Operation,
    OperationKind,
    Stamp,
)
from redrive.fingerprint import key_of
from redrive.ledger import SqlFollowerLedger
from redrive.ledger.grouping import Fingerprints
from redrive.ledger.schema import entries
from redrive.ledger.schema_triage import groups
from tests.support.books import ALL, Books, app_scope, results
from tests.support.factories import AT, QUEUE, SOURCE, dropped, failure, later

FULL: dict[str, Any] = {"error_message": "the disk is full", "stacktrace": ""}
LATE: dict[str, Any] = {"error_message": "nobody answered", "stacktrace": ""}


async def groups_of(books: Books) -> dict[str, Group]:
    """Every group, by its title."""
    page = await books.reading.groups(
        GroupFilter(with_quiet=True), AT - timedelta(hours=1), timedelta(minutes=1), None, 100
    )
    return {group.title: group for group in page.items}


async def row_of(books: Books, job_id: str) -> Any:
    (row,) = await books.database.rows(select(entries).where(entries.c.job_id == job_id))
    return row


def stamp(operation: Operation, generation: int) -> Stamp:
    return Stamp(operation_id=operation.operation_id, generation=generation)


async def fail_after_hand_over(books: Books, job_id: str, generation: int, **values: Any) -> None:
    """Retry the entry by hand; its job fails again, with the stamp of that hand-over."""
    operation = await books.requeue_one(job_id, at=100 * generation)
    given = {"stamp": stamp(operation, generation)} | FULL | values
    await books.take_in(failure(job_id, at=100 * generation + 5, **given))


async def test_a_page_of_failures_makes_each_group_once(books: Books) -> None:
    await books.take_in(
        *(failure(f"full-{n}", at=n, **FULL) for n in range(3)),
        *(failure(f"late-{n}", at=n, **LATE) for n in range(2)),
    )
    found = await groups_of(books)
    counts = {title: (one.failed, one.entries, one.failures) for title, one in found.items()}
    assert counts == {"the disk is full": (3, 3, 3), "nobody answered": (2, 2, 2)}
    full = found["the disk is full"]
    assert (full.first_seen_at, full.last_failed_at) == (AT, later(2))
    await books.check_counts()


async def test_an_older_failure_that_is_found_later_only_changes_the_first_sight(
    books: Books,
) -> None:
    await books.fail("1", **FULL)
    await books.fail("2", at=-50, **FULL)
    full = (await groups_of(books))["the disk is full"]
    assert (full.first_seen_at, full.last_failed_at) == (later(-50), AT)


async def test_an_entry_that_fails_in_another_way_changes_its_group(books: Books) -> None:
    await books.fail("1", **FULL)
    await books.fail("1", at=10, **LATE)
    found = await groups_of(books)
    assert (found["the disk is full"].failed, found["nobody answered"].failed) == (0, 1)
    assert (found["the disk is full"].failures, found["nobody answered"].failures) == (1, 1)
    row = await row_of(books, "1")
    pks = {one.title: one.group_pk for one in await books.database.rows(select(groups))}
    assert (row.group_pk, row.previous_group_pk) == (
        pks["nobody answered"],
        pks["the disk is full"],
    )
    await books.check_counts()


async def test_a_failure_that_is_known_already_counts_once(books: Books) -> None:
    await books.fail("1", **FULL)
    await books.fail("1", **FULL)
    assert (await groups_of(books))["the disk is full"].failures == 1


async def test_a_failure_that_was_only_announced_has_a_group_by_its_message(
    books: Books,
) -> None:
    await books.fail("1", **LATE)
    await books.requeue_one("1")
    await books.take_in(dropped("1", at=20, job_name="", error_message="the disk is full"))
    full = (await groups_of(books))["the disk is full"]
    assert (full.failed, full.job_name, full.basis) == (1, "deliver", "message")


async def test_an_entry_tells_how_often_in_a_row_it_failed_the_same_way(books: Books) -> None:
    await books.fail("1", **FULL)
    assert (await row_of(books, "1")).same_failures == 0
    for times in (1, 2, 3):
        await fail_after_hand_over(books, "1", times)
        assert (await row_of(books, "1")).same_failures == times
    await fail_after_hand_over(books, "1", 4, **LATE)
    assert (await row_of(books, "1")).same_failures == 0
    await fail_after_hand_over(books, "1", 5, **LATE)
    assert (await row_of(books, "1")).same_failures == 1
    await books.check_counts()


async def test_a_failure_that_no_hand_over_came_before_does_not_count_as_the_same(
    books: Books,
) -> None:
    await books.fail("1", **FULL)
    await books.fail("1", at=10, **FULL)
    assert (await row_of(books, "1")).same_failures == 0
    await fail_after_hand_over(books, "1", 1)
    await books.fail("1", at=500, **FULL)
    assert (await row_of(books, "1")).same_failures == 1


async def test_an_announced_failure_after_a_hand_over_counts_as_the_same(books: Books) -> None:
    await books.fail("1", **FULL)
    await books.requeue_one("1")
    await books.take_in(dropped("1", at=20, error_message="the disk is full"))
    assert (await row_of(books, "1")).same_failures == 1


@pytest.mark.parametrize("is_stamped", [True, False])
@pytest.mark.parametrize(("values", "times"), [(FULL, 1), (LATE, 0)])
async def test_a_failure_that_comes_before_the_settle_counts_all_the_same(
    books: Books, is_stamped: bool, values: dict[str, Any], times: int
) -> None:
    await books.fail("1", **FULL)
    operation, batch = await books.single("1")
    if is_stamped:
        await books.take_in(failure("1", at=15, stamp=stamp(operation, 1), **values))
    else:
        message = values["error_message"]
        await books.take_in(dropped("1", at=15, error_message=message))
    await books.complete(operation, batch, Answer.REQUEUED)
    row = await row_of(books, "1")
    assert (row.state, row.same_failures) == (EntryState.FAILED, times)
    found = await groups_of(books)
    assert found[values["error_message"]].failed == 1
    await books.check_counts()


async def test_a_failure_between_claim_and_a_move_that_did_not_happen_is_not_the_same(
    books: Books,
) -> None:
    await books.fail("1", **FULL)
    operation, batch = await books.single("1")
    await books.take_in(failure("1", at=5, **FULL))
    await books.complete(operation, batch, Answer.SUPERSEDED)
    assert (await row_of(books, "1")).same_failures == 0
    await books.check_counts()


@pytest.mark.parametrize("answer", Answer)
async def test_groups_count_what_a_bulk_operation_takes_and_leaves(
    books: Books, answer: Answer
) -> None:
    await books.fail("1", "2", **FULL)
    await books.fail("3", **LATE)
    operation = await books.begin()
    batch = await books.claim(operation)
    assert {one.failed for one in (await groups_of(books)).values()} == {0}
    await books.check_counts()
    await books.operations.settle(operation, batch, results(batch, answer))
    await books.check_counts()


async def test_groups_count_what_is_given_back(books: Books) -> None:
    await books.fail("1", "2", **FULL)
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.fail("1", at=50, **LATE)
    await books.operations.release(operation, batch, engine_away=False)
    found = await groups_of(books)
    assert (found["the disk is full"].failed, found["nobody answered"].failed) == (1, 1)
    await books.check_counts()


async def test_a_resync_takes_recovered_entries_without_touching_what_is_failed(
    books: Books,
) -> None:
    await books.make(EntryState.RECOVERED, "1")
    await books.fail("2")
    operation = await books.begin(ALL, OperationKind.RESYNC)
    await books.claim(operation)
    await books.check_counts()


async def test_two_followers_and_an_operation_at_once_leave_true_counts(
    books: Books, second: Books
) -> None:
    causes: list[dict[str, Any]] = [
        {"error_message": f"cause {'abcdefgh'[n]}", "stacktrace": ""} for n in range(8)
    ]
    await books.take_in(*(failure(str(n), **causes[n % 8]) for n in range(80)))
    operation = await books.begin(app_scope("acme"))

    async def claim_and_settle() -> None:
        while (batch := await books.operations.claim(operation, 10)) is not None:
            await books.operations.settle(operation, batch, results(batch, Answer.MISSING))

    async def fail_differently(step: int) -> None:
        for n in range(0, 80, step):
            await second.take_in(failure(str(n), at=200 + step, **causes[(n + step) % 8]))

    await asyncio.gather(claim_and_settle(), fail_differently(3), fail_differently(5))
    await books.check_counts()


async def test_what_is_remembered_of_fingerprints_changes_none(books: Books) -> None:
    computed: list[str] = []

    def counting(*told: str) -> str:
        computed.append(told[4])
        return key_of(*told)

    fingerprints = Fingerprints(compute_key=counting)
    following = SqlFollowerLedger(books.database, books.clock, fingerprints)
    long: dict[str, Any] = {"error_message": "too long " * 2000, "stacktrace": ""}
    take: Callable[..., Any] = following.record_failures
    await take(SOURCE, QUEUE, [failure(str(n), **FULL) for n in range(5)], None)
    await take(SOURCE, QUEUE, [failure(f"long {n}", **long) for n in range(2)], None)
    assert len(computed) == 3
    assert {one.entries for one in (await groups_of(books)).values()} == {5, 2}
