"""Statements that are asked all the time are served by their indexes on SQLite, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from redrive.domain import (
    Answer,
    AppId,
    EntryFilter,
    EntryState,
    GroupFilter,
    OperationKind,
    Prunable,
)
from redrive.ledger import Database, SqlRetentionLedger
from tests.support.books import Books, results
from tests.support.factories import AT, SOURCE, id_of
from tests.support.ledgers import LedgerTemplates
from tests.support.pruning import nothing_held


@pytest.fixture
def url(ledger_templates: LedgerTemplates, tmp_path: Path) -> str:
    return ledger_templates.create("sqlite", tmp_path)


@pytest.fixture
async def books(url: str) -> AsyncIterator[Books]:
    database = Database(url)
    yield Books(database)
    await database.close()


ASKED = ("SELECT", "UPDATE", "DELETE", "WITH", "INSERT INTO selections")


async def plans(
    books: Books, call: Callable[[], Awaitable[object]], asked_for: str | tuple[str, ...] = ASKED
) -> str:
    """How SQLite carries out what the call asks for."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _k: object, statement: str, given: object, *_more: object) -> None:
        asked.append((statement, given))

    engines = {books.database._reader.sync_engine, books.database._writer.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    await call()
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    lines: list[str] = []
    for statement, given in asked:
        if statement.startswith(asked_for):

            async def explain(connection: Any, one: str = statement, values: Any = given) -> Any:
                return (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", values)).all()

            lines += [row[-1] for row in await books.database.read(explain)]
    return "\n".join(lines)


async def test_open_operations_are_found_by_their_index(books: Books) -> None:
    plan = await plans(books, books.operations.open_operations)
    assert "USING INDEX ix_operations_open" in plan


async def test_a_start_looks_for_overlaps_among_the_open_operations_alone(books: Books) -> None:
    await books.fail("1")
    plan = await plans(books, lambda: books.start(kind=OperationKind.RETRY))
    assert "USING INDEX ix_operations_open" in plan


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize(
    ("app_id", "index"), [(None, "ix_entries_failed_at"), ("acme", "ix_entries_failed_app_at")]
)
async def test_failed_entries_are_listed_in_the_order_of_their_index(
    books: Books, app_id: AppId | None, index: str, oldest_first: bool
) -> None:
    await books.fail("1", "2", "3")
    failed = EntryFilter(app_id=app_id, states=(EntryState.FAILED,), failed_from=AT)
    page = await books.reading.entries(failed, None, 1, oldest_first)
    for cursor in (None, page.next_cursor):
        plan = await plans(books, partial(books.reading.entries, failed, cursor, 1, oldest_first))
        assert f"USING INDEX {index}" in plan
        assert "TEMP B-TREE" not in plan
    count = await plans(books, lambda: books.reading.count(failed, 10, 10))
    assert f"INDEX {index}" in count
    assert "TEMP B-TREE" not in count


async def test_what_failed_again_is_counted_in_an_index_of_its_own(books: Books) -> None:
    plan = await plans(books, lambda: books.reading.failed_again([AppId("acme")], 10))
    assert "INDEX ix_entries_failed_again (app_id=? AND moved_at>?)" in plan


async def test_live_entries_are_found_by_their_index(books: Books) -> None:
    plan = await plans(books, lambda: books.following.live_to_check(SOURCE, 0, 100))
    assert "USING INDEX ix_entries_live" in plan


async def test_a_settle_finds_what_ended_early_by_its_index(books: Books) -> None:
    await books.fail("1")
    operation = await books.begin()
    batch = await books.claim(operation)
    settled = results(batch, Answer.REQUEUED)
    plan = await plans(books, partial(books.operations.settle, operation, batch, settled))
    assert "USING INDEX ix_entries_early (operation_id=?)" in plan


async def test_what_is_over_is_found_by_its_index(books: Books) -> None:
    ledger = SqlRetentionLedger(books.database)
    plan = await plans(books, lambda: ledger.prune(Prunable.ENTRIES, AT, 100, None, nothing_held))
    assert "INDEX ix_entries_over" in plan
    assert "SCAN entries" not in plan


async def test_a_plan_walks_no_more_than_what_its_filter_s_index_finds(books: Books) -> None:
    await books.fail("1", "2")
    for narrowed, index in (
        ({"app_id": AppId("acme")}, "ix_entries_failed_app"),
        ({"group_id": "grp_1_a"}, "ix_entries_failed_group"),
        ({"entry_ids": (id_of("1"),)}, "INTEGER PRIMARY KEY"),
        ({"failed_from": AT}, "ix_entries_failed_at"),
    ):
        plan = await plans(books, partial(books.plan, **narrowed), "INSERT INTO selections")
        assert index in plan, narrowed
        assert "SCAN entries" not in plan.replace("SCAN entries USING INDEX", "")


async def test_what_keeps_failing_the_same_way_is_counted_in_an_index_of_its_own(
    books: Books,
) -> None:
    await books.fail("1")
    plan = await plans(books, books.plan)
    assert "INDEX ix_entries_repeated" in plan


async def test_a_planned_start_looks_at_no_entry_and_at_no_selected_row(books: Books) -> None:
    await books.fail("1", "2")
    planned = await books.plan()
    plan = await plans(books, lambda: books.start_plan(planned))
    assert "entries" not in plan
    assert "selections" not in plan


async def test_a_planned_claim_takes_its_rows_by_their_numbers(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin_plan()
    plan = await plans(books, lambda: books.claim(operation, 1))
    assert "SEARCH selections USING PRIMARY KEY (plan_id=? AND failure_seq>?)" in plan
    assert "SEARCH entries USING INDEX ux_entries_failure_seq (failure_seq=?)" in plan
    assert "SCAN entries" not in plan


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_failed_entries_of_a_group_are_listed_in_the_order_of_their_index(
    books: Books, oldest_first: bool
) -> None:
    await books.fail("1", "2", "3", error_message="full", stacktrace="")
    group_id = (await books.entry("1")).group_id
    failed = EntryFilter(group_id=group_id, states=(EntryState.FAILED,), failed_from=AT)
    page = await books.reading.entries(failed, None, 1, oldest_first)
    for cursor in (None, page.next_cursor):
        plan = await plans(books, partial(books.reading.entries, failed, cursor, 1, oldest_first))
        assert "USING INDEX ix_entries_failed_group_at" in plan
        assert "TEMP B-TREE" not in plan
    count = await plans(books, lambda: books.reading.count(failed, 10, 10))
    assert "INDEX ix_entries_failed_group_at" in count


@pytest.mark.parametrize("with_quiet", [True, False])
async def test_groups_are_listed_in_the_order_of_their_index(
    books: Books, with_quiet: bool
) -> None:
    await books.fail("1")
    wanted = GroupFilter(with_quiet=with_quiet, app_id=AppId("acme"))
    for one in (wanted, replace(wanted, app_id=None)):
        step = timedelta(hours=1)
        plan = await plans(books, partial(books.reading.groups, one, AT, step, None, 10))
        assert "groups USING INDEX ix_groups_failed" in plan
        assert "SCAN entries" not in plan
        assert "SCAN group_activity" not in plan
        assert "entries USING INDEX ix_entries_failed_group_app (group_pk=? AND app_id>?)" in plan


async def test_the_group_of_a_failure_is_found_by_its_key(
    books: Books,
) -> None:
    plan = await plans(books, lambda: books.fail("1"))
    assert "SCAN groups" not in plan


async def test_groups_that_are_over_are_found_by_their_index(books: Books) -> None:
    ledger = SqlRetentionLedger(books.database)
    plan = await plans(books, lambda: ledger.prune(Prunable.GROUPS, AT, 100, None, nothing_held))
    assert "groups USING INDEX ix_groups_failed" in plan
    plan = await plans(books, lambda: ledger.prune(Prunable.ACTIVITY, AT, 100, None, nothing_held))
    assert "SCAN group_activity" not in plan


async def test_a_plan_is_told_without_holding_the_only_writer(books: Books) -> None:
    written: list[str] = []

    def note(_c: object, _k: object, statement: str, *_more: object) -> None:
        written.append(statement)

    await books.fail("1", "2")
    engine = books.database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await books.plan()
    event.remove(engine, "before_cursor_execute", note)
    assert any(statement.startswith("INSERT INTO selections") for statement in written)
    assert not any("GROUP BY" in statement for statement in written)
