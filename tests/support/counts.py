"""The counters that transactions keep, against a count of what they count."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select

from redrive.domain import EntryState
from redrive.ledger import Database
from redrive.ledger.schema import apps, entries
from redrive.ledger.schema_triage import groups


async def miscounts(database: Database) -> list[str]:
    """Where the counters of apps and groups are not what a count of the entries says."""
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
    found = [
        f"app {row.app_id} counts {getattr(row, state)} {state}, "
        f"its entries {counted[row.app_id, state]}"
        for row in await database.rows(select(apps))
        for state in EntryState
        if getattr(row, state) != counted[row.app_id, state]
    ]
    known = {row.group_pk: row for row in await database.rows(select(groups))}
    for pk, row in known.items():
        own = (row.failed, row.entries)
        if own != (failed[pk], members[pk]):
            found.append(f"group {row.title} counts {own}, its entries {failed[pk], members[pk]}")
        if row.failures < row.entries:
            found.append(f"group {row.title} has {row.failures} failures of {row.entries} entries")
    if None in members:
        found.append(f"{members[None]} entries have no group")
    if not members.keys() <= known.keys() | {None}:
        found.append("an entry is of a group that there is not")
    return found


async def check_counts(database: Database) -> None:
    """The counters of apps and groups are what a count of the entries says."""
    assert await miscounts(database) == []
