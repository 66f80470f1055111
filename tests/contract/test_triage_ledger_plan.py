"""Planning: what is selected, and what is told of it (``redrive.ports.TriageLedger.plan``)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, select

from redrive.domain import (
    DATA_UNREADABLE,
    NO_CONTROLS,
    Actor,
    Answer,
    AppId,
    Controls,
    EntryFilter,
    EntryState,
    LeftOut,
    OperationId,
    OperationKind,
    OperationState,
    Part,
    Plan,
    Scope,
    Stamp,
    TakeBackResult,
    TakenBack,
)
from redrive.ledger import SqlOperationLedger, SqlUndoLedger, filters
from redrive.ledger.schema_triage import groups, plans, selections
from tests.support.books import ALL, Books, app_scope, request, results
from tests.support.factories import ADA, AT, BOB, failure, id_of, later

RETRY, RESYNC, DISMISS = OperationKind.RETRY, OperationKind.RESYNC, OperationKind.DISMISS


async def selected(books: Books, plan: Plan) -> list[int]:
    rows = await books.database.rows(
        select(selections.c.failure_seq)
        .where(selections.c.plan_id == plan.plan_token)
        .order_by(selections.c.failure_seq)
    )
    return [row.failure_seq for row in rows]


async def seqs_of(books: Books, *job_ids: str) -> list[int]:
    return [(await books.entry(job_id)).failure_seq for job_id in job_ids]


async def test_a_plan_freezes_exactly_the_failed_entries_that_fit(books: Books) -> None:
    await books.fail("1", "2", app="acme")
    await books.fail("3", app="globex")
    await books.make(EntryState.RECOVERED, "4")
    plan = await books.plan(app_id="acme")
    assert plan.total == 2
    assert await selected(books, plan) == await seqs_of(books, "1", "2")


async def test_a_plan_changes_no_entry_and_starts_nothing(books: Books) -> None:
    await books.fail("1", "2")
    before = await books.rows()
    await books.plan()
    after = await books.rows()
    kept = ("plans", "selections", "plan_apps")
    assert {name: rows for name, rows in before.items() if name not in kept} == {
        name: rows for name, rows in after.items() if name not in kept
    }


@pytest.mark.parametrize(
    ("kind", "states"),
    [(RETRY, {"failed"}), (RESYNC, {"failed", "recovered"}), (DISMISS, {"failed"})],
)
async def test_a_plan_selects_what_a_bulk_operation_of_its_kind_takes(
    books: Books, kind: OperationKind, states: set[str]
) -> None:
    for state in EntryState:
        await books.make(state, state.value)
    plan = await books.plan(kind)
    assert await selected(books, plan) == sorted(await seqs_of(books, *states))
    assert plan.total == len(states)


async def test_a_plan_names_its_user_filter_cut_off_and_end(books: Books) -> None:
    await books.fail("1", "2")
    plan = await books.plan(actor=BOB, queue="mail")
    (row,) = await books.database.rows(select(plans))
    assert (row.plan_id, row.actor, row.kind) == (plan.plan_token, "bob", "retry")
    assert json.loads(row.filter) == {"queue": "mail"}
    assert row.cutoff_seq == plan.cutoff_seq == (await books.entry("2")).failure_seq
    assert (row.created_at, row.expires_at) == (AT, later(600))
    assert (plan.created_at, plan.expires_at) == (AT, later(600))


async def test_a_plan_that_selects_nothing_is_told_and_not_kept(books: Books) -> None:
    await books.fail("1")
    plan = await books.plan(app_id="nobody")
    assert (plan.plan_token, plan.total, plan.samples) == (None, 0, ())
    assert (await books.rows())["plans"] == []


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({"attempts_min": 5}, ["many"]),
        ({"attempts_max": 3}, ["plain", "retried", "same"]),
        ({"attempts_min": 1, "attempts_max": 4}, ["plain", "retried", "same"]),
        ({"retried_min": 1}, ["retried"]),
        ({"retried_max": 0}, ["plain", "many", "same"]),
        ({"same_failures_min": 2}, ["same"]),
        ({"job_name": "other"}, ["many"]),
        ({"group_id": "grp_1_a"}, ["plain"]),
        ({"group_id": "grp_1_none"}, []),
        ({"entry_ids": (id_of("plain"), id_of("many"))}, ["plain", "many"]),
        ({"failed_from": later(2), "failed_before": later(4)}, ["many", "same"]),
    ],
    ids=str,
)
async def test_each_part_of_a_filter_narrows(
    books: Books, narrowed: dict[str, Any], found: list[str]
) -> None:
    await books.fail("plain", at=0)
    await books.fail("many", at=2, attempts_made=5, job_name="other")
    await books.fail("same", at=3)
    await books.set_entry("same", same_failures=2)
    await books.fail("retried", at=-5)
    await books.requeue_one("retried", at=0)
    await books.fail("retried", at=5)
    await add_group(books, 1001, "grp_1_a")
    await books.set_entry("plain", group_pk=1001)
    plan = await books.plan(**narrowed)
    assert {sample.job_id for sample in plan.samples} == set(found)
    assert plan.total == len(found)


async def test_what_was_claimed_and_not_put_back_does_not_count_as_retried(books: Books) -> None:
    await books.fail("dismissed", "released", "superseded", "taken back", "retried")
    operation, batch = await books.single("dismissed", DISMISS)
    await books.complete(operation, batch, Answer.DISMISSED)
    scope = Scope.of_entry(AppId("acme"), id_of("dismissed"))
    await books.triage.restore(request(scope, DISMISS))
    operation, batch = await books.single("released")
    await books.operations.release(operation, batch, engine_away=False)
    await books.operations.finish(operation, OperationState.CANCELLED, None)
    operation, batch = await books.single("superseded")
    await books.complete(operation, batch, Answer.SUPERSEDED)
    await take_back(books, "taken back", TakenBack.TAKEN_BACK)
    await take_back(books, "retried", TakenBack.STARTED)
    await books.fail("retried", at=60)
    assert await found_by(books, retried_min=1) == {"retried"}
    assert len(await found_by(books, retried_max=0)) == 4


async def test_what_failed_before_its_hand_over_was_noted_counts_as_retried(books: Books) -> None:
    await books.fail("1")
    operation, batch = await books.single("1")
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.fail("1", at=20, stamp=stamp)
    await books.complete(operation, batch, Answer.REQUEUED)
    assert await found_by(books, retried_min=1, retried_max=1) == {"1"}


async def found_by(books: Books, **narrowed: Any) -> set[str]:
    return {sample.job_id for sample in (await books.plan(**narrowed)).samples}


async def take_back(books: Books, job_id: str, answer: TakenBack) -> None:
    """Retry an entry, and undo that; the answer is what becomes of the undo."""
    undo = SqlUndoLedger(books.database, books.clock)
    retried = await books.requeue_one(job_id)
    await books.operations.request_cancel(retried.operation_id, ADA, undo=True)
    operation = await books.take_over(retried.operation_id)
    batch = await undo.claim_moved(operation, None, 10)
    assert batch is not None
    results = {
        entry.claimed.entry_pk: TakeBackResult(
            job_id=entry.claimed.job_id, answer=answer, at=later(20)
        )
        for entry in batch.entries
    }
    await undo.settle_moved(operation, batch, results)
    await books.operations.finish(operation, OperationState.CANCELLED, None)


async def test_what_failed_again_in_an_operation_can_be_selected(books: Books) -> None:
    await books.fail("1", "2", "3", "4")
    operation = await books.begin()
    batch = await books.claim(operation)
    await books.complete(operation, batch, Answer.REQUEUED, at=10)
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.fail("1", "2", at=20, stamp=stamp)
    await books.requeue_one("2", at=30)
    await books.fail("2", at=40)
    await books.fail("new", at=40)
    plan = await books.plan(failed_again_in=operation.operation_id)
    assert [sample.job_id for sample in plan.samples] == ["1"]
    assert (await books.plan(failed_again_in=OperationId("op_unknown"))).total == 0


async def add_group(books: Books, group_pk: int, group_id: str, title: str = "") -> None:
    row = {
        "group_pk": group_pk,
        "group_id": group_id,
        "version": 1,
        "source": "default",
        "queue": "mail",
        "job_name": "deliver",
        "error_type": "TimeoutError",
        "title": title,
        "basis": "message",
        "first_seen_at": AT,
        "last_failed_at": AT,
    }
    await books.database.write(lambda connection: connection.execute(insert(groups), row))


async def test_a_plan_is_told_apart_by_app_group_and_queue(books: Books) -> None:
    await books.fail("1", "2", app="acme")
    await books.fail("3", app="globex")
    await add_group(books, 1001, "grp_1_a", "no answer")
    for job_id in ("1", "3"):
        await books.set_entry(job_id, group_pk=1001)
    await books.set_entry("2", group_pk=None)
    plan = await books.plan()
    assert plan.apps.parts == (Part(key="acme", entries=2), Part(key="globex", entries=1))
    assert plan.groups.parts == (
        Part(key="grp_1_a", entries=2, title="no answer"),
        Part(key=None, entries=1),
    )
    assert plan.queues.parts == (Part(key="mail", entries=3, source="default"),)


async def test_the_largest_twenty_parts_are_named_and_the_others_counted(books: Books) -> None:
    for number in range(23):
        await books.fail(f"{number}-a", app=f"app-{number:02}")
    await books.fail("more", app="app-22")
    plan = await books.plan()
    assert len(plan.apps.parts) == 20
    assert plan.apps.parts[0] == Part(key="app-22", entries=2)
    assert (plan.apps.others, plan.apps.other_entries) == (3, 3)


@pytest.mark.parametrize("number", [1, 9, 10, 11, 200])
async def test_ten_samples_are_spread_over_the_selection(books: Books, number: int) -> None:
    await books.fail(*(str(one) for one in range(number)))
    samples = [int(sample.job_id) for sample in (await books.plan()).samples]
    assert len(samples) == min(number, 10)
    assert samples == sorted(set(samples))
    assert (samples[0], samples[-1]) == (0, number - 1)


async def test_samples_are_ten_where_failures_come_in_heaps(books: Books) -> None:
    await books.fail("first")
    await books.fail(*(f"other-{number}" for number in range(50)), app="other")
    await books.fail(*(f"last-{number}" for number in range(12)))
    samples = [sample.job_id for sample in (await books.plan(app_id="acme")).samples]
    assert len(samples) == 10
    assert samples[0] == "first"


async def repeat(books: Books) -> None:
    await books.fail("1", "2", "3")
    await books.set_entry("1", same_failures=3)
    await books.set_entry("2", same_failures=2)


@pytest.mark.parametrize("kind", [RETRY, RESYNC])
async def test_what_failed_the_same_way_three_times_is_left_out_and_counted(
    books: Books, kind: OperationKind
) -> None:
    await repeat(books)
    plan = await books.plan(kind)
    assert {sample.job_id for sample in plan.samples} == {"2", "3"}
    assert plan.left_out == (LeftOut(reason="repeated", entries=1),)
    (warning,) = plan.warnings
    assert (warning.code, warning.entries) == ("repeated", 1)


@pytest.mark.parametrize(
    ("kind", "said", "total"),
    [
        (RETRY, {"include_repeated": True}, 3),
        (RETRY, {"same_failures_min": 3}, 1),
        (DISMISS, {}, 3),
    ],
)
async def test_repeated_failures_are_selected_where_they_are_meant(
    books: Books, kind: OperationKind, said: dict[str, Any], total: int
) -> None:
    await repeat(books)
    plan = await books.plan(kind, **said)
    assert (plan.total, plan.left_out, plan.warnings) == (total, (), ())


async def test_of_entries_named_by_hand_those_that_cannot_be_taken_are_told(books: Books) -> None:
    await books.make(EntryState.FAILED, "failed")
    await books.make(EntryState.RECOVERED, "recovered")
    await books.make(EntryState.QUEUED, "queued")
    ids = [id_of(job_id) for job_id in ("failed", "recovered", "queued", "unknown")]
    plan = await books.plan(entry_ids=tuple(ids))
    assert plan.total == 1
    assert plan.left_out == (
        LeftOut(reason="queued", entries=1),
        LeftOut(reason="recovered", entries=1),
        LeftOut(reason="unknown", entries=1),
    )


async def test_ten_thousand_entries_can_be_named_by_hand(books: Books) -> None:
    await books.take_in(*(failure(str(number)) for number in range(1000)))
    plan = await books.plan(entry_ids=tuple(id_of(str(number)) for number in range(10_000)))
    assert (plan.total, plan.left_out) == (1000, (LeftOut(reason="unknown", entries=9000),))


@pytest.mark.parametrize(("kind", "codes"), [(RETRY, ["unreadable"]), (DISMISS, [])])
async def test_entries_that_cannot_be_handed_over_are_a_warning_with_their_number(
    books: Books, kind: OperationKind, codes: list[str]
) -> None:
    await books.fail("1")
    await books.fail("2", "3", defect=DATA_UNREADABLE)
    plan = await books.plan(kind)
    assert plan.total == 3
    assert [warning.code for warning in plan.warnings] == codes
    assert all(warning.entries == 2 for warning in plan.warnings)


async def test_an_operation_that_is_in_the_way_is_a_warning_that_names_it(books: Books) -> None:
    await books.fail("1", app="acme")
    await books.fail("2", app="globex")
    running = await books.start(app_scope("acme"), actor=BOB)
    (warning,) = (await books.plan()).warnings
    assert (warning.code, warning.operation_id) == ("overlap", running.operation_id)
    assert "bob" in warning.message
    assert "app acme" in warning.message
    assert (await books.plan(app_id="globex")).warnings == ()


async def test_the_warning_says_what_a_planned_operation_works_on(books: Books) -> None:
    await books.fail("1")
    await books.start_plan(await books.plan(app_id="acme"))
    (warning,) = (await books.plan()).warnings
    assert "of ada is working on a selection: app=acme. This can" in warning.message


@pytest.mark.parametrize(("entries", "rate"), [(1000, 500.0), (999, None)])
async def test_the_typical_rate_is_that_of_larger_operations_that_are_over(
    books: Books, entries: int, rate: float | None
) -> None:
    await books.take_in(*(failure(str(number)) for number in range(entries)))
    operation = await books.begin()
    batch = await books.claim(operation, entries)
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    assert (await books.plan()).typical_rate is None
    books.clock.advance(seconds=2)
    await books.operations.finish(operation, OperationState.COMPLETED, None)
    assert (await books.plan()).typical_rate == rate
    assert (await books.plan(DISMISS)).typical_rate is None


@pytest.mark.parametrize(
    "slowed_by", ["a limit", "a limit that was taken away", "a pause", "an approval"]
)
async def test_the_typical_rate_is_of_operations_that_went_as_fast_as_they_could(
    books: Books, slowed_by: str
) -> None:
    await books.take_in(*(failure(str(number)) for number in range(1000)))
    controls = Controls(rate=1.0) if "limit" in slowed_by else NO_CONTROLS
    starts = SqlOperationLedger(
        books.database, books.clock, 10 if slowed_by == "an approval" else 0
    )
    started, _ = await starts.start_bulk(request(ALL, controls=controls))
    if slowed_by == "an approval":
        books.clock.advance(days=1)
        await books.operations.resume(started.operation_id, Actor(name="eve", origin="10.0.0.3"))
    operation = await books.take_over(started.operation_id)
    if slowed_by == "a pause":
        await books.operations.request_pause(operation.operation_id, ADA, "lunch")
        await books.operations.pause(operation, None, "")
        await books.operations.resume(operation.operation_id, ADA)
        operation = await books.take_over(operation.operation_id)
    batch = await books.claim(operation, 1000)
    if slowed_by == "a limit that was taken away":
        await books.operations.change_controls(operation.operation_id, ADA, {"rate": None})
    await books.operations.settle(operation, batch, results(batch, Answer.REQUEUED))
    books.clock.advance(seconds=2)
    await books.operations.finish(operation, OperationState.COMPLETED, None)
    rate = 500.0 if slowed_by == "an approval" else None
    assert (await books.plan()).typical_rate == rate


async def test_two_plans_of_the_same_are_two_plans(books: Books) -> None:
    await books.fail("1")
    first, second = await books.plan(actor=ADA), await books.plan(actor=ADA)
    assert first.plan_token != second.plan_token
    assert await selected(books, first) == await selected(books, second)


async def test_entries_named_by_hand_are_on_the_first_page_however_old_they_are(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "ROWS_PER_LOOK", 3)
    await books.fail(*(str(number) for number in range(12)))
    for states in ((), (EntryState.FAILED,)):
        wanted = EntryFilter(states=states, entry_ids=(id_of("0"), id_of("7")))
        page = await books.reading.entries(wanted, None, 10, oldest_first=False)
        assert [entry.job_id for entry in page.items] == ["7", "0"]
        assert page.next_cursor is None
