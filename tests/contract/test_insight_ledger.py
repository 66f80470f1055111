"""What an operator asks in an incident (``InsightLedger``), and looks of bounded length."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redrive.domain import (
    ActivityPoint,
    Answer,
    AppId,
    EntryFilter,
    EntryState,
    GroupFilter,
    ItemState,
    JobId,
    OperationKind,
    Outcome,
    Reason,
    ReasonCount,
)
from redrive.ledger import filters
from redrive.ports import ReadingLedger
from tests.support.books import Books, results
from tests.support.factories import ADA, AT, QUEUE, SOURCE, completed, failure, id_of, later

MINUTE = timedelta(minutes=1)


async def test_activity_is_summed_by_step_and_leaves_out_what_lies_before(books: Books) -> None:
    books.clock.advance(minutes=20)
    for at, names in ((0, ["old"]), (10, ["a", "b"]), (11, ["c"]), (15, ["d"])):
        await books.fail(*names, at=at * 60)
    since = AT + 5 * MINUTE
    assert await books.reading.activity(since, MINUTE) == [
        ActivityPoint(at=AT + minutes * MINUTE, failed=failed, recovered=0)
        for minutes, failed in [(10, 2), (11, 1), (15, 1)]
    ]
    assert [point.failed for point in await books.reading.activity(since, 5 * MINUTE)] == [3, 1]


async def test_activity_counts_what_happened_in_its_own_minute(books: Books) -> None:
    books.clock.advance(minutes=60)
    await books.take_in(*(failure(f"j{minute}", at=minute * 60) for minute in (50, 3, 3.5, 90)))
    await books.requeue_one("j3", at=600)
    await books.hear(completed("j3", 1200))
    assert await books.reading.activity(AT, MINUTE) == [
        ActivityPoint(at=AT + minute * MINUTE, failed=failed, recovered=recovered)
        for minute, failed, recovered in [(3, 2, 0), (20, 0, 1), (50, 1, 0), (60, 1, 0)]
    ]
    assert await books.reading.first_activity() == AT + 3 * MINUTE
    assert await books.reading.recovered_since(AT + 20 * MINUTE) == 1
    assert await books.reading.recovered_since(AT + 21 * MINUTE) == 0


async def test_what_an_answer_says_recovered_counts_at_its_time_and_what_was_recovered_does_not(
    books: Books,
) -> None:
    books.clock.advance(minutes=60)
    await books.fail("a")
    operation, batch = await books.single("a")
    await books.complete(operation, batch, Answer.NOT_FAILED, at=120)
    operation, batch = await books.single("a", OperationKind.RESYNC)
    await books.complete(operation, batch, Answer.ERROR, at=180)
    assert [point for point in await books.reading.activity(AT, MINUTE) if point.recovered] == [
        ActivityPoint(at=AT + 2 * MINUTE, failed=0, recovered=1)
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ACM", ["acme"]),
        ("gl", ["globex"]),
        ("Ltd", ["globex"]),
        ("%", []),
        ("e", ["acme", "globex"]),
    ],
)
async def test_apps_are_found_by_a_part_of_their_id_or_name(
    books: Books, query: str, expected: list[str]
) -> None:
    await books.fail("a", "b", app="acme")
    await books.fail("c", app="globex")
    await books.accounts.name_app(AppId("globex"), "Global Ltd", ADA)
    assert [app.app_id for app in await books.reading.apps_named(query, 10)] == expected
    assert len(await books.reading.apps_named(query, 1)) == min(len(expected), 1)


async def test_a_job_id_is_found_in_the_queues_that_were_followed(books: Books) -> None:
    await books.fail("17", "18")
    assert await books.reading.entries_of_job(JobId("17")) == []
    await books.following.record_failures("default", "mail", [], ("", "1"))
    (entry,) = await books.reading.entries_of_job(JobId("17"))
    assert entry.entry_id == id_of("17")
    assert await books.reading.entries_of_job(JobId("1")) == []


async def test_reasons_are_counted_over_the_first_items(books: Books) -> None:
    await books.fail("a", "b", "c")
    operation = await books.start()
    running = await books.operations.take_over(operation.operation_id)
    assert running is not None
    batch = await books.operations.claim(running, 10)
    assert batch is not None
    settled = results(batch, Answer.REQUEUED)
    settled[2] = results(batch, Answer.NOT_FAILED)[2]
    await books.operations.settle(running, batch, settled)
    moved = ReasonCount(state=ItemState.REQUEUED, reason=Reason.REQUEUED, items=2)
    skipped = ReasonCount(state=ItemState.SKIPPED, reason=Reason.NOT_FAILED, items=1)
    assert await books.reading.reasons(operation.operation_id, 100) == [moved, skipped]
    assert await books.reading.reasons(operation.operation_id, 2) == [moved]


async def test_items_are_filtered_by_what_became_of_them(books: Books) -> None:
    await books.fail("a", "b")
    operation = await books.requeue_one("a")
    await books.hear(completed("a", 60))
    for outcome, expected in ((Outcome.RECOVERED, ["a"]), (Outcome.FAILED_AGAIN, [])):
        page = await books.reading.items(operation.operation_id, None, None, 10, outcome)
        assert [item.job_id for item in page.items] == expected


@pytest.mark.parametrize(
    ("entry_filter", "expected"),
    [
        (EntryFilter(job_name="send"), ["b"]),
        (EntryFilter(failed_from=later(1)), ["b", "c"]),
        (EntryFilter(failed_before=later(1)), ["a"]),
        (EntryFilter(failed_from=later(1), failed_before=later(2)), ["b"]),
    ],
    ids=["name", "from", "before", "between"],
)
async def test_entries_are_filtered_by_job_name_and_time(
    books: Books, entry_filter: EntryFilter, expected: list[str]
) -> None:
    await books.fail("a", at=0)
    await books.fail("b", at=1, job_name="send")
    await books.fail("c", at=2)
    page = await books.reading.entries(entry_filter, None, 10, oldest_first=True)
    assert [entry.job_id for entry in page.items] == expected


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_a_filter_without_an_index_looks_at_so_many_rows_and_goes_on_where_it_stopped(
    books: Books, monkeypatch: pytest.MonkeyPatch, oldest_first: bool
) -> None:
    monkeypatch.setattr(filters, "ROWS_PER_LOOK", 4)
    names = [f"j{number}" for number in range(11)]
    await books.fail(*names)
    rare = EntryFilter(states=(EntryState.FAILED,), query="for j5")
    cursor, looks, found = None, 0, []
    while looks == 0 or cursor is not None:
        page = await books.reading.entries(rare, cursor, 2, oldest_first)
        found += [entry.job_id for entry in page.items]
        cursor, looks = page.next_cursor, looks + 1
    assert (found, looks) == (["j5"], 3)
    common = await books.reading.entries(EntryFilter(query="provider"), None, 2, oldest_first)
    assert [entry.job_id for entry in common.items] == (
        names[:2] if oldest_first else names[::-1][:2]
    )


async def test_failing_since_is_the_oldest_failure_that_is_failed_now(books: Books) -> None:
    assert await books.reading.failing_since() is None
    await books.fail("newer", app="acme", at=9)
    await books.fail("oldest", app="acme", at=3)
    await books.fail("other", app="globex", at=5)
    assert await books.reading.failing_since() == later(3)
    since = {app.app_id: app.failing_since for app in (await books.reading.apps(None, 10)).items}
    assert since == {"acme": later(3), "globex": later(5)}
    await books.requeue_one("oldest")
    assert await books.reading.failing_since() == later(5)
    await books.requeue_one("newer")
    app = await books.reading.app(AppId("acme"))
    assert app is not None
    assert app.failing_since is None


async def test_apps_that_fail_are_counted_and_so_is_what_failed_again_after_it_was_moved(
    books: Books,
) -> None:
    await books.fail("a", "b", "c", app="acme")
    await books.fail("d", app="globex")
    await books.make(EntryState.QUEUED, "e", app="initech")
    assert await books.reading.failing_apps() == 2
    for job in ("a", "b"):
        await books.requeue_one(job)
        await books.take_in(failure(job, at=60))
    apps = [AppId("acme"), AppId("globex"), AppId("nobody")]
    assert await books.reading.failed_again(apps, 10) == {"acme": 2, "globex": 0}
    assert await books.reading.failed_again(apps[:1], 1) == {"acme": 1}


async def test_a_snapshot_does_not_see_what_happens_meanwhile(books: Books) -> None:
    await books.fail("a")

    async def ask(ledger: ReadingLedger) -> list[int]:
        before = await ledger.totals()
        await books.fail("b", "c")
        after = await ledger.totals()
        groups = await ledger.groups(GroupFilter(), AT, timedelta(hours=1), None, 10)
        return [before[EntryState.FAILED], after[EntryState.FAILED], groups.items[0].failed]

    assert await books.reading.snapshot(ask) == [1, 1, 1]
    assert (await books.reading.totals())[EntryState.FAILED] == 3


async def test_what_fits_a_filter_is_counted_up_to_a_bound(books: Books) -> None:
    await books.fail("a", "b", "c", app="acme")
    await books.fail("d", app="globex", at=9, error_type="TypeError")
    timeouts = EntryFilter(states=(EntryState.FAILED,), error_type="TimeoutError")

    async def count(entry_filter: EntryFilter, most: int, looked_at: int) -> tuple[int, bool]:
        counted = await books.reading.count(entry_filter, most, looked_at)
        return counted.found, counted.is_bounded

    assert await count(timeouts, 10, 10) == (3, False)
    assert await count(timeouts, 2, 10) == (2, True)
    assert await count(timeouts, 10, 2) == (1, True)
    assert await count(EntryFilter(app_id=AppId("globex")), 10, 10) == (1, False)
    assert await count(EntryFilter(source="elsewhere"), 10, 10) == (0, False)


async def test_what_an_operation_has_in_hand_is_what_it_claimed_and_has_not_settled(
    books: Books,
) -> None:
    await books.fail("a", "b", "c")
    operation = await books.start()
    assert await books.reading.in_hand(operation.operation_id) == 0
    running = await books.operations.take_over(operation.operation_id)
    assert running is not None
    batch = await books.operations.claim(running, 2)
    assert batch is not None
    assert await books.reading.in_hand(operation.operation_id) == 2
    await books.operations.settle(running, batch, results(batch, Answer.REQUEUED))
    assert await books.reading.in_hand(operation.operation_id) == 0


async def test_the_entries_of_a_queues_jobs_leave_out_what_was_never_taken_in(
    books: Books,
) -> None:
    await books.fail("a", "b")
    found = await books.reading.entries_of_jobs(SOURCE, QUEUE, [JobId("b"), JobId("new")])
    assert {job_id: entry.entry_id for job_id, entry in found.items()} == {"b": id_of("b")}
    assert await books.reading.entries_of_jobs(SOURCE, "other", [JobId("a")]) == {}


async def test_the_apps_of_a_plan_are_told_unless_they_are_too_many(books: Books) -> None:
    await books.take_in(failure("1", "acme"), failure("2", "globex"), failure("3", "other"))
    one = await books.plan(app_id=AppId("acme"))
    three = await books.plan(job_name="deliver")
    asked = [str(one.plan_token), str(three.plan_token), "plan_forgotten"]
    assert await books.reading.apps_of_plans(asked, 3) == {
        asked[0]: {"acme"},
        asked[1]: {"acme", "globex", "other"},
    }
    assert await books.reading.apps_of_plans(asked, 2) == {asked[0]: {"acme"}}
