"""What an operator asks in an incident: what fails, since when, and where is it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redrive.causes import Cause, group_causes
from redrive.domain import (
    ActivityPoint,
    App,
    Entry,
    EntryFilter,
    EntryId,
    JobId,
    Operation,
    OperationId,
    ReasonCount,
)
from redrive.ports import Clock, OperationLedger, Page, ReadingLedger

REASONS_OVER = 50_000

_SAMPLES = 1000
_PATIENCE_SECONDS = 1.0
_MOST_CAUSES = 6
_MOST_FOUND = 20
_MOST_SUGGESTED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search met; ``more`` says that older entries were not looked at or not shown."""

    apps: list[App]
    operations: list[Operation]
    entries: list[Entry]
    more: bool


class Insight:
    """The reads of an incident, at a bounded cost. Raises BadCursor, LedgerUnavailable."""

    def __init__(self, reading: ReadingLedger, operations: OperationLedger, clock: Clock) -> None:
        self._reading = reading
        self._operations = operations
        self._clock = clock

    async def activity(self, span: timedelta, step: timedelta) -> list[ActivityPoint]:
        """Failures and recoveries by step over the last ``span``, every step there, the one
        that is running last."""
        seconds = step.total_seconds()
        last = int(self._clock.now().timestamp() // seconds)
        steps = [
            datetime.fromtimestamp(number * seconds, tz=UTC)
            for number in range(last - int(span / step) + 1, last + 1)
        ]
        known = {point.at: point for point in await self._reading.activity(steps[0], step)}
        return [known.get(at) or ActivityPoint(at=at, failed=0, recovered=0) for at in steps]

    async def causes(self) -> tuple[list[Cause], int]:
        """What the newest failures have in common, most frequent first, and how many of them
        were looked at."""
        samples = await self._reading.failure_samples(_SAMPLES)
        return group_causes(samples, _MOST_CAUSES), len(samples)

    async def find(self, query: str) -> Found:
        """Apps by name, operations and entries by id, entries by job id or error text."""
        page = await self.look_for(EntryFilter(query=query), None, _MOST_FOUND, False)
        return await self._found(query, page, _MOST_FOUND)

    async def suggest(self, query: str) -> Found:
        """As ``find``, but a few of each and without looking on: entries by error text are those
        among the newest only, so that it can be asked at every key."""
        page = await self._reading.entries(EntryFilter(query=query), None, _MOST_SUGGESTED, False)
        return await self._found(query, page, _MOST_SUGGESTED)

    async def _found(self, query: str, page: Page[Entry], most: int) -> Found:
        operation = await self._operations.operation(OperationId(query))
        named = await self._reading.entry(EntryId(query))
        exact = [] if named is None else [named.entry]
        exact += await self._reading.entries_of_job(JobId(query))
        entries = {entry.entry_id: entry for entry in (*exact, *page.items)}
        return Found(
            apps=await self._reading.apps_named(query, most),
            operations=[] if operation is None else [operation],
            entries=list(entries.values()),
            more=page.next_cursor is not None,
        )

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
