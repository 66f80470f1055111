"""The counters that transactions keep, against a count of what they count."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select

from redrive.domain import EntryState
from redrive.ledger import Database
from redrive.ledger.schema import apps, entries
from redrive.ledger.schema_triage import groups


async def check_counts(database: Database) -> None:
    """The counters of apps and groups are what a count of the entries says."""
    counted: Counter[tuple[str, str]] = Counter()
    members: Counter[int | None] = Counter()
    failed: Counter[int | None] = Counter()
    for row in await database.rows(
        select(
            entries.c.app_id, entries.c.group_pk, entries.c.state, func.count().label("number")
        ).group_by(entries.c.app_id, entries.c.group_pk, entries.c.state)
    ):
        counted[row.app_id, row.state] += row.number
        members[row.group_pk] += row.number
        failed[row.group_pk] += row.number if row.state == EntryState.FAILED else 0
    for row in await database.rows(select(apps)):
        kept = {state: getattr(row, state) for state in EntryState}
        assert kept == {state: counted[row.app_id, state] for state in EntryState}, row.app_id
    known = {row.group_pk: row for row in await database.rows(select(groups))}
    for pk, row in known.items():
        assert (row.failed, row.entries) == (failed[pk], members[pk]), row.title
        assert row.failures >= row.entries, row.title
    assert None not in members, "an entry without a group"
    assert members.keys() <= known.keys()
