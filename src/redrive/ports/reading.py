"""Reading the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from redrive.domain import (
    ActivityPoint,
    App,
    AppId,
    Entry,
    EntryDetail,
    EntryFilter,
    EntryId,
    EntryState,
    Group,
    GroupDetail,
    GroupFilter,
    GroupId,
    Item,
    ItemState,
    JobId,
    MatchCount,
    Operation,
    OperationId,
    OperationState,
    OperationTally,
    Outcome,
    OutcomePoint,
    Prunable,
    ReasonCount,
)
from redrive.ports.common import Page, T


class InsightLedger(Protocol):
    """What an operator asks in an incident, at a bounded cost whatever the ledger's size."""

    async def activity(self, since: datetime, step: timedelta) -> list[ActivityPoint]:
        """Failures and recoveries by step (whole minutes) from ``since`` on, each in the minute
        in which it happened, oldest first; steps without any are left out."""

    async def first_activity(self) -> datetime | None:
        """The first minute in which the ledger counted a failure or a recovery."""

    async def failing_since(self) -> datetime | None:
        """When the oldest of the entries that are failed now failed."""

    async def count(self, entry_filter: EntryFilter, most: int, looked_at: int) -> MatchCount:
        """How many entries fit, counted up to ``most``, among the newest ``looked_at`` of those
        that an index finds."""

    async def in_hand(self, operation_id: OperationId) -> int:
        """How many entries an operation has claimed and not settled."""

    async def entries_of_jobs(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> Mapping[JobId, Entry]:
        """The entries of a queue's jobs; a job that was never taken in is left out."""

    async def apps_named(self, query: str, limit: int) -> list[App]:
        """Apps whose id or display name contains ``query``, most failed entries first."""

    async def apps_of_plans(
        self, plan_ids: Sequence[str], most: int
    ) -> Mapping[str, frozenset[AppId]]:
        """The apps that each plan's selection touches; a plan that touches more than ``most`` is
        left out, as is one that is forgotten."""

    async def failing_apps(self) -> int:
        """How many apps have failed entries."""

    async def failed_again(self, app_ids: Sequence[AppId], most: int) -> Mapping[AppId, int]:
        """How many entries of each app were moved and are failed now, counted up to ``most``."""

    async def entries_of_job(self, job_id: JobId) -> list[Entry]:
        """The entries of a job id, one per queue that was ever followed."""

    async def reasons(self, operation_id: OperationId, limit: int) -> list[ReasonCount]:
        """How many items ended alike, over the first ``limit`` items in hand-over order."""

    async def outcomes(self, operation_id: OperationId, step: timedelta) -> list[OutcomePoint]:
        """Recoveries and new failures of an operation's entries by step (whole minutes), oldest
        first; steps without any are left out."""

    async def last_outcome(self, operation_id: OperationId) -> datetime | None:
        """The last minute in which one of an operation's entries recovered or failed again."""


class GroupInsight(Protocol):
    """Failures by their cause, at a bounded cost.

    Charts have a point for each step (whole minutes) from ``since`` on in which something failed,
    oldest first.
    """

    async def groups(
        self,
        group_filter: GroupFilter,
        since: datetime,
        step: timedelta,
        cursor: str | None,
        limit: int,
    ) -> Page[Group]:
        """Groups, most failed entries first; apps are counted up to 100. With ``app_id``,
        ``queue`` or ``query`` it looks at a bounded number of groups at a time, as a
        :class:`ReadingLedger` does. Raises BadCursor."""

    async def group(
        self, group_id: GroupId, since: datetime, step: timedelta
    ) -> GroupDetail | None:
        """The group, or the one that took it over; apps are counted up to 1,000, and the first 20
        are named."""

    async def group_titles(self, group_ids: Sequence[GroupId]) -> Mapping[GroupId, str]:
        """What each group is called, or the one that took it over; an unknown one is left out."""

    async def failing_groups(self) -> int:
        """How many groups have failed entries."""


class ReadingLedger(InsightLedger, GroupInsight, Protocol):
    """The ledger's side of reading: bounded cost, keyset pages, no writes.

    A list with a filter that no index serves looks at a bounded number of rows at a time: a page
    may then be short, even empty, and still name a next cursor, which goes on where it stopped.
    Raises BadCursor for a cursor that the list did not give out.
    """

    async def snapshot(self, ask: Callable[[ReadingLedger], Awaitable[T]]) -> T:
        """What ``ask`` reads from the ledger that it is given, all of one moment.

        ``ask`` waits for nothing else, and may be called again after a failure.
        """

    async def open_operations(self) -> list[Operation]:
        """Every operation that is not terminal, oldest first."""

    async def totals(self) -> Mapping[EntryState, int]:
        """Entries by state, over all apps."""

    async def recovered_since(self, since: datetime) -> int:
        """How many recoveries happened in the minutes that begin at ``since`` or later. An entry
        that fails again and recovers again counts twice."""

    async def apps(self, cursor: str | None, limit: int) -> Page[App]:
        """Apps, most failed entries first."""

    async def app(self, app_id: AppId) -> App | None: ...

    async def entries(
        self, entry_filter: EntryFilter, cursor: str | None, limit: int, oldest_first: bool
    ) -> Page[Entry]:
        """Entries, newest failure first unless told otherwise, in the filter's order: by the time
        at which they failed if they are failed, else as the ledger recorded their failures."""

    async def entry(self, entry_id: EntryId) -> EntryDetail | None: ...

    async def operations(
        self, state: OperationState | None, app_id: AppId | None, cursor: str | None, limit: int
    ) -> Page[Operation]:
        """Operations, newest first."""

    async def items(
        self,
        operation_id: OperationId,
        state: ItemState | None,
        cursor: str | None,
        limit: int,
        outcome: Outcome | None = None,
        same_way: bool | None = None,
    ) -> Page[Item]:
        """The items of an operation, in hand-over order. With ``same_way`` those that failed again:
        the same way, or (False) differently or in a way that cannot be compared."""

    async def tallies(self) -> list[OperationTally]:
        """Operations by kind and state, with the sums of their counts, pruned ones among them."""

    async def pruned(self) -> Mapping[Prunable, int]:
        """How many rows pruning has ever removed."""

    async def reachable(self) -> bool:
        """Whether the store answers and has this version's schema."""
