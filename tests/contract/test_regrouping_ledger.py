"""A newer version of the fingerprint takes over from an older one (``RegroupingLedger``)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    Answer,
    EntryFilter,
    EntryState,
    GroupDetail,
    GroupFilter,
    GroupId,
    GroupPoint,
    Stamp,
)
from redrive.fingerprint import Basis, Fingerprint
from redrive.ledger import SqlFollowerLedger, SqlRegroupingLedger, regrouping
from redrive.ledger.grouping import Compute, Fingerprints
from redrive.ledger.schema import entries
from redrive.ledger.schema_triage import groups, regroupings
from redrive.regrouping import Regrouper
from redrive.testing import Crash, Faults
from redrive.testing.faults import When
from tests.support.books import Books, changes_nothing, results
from tests.support.factories import ADA, AT, dropped, failure, later

MINUTE = timedelta(minutes=1)
SINCE = AT - timedelta(hours=1)


def made(version: int, text: str) -> Fingerprint:
    return Fingerprint(
        version=version,
        key=f"grp_{version}_{text}",
        basis=Basis.MESSAGE,
        title=text,
        frames=(),
    )


def by_type(*told: str) -> Fingerprint:
    """A second version, for which the types of two errors tell them apart."""
    return made(2, told[3])


def by_message(*told: str) -> Fingerprint:
    """A second version that tells more apart than the first."""
    return made(2, told[4])


def by_trace(*told: str) -> Fingerprint:
    return made(2, told[5] or "no trace")


def regrouper(books: Books, compute: Compute = by_type, rows: int = 2) -> Regrouper:
    fingerprints = Fingerprints(2, compute)
    ledger = SqlRegroupingLedger(books.database, fingerprints)
    return Regrouper(ledger=ledger, batch_rows=rows, while_at_work_seconds=0.0)


async def group_of(books: Books, job_id: str) -> GroupId:
    group_id = (await books.entry(job_id)).group_id
    assert group_id is not None
    return group_id


async def detail_of(books: Books, group_id: str) -> GroupDetail:
    found = await books.reading.group(GroupId(group_id), SINCE, MINUTE)
    assert found is not None
    return found


async def fail_twice_over(books: Books) -> tuple[GroupId, GroupId]:
    """Three entries of one cause, one of another, of which a version 2 says they are the same."""
    books.clock.advance(minutes=2)
    await books.fail("1", "2", "3", error_message="full", stacktrace="")
    await books.fail("4", error_message="no space left", stacktrace="", at=90)
    return await group_of(books, "1"), await group_of(books, "4")


async def test_entries_move_to_the_groups_of_the_newer_version(books: Books) -> None:
    await fail_twice_over(books)
    assert await regrouper(books).regroup() == (4, 2)
    assert {await group_of(books, job_id) for job_id in "1234"} == {"grp_2_TimeoutError"}
    group = (await detail_of(books, "grp_2_TimeoutError")).group
    assert (group.failed, group.entries, group.failures) == (4, 4, 4)
    assert (group.first_seen_at, group.last_failed_at) == (AT, later(90))
    assert group.chart == (
        GroupPoint(at=AT, failed=3),
        GroupPoint(at=AT + MINUTE, failed=1),
    )
    await books.check_counts()
    assert await books.database.rows(select(regroupings)) == []


async def test_an_old_id_answers_with_the_group_that_took_it_over(books: Books) -> None:
    for old in await fail_twice_over(books):
        await regrouper(books).regroup()
        assert (await detail_of(books, old)).group.group_id == "grp_2_TimeoutError"
        assert await books.accounts.note_group(old, "said of the old id", ADA)
    assert (await detail_of(books, "grp_2_TimeoutError")).group.note == "said of the old id"
    shown = await books.reading.groups(GroupFilter(with_quiet=True), SINCE, MINUTE, None, 10)
    assert [group.group_id for group in shown.items] == ["grp_2_TimeoutError"]


async def test_an_old_id_selects_what_the_group_that_took_it_over_has(books: Books) -> None:
    for old in await fail_twice_over(books):
        await regrouper(books).regroup()
        listed = await books.reading.entries(EntryFilter(group_id=old), None, 10, oldest_first=True)
        assert {entry.job_id for entry in listed.items} == set("1234")
        assert (await books.plan(group_id=old)).total == 4


async def test_the_note_of_the_group_that_most_were_in_is_taken_over(books: Books) -> None:
    many, few = await fail_twice_over(books)
    await books.accounts.note_group(few, "of the few", ADA)
    await books.accounts.note_group(many, "of the many", ADA)
    await regrouper(books).regroup()
    group = (await detail_of(books, "grp_2_TimeoutError")).group
    assert (group.note, group.noted_by, group.noted_at) == ("of the many", "ada", later(120))


async def test_where_most_had_no_note_the_other_one_is_taken_over(books: Books) -> None:
    _, few = await fail_twice_over(books)
    await books.accounts.note_group(few, "of the few", ADA)
    await regrouper(books).regroup()
    assert (await detail_of(books, "grp_2_TimeoutError")).group.note == "of the few"


async def test_a_group_that_falls_apart_leaves_its_history_to_where_most_went(
    books: Books,
) -> None:
    await books.fail("1", "2", "3", error_message="full 1", stacktrace="")
    await books.fail("3", error_message="full 2", stacktrace="", at=50)
    old = await group_of(books, "1")
    assert await group_of(books, "3") == old
    await books.accounts.note_group(old, "disks", ADA)
    await regrouper(books, by_message).regroup()
    most, rest = await detail_of(books, "grp_2_full 1"), await detail_of(books, "grp_2_full 2")
    assert (await detail_of(books, old)).group == most.group
    assert (most.group.failed, most.group.failures) == (2, 3)
    assert (rest.group.failed, rest.group.failures) == (1, 1)
    assert (most.group.note, rest.group.note) == ("disks", "disks")
    assert (most.group.first_seen_at, rest.group.first_seen_at) == (AT, AT)
    await books.check_counts()


@pytest.mark.parametrize("state", EntryState)
async def test_entries_of_every_state_move(books: Books, state: EntryState) -> None:
    await books.make(state, "1")
    for operation in await books.operations.open_operations():
        await books.operations.request_cancel(operation.operation_id, ADA)
        await books.lose_operation_of("1")
        await books.operations.release_loose()
    for operation in await books.operations.open_operations():
        await books.operations.finish(operation, operation.state, None)
    await regrouper(books).regroup()
    assert await group_of(books, "1") == "grp_2_TimeoutError"
    await books.check_counts()


async def test_an_entry_without_a_group_gets_one(books: Books) -> None:
    await books.fail("1")

    async def forget(connection: AsyncConnection) -> None:
        await connection.execute(update(entries).values(group_pk=None))
        await connection.execute(delete(groups))

    await books.database.write(forget)
    await regrouper(books).regroup()
    assert await group_of(books, "1") == "grp_2_TimeoutError"


async def test_the_trace_that_is_kept_is_looked_at_unless_it_is_of_a_failure_before(
    books: Books,
) -> None:
    await books.fail("1", stacktrace="a trace")
    await books.fail("2", stacktrace="a trace")
    await books.requeue_one("2")
    defect = "its queue dropped the job at once: only the error is known"
    await books.take_in(dropped("2", at=20, defect=defect))
    await regrouper(books, by_trace).regroup()
    assert await group_of(books, "1") == "grp_2_a trace"
    assert await group_of(books, "2") == "grp_2_no trace"


async def test_a_second_pass_and_a_version_that_is_behind_change_nothing(books: Books) -> None:
    await fail_twice_over(books)
    await regrouper(books).regroup()
    await changes_nothing(books, regrouper(books).regroup)
    behind = Regrouper(ledger=SqlRegroupingLedger(books.database))
    await changes_nothing(books, behind.regroup)


async def test_failures_that_an_older_version_took_in_meanwhile_move_later(books: Books) -> None:
    old, _ = await fail_twice_over(books)
    await regrouper(books).regroup()
    await books.fail("5", error_message="full", stacktrace="")
    assert await group_of(books, "5") == "grp_2_TimeoutError"
    await books.fail("6", error_type="OtherError", error_message="new", stacktrace="")
    assert (await group_of(books, "6")).startswith("grp_1_")
    await regrouper(books).regroup()
    await regrouper(books).regroup()
    assert await group_of(books, "6") == "grp_2_OtherError"
    assert (await detail_of(books, old)).group.failed == 5
    await books.check_counts()


async def test_nothing_moves_while_an_operation_is_open(books: Books) -> None:
    await fail_twice_over(books)
    operation = await books.begin()
    ledger = SqlRegroupingLedger(books.database, Fingerprints(2, by_type))
    assert await ledger.regroup(100) is None
    assert (await group_of(books, "1")).startswith("grp_1_")
    await books.operations.request_cancel(operation.operation_id, ADA)
    await books.operations.finish(await books.operation(operation), operation.state, None)
    batch = await ledger.regroup(100)
    assert batch is not None
    assert batch.moved == 4


async def test_entries_move_beside_a_paused_operation_which_then_takes_them_all(
    books: Books,
) -> None:
    old, _ = await fail_twice_over(books)
    operation = await books.begin_plan(group_id=old)
    batch = await books.claim(operation, 1)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    await books.operations.request_pause(operation.operation_id, ADA, "")
    await books.operations.pause(operation, None, "")
    assert await regrouper(books).regroup() == (4, 2)
    await books.check_counts()
    await books.operations.resume(operation.operation_id, ADA)
    running = await books.take_over(operation.operation_id)
    finished = await books.complete(running, await books.claim(running), Answer.REQUEUED)
    assert (finished.total, finished.requeued) == (3, 3)
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    again = SqlFollowerLedger(books.database, books.clock, Fingerprints(2, by_type))
    await again.record_failures("default", "mail", [failure("1", at=200, stamp=stamp)], None)
    assert (await books.operation(operation)).failed_same == 1
    await books.check_counts()


async def test_an_entry_that_fails_anew_while_its_group_is_computed_is_left_alone(
    books: Books,
) -> None:
    await books.fail("1")

    class Meanwhile(SqlRegroupingLedger):
        async def _traces(self, rows: Iterable[Row[Any]]) -> Mapping[str, str]:
            newer = SqlFollowerLedger(books.database, books.clock, Fingerprints(2, by_message))
            anew = failure("1", at=9, error_message="anew")
            await newer.record_failures("default", "mail", [anew], None)
            return await super()._traces(rows)

    await Regrouper(ledger=Meanwhile(books.database, Fingerprints(2, by_type))).regroup()
    assert await group_of(books, "1") == "grp_2_anew"
    await books.check_counts()


async def test_an_entry_that_comes_back_while_its_group_is_computed_moves_all_the_same(
    books: Books,
) -> None:
    await books.fail("1", "2")
    await books.requeue_one("1")

    class Meanwhile(SqlRegroupingLedger):
        async def _traces(self, rows: Iterable[Row[Any]]) -> Mapping[str, str]:
            if (await books.entry("1")).state is EntryState.QUEUED:
                await books.drift("1", EntryState.FAILED)
            return await super()._traces(rows)

    await Regrouper(ledger=Meanwhile(books.database, Fingerprints(2, by_type))).regroup()
    assert {await group_of(books, job_id) for job_id in "12"} == {"grp_2_TimeoutError"}
    group = (await detail_of(books, "grp_2_TimeoutError")).group
    assert (group.failed, group.entries, group.failures) == (2, 2, 2)
    await books.check_counts()


async def test_two_at_once_move_each_entry_once(books: Books, second: Books) -> None:
    await books.fail(*map(str, range(12)), stacktrace="")
    one, other = regrouper(books), regrouper(second)
    moved = await asyncio.gather(one.regroup(), other.regroup())
    assert sum(number for number, _ in moved) == 12
    group = (await detail_of(books, "grp_2_TimeoutError")).group
    assert (group.failed, group.failures) == (12, 12)
    await books.check_counts()


async def test_failing_the_same_way_stays_so_across_versions(books: Books) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.fail("1", at=20, stamp=stamp)
    await regrouper(books).regroup()
    (row,) = await books.database.rows(select(entries))
    assert row.group_pk == row.previous_group_pk
    assert row.same_failures == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 7))
async def test_one_that_dies_between_batches_is_gone_on_from(
    books: Books, nth: int, when: When
) -> None:
    many, few = await fail_twice_over(books)
    await books.accounts.note_group(many, "of the many", ADA)
    faults = Faults("regrouping", "regroup", nth, when)
    ledger = SqlRegroupingLedger(books.database, Fingerprints(2, by_type))
    with pytest.raises(Crash):
        await Regrouper(ledger=faults.wrap("regrouping", ledger), batch_rows=2).regroup()
    await books.check_counts()
    await regrouper(books).regroup()
    group = (await detail_of(books, few)).group
    assert (group.failed, group.failures, group.note) == (4, 4, "of the many")
    assert [point.failed for point in group.chart] == [3, 1]
    await books.check_counts()


@pytest.mark.parametrize("place", ["_count", "take_over_next"])
async def test_one_that_dies_before_its_batch_is_committed_has_moved_nothing(
    books: Books, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    await fail_twice_over(books)
    real = getattr(regrouping, place)

    async def dies(*given: object) -> None:
        await real(*given)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(regrouping, place, dies)
        with pytest.raises(Crash):
            await regrouper(books).regroup()
    await books.check_counts()
    await regrouper(books).regroup()
    group = (await detail_of(books, "grp_2_TimeoutError")).group
    assert (group.failed, group.failures) == (4, 4)
    assert [point.failed for point in group.chart] == [3, 1]
    await books.check_counts()


async def test_a_long_history_is_handed_over_in_parts(books: Books) -> None:
    books.clock.advance(minutes=30)
    for minute in range(7):
        await books.fail(str(minute), at=60 * minute, error_message="full", stacktrace="")
    assert await regrouper(books, rows=2).regroup() == (7, 1)
    group = (await detail_of(books, "grp_2_TimeoutError")).group
    assert [point.failed for point in group.chart] == [1] * 7
