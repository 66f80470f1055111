"""What an operator asks in an incident: what fails, since when, and where is it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from redrive.domain import (
    LOOKED_AT,
    MOST_COUNTED,
    App,
    AppId,
    Entry,
    EntryFilter,
    EntryId,
    Group,
    GroupDetail,
    GroupFilter,
    GroupId,
    JobId,
    MatchCount,
    Operation,
    OperationId,
    ReasonCount,
    group_of,
)
from redrive.errors import GroupNotFound
from redrive.ports import Clock, OperationLedger, Page, ReadingLedger
from redrive.standing import charted, hours_until, read_groups

REASONS_OVER = 50_000

_PATIENCE_SECONDS = 1.0
_MOST_FOUND = 20
_MOST_SUGGESTED = 5
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search met; ``more`` says that older entries were not looked at or not shown."""

    apps: list[App]
    groups: list[Group]
    operations: list[Operation]
    entries: list[Entry]
    more: bool


class Insight:
    """The reads of an incident, at a bounded cost. Raises BadCursor, LedgerUnavailable."""

    def __init__(self, reading: ReadingLedger, operations: OperationLedger, clock: Clock) -> None:
        self._reading = reading
        self._operations = operations
        self._clock = clock

    async def groups(
        self, group_filter: GroupFilter, cursor: str | None, limit: int
    ) -> Page[Group]:
        """Groups of failures, most failed entries first, with the chart of a day."""
        return await read_groups(self._reading, group_filter, self._clock.now(), cursor, limit)

    async def group(self, group_id: GroupId) -> GroupDetail:
        """A group, or the one that took it over. Raises GroupNotFound."""
        hours = hours_until(self._clock.now())
        detail = await self._reading.group(group_id, hours[0], _HOUR)
        if detail is None:
            raise GroupNotFound(group_id=group_id)
        return replace(detail, group=charted(detail.group, hours))

    async def group_titles(self, kept_filters: Iterable[str]) -> Mapping[GroupId, str]:
        """What the groups that kept filters are narrowed to are called."""
        named = {group_of(kept) for kept in kept_filters}
        ids = [group_id for group_id in named if group_id is not None]
        return await self._reading.group_titles(ids) if ids else {}

    async def failing_groups(self) -> int:
        """How many groups have failed entries."""
        return await self._reading.failing_groups()

    async def count(self, entry_filter: EntryFilter) -> MatchCount:
        """How many entries fit, up to 10,000, among the newest 20,000 that an index finds."""
        return await self._reading.count(entry_filter, MOST_COUNTED, LOOKED_AT)

    async def in_hand(self, operation_id: OperationId) -> int:
        """How many entries an operation has claimed and not settled."""
        return await self._reading.in_hand(operation_id)

    async def entries_of_jobs(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> Mapping[JobId, Entry]:
        """The entries of a queue's jobs; a job that was never taken in is left out."""
        return await self._reading.entries_of_jobs(source, queue, job_ids)

    async def find(self, query: str) -> Found:
        """Apps by name, groups by title or note, operations and entries by id, entries by job id
        or error text."""
        page = await self.look_for(EntryFilter(query=query), None, _MOST_FOUND, False)
        return await self._found(query, page, _MOST_FOUND)

    async def suggest(self, query: str) -> Found:
        """As ``find``, but a few of each and without looking on: entries by error text are those
        among the newest only, so that it can be asked at every key."""
        page = await self._reading.entries(EntryFilter(query=query), None, _MOST_SUGGESTED, False)
        return await self._found(query, page, _MOST_SUGGESTED)

    async def _found(self, query: str, page: Page[Entry], most: int) -> Found:
        operation = await self._operations.operation(OperationId(query))
        named_so = GroupFilter(query=query, with_quiet=True)
        named = await self._reading.entry(EntryId(query))
        exact = [] if named is None else [named.entry]
        exact += await self._reading.entries_of_job(JobId(query))
        entries = {entry.entry_id: entry for entry in (*exact, *page.items)}
        return Found(
            apps=await self._reading.apps_named(query, most),
            groups=(await self.groups(named_so, None, most)).items,
            operations=[] if operation is None else [operation],
            entries=list(entries.values()),
            more=page.next_cursor is not None,
        )

    async def failed_again(self, app_ids: Sequence[AppId]) -> Mapping[AppId, int]:
        """How many entries of each app were moved and are failed now, counted up to 10,000."""
        return await self._reading.failed_again(app_ids, MOST_COUNTED)

    async def reasons(self, operation_id: OperationId) -> list[ReasonCount]:
        """How many items ended alike, over the first 50,000."""
        return await self._reading.reasons(operation_id, REASONS_OVER)

    async def look_for(
        self, entry_filter: EntryFilter, cursor: str | None, limit: int, oldest_first: bool
    ) -> Page[Entry]:
        """As the ledger's ``entries``, but looks on for about a second until the page is full."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_SECONDS
        page = await self._reading.entries(entry_filter, cursor, limit, oldest_first)
        found = page.items
        while page.next_cursor is not None and len(found) < limit and loop.time() < deadline:
            rest = limit - len(found)
            page = await self._reading.entries(entry_filter, page.next_cursor, rest, oldest_first)
            found += page.items
        return Page(items=found, next_cursor=page.next_cursor)
