"""What the ledger counts of outcomes, beside what a count of the items says."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from redrive.domain import to_millis
from redrive.ledger import Database
from redrive.ledger.schema import items, operations
from redrive.ledger.schema_triage import operation_activity

NAMES = ("recovered", "failed_again", "vanished", "failed_same")


async def check_outcomes(database: Database) -> None:
    """Every operation's outcome counts are those of its items, and so are those of its minutes.

    An operation that pruning has begun to remove has fewer items than it counts: it is left out.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for row in await database.rows(select(items)):
        counted[row.operation_id, "items"] += 1
        counted[row.operation_id, row.outcome] += 1
        if row.same_way is not None:
            assert row.outcome == "failed_again", tuple(row)
        counted[row.operation_id, "failed_same"] += row.same_way is True
    by_minute: Counter[tuple[str, str]] = Counter()
    begun = {}
    for row in await database.rows(select(operations)):
        if counted[row.operation_id, "items"] < row.requeued + row.skipped + row.errored:
            continue
        begun[row.operation_id] = to_millis(row.created_at) // 60_000 * 60_000
        kept = {name: getattr(row, name) for name in NAMES}
        assert kept == {name: counted[row.operation_id, name] for name in NAMES}, row.operation_id
    for row in await database.rows(select(operation_activity)):
        assert row.minute >= begun.get(row.operation_id, 0)
        for name in ("recovered", "failed_again"):
            by_minute[row.operation_id, name] += getattr(row, name)
    for operation_id in begun:
        for name in ("recovered", "failed_again"):
            key = (operation_id, name)
            assert by_minute[key] == counted[key], f"{name} of {operation_id}, minute by minute"
