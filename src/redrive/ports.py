"""The doors between the middle and the edges. The docstrings are the contract.

One contract suite per port runs over every implementation (``tests/contract``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from redrive.domain import (
    ActivityPoint,
    Actor,
    App,
    AppId,
    AuditEntry,
    AuditFilter,
    Batch,
    Entry,
    EntryDetail,
    EntryFilter,
    EntryId,
    EntryState,
    Failure,
    FailureSample,
    Item,
    ItemState,
    JobId,
    JobOutcome,
    JobState,
    JobStatus,
    JobSummary,
    MatchCount,
    Operation,
    OperationId,
    OperationState,
    OperationTally,
    Outcome,
    Payload,
    Progress,
    Prunable,
    PrunedBatch,
    QueueCounts,
    ReasonCount,
    RequeueBatch,
    RequeueResult,
    Settlement,
    StartRequest,
    User,
)

T = TypeVar("T")


class Clock(Protocol):
    """The time, as an aware datetime in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """A keyset page; ``next_cursor`` is None on the last one."""

    items: list[T]
    next_cursor: str | None


class Engine(Protocol):
    """One watched queue system. Every method raises EngineUnavailable when it cannot be reached.

    A cursor is opaque text that only the engine reads; ``""`` means the beginning.
    """

    source: str

    async def check(self) -> None:
        """Reach the queue system and refuse what is not supported (EngineUnsupported)."""

    async def queues(self) -> list[str]:
        """The names of the watched queues that exist now, sorted."""

    def problems(self) -> Mapping[str, str]:
        """Queues that :meth:`queues` found and left out, and why."""

    async def failures(self, queue: str, cursor: str, limit: int) -> tuple[list[Failure], str]:
        """The next failures that the engine still holds, oldest first, and the next cursor.

        Complete for failures from before Redrive came. An empty list means: caught up. A job
        that cannot be read comes as a Failure with a ``defect``; it never raises.
        """

    async def failures_of(self, queue: str, job_ids: Sequence[JobId]) -> list[Failure]:
        """The failures of those of the named jobs that are failed right now."""

    async def failed_ids(
        self, queue: str, cursor: str, limit: int
    ) -> tuple[list[JobStatus], str | None]:
        """A page of all failed jobs with their finish times; next cursor None at the end.

        Does not depend on finish times being in order, so a walk over all pages finds failures
        that :meth:`failures` passed by because a worker's clock was behind.
        """

    async def outcomes(
        self, cursors: Mapping[str, str], limit: int, wait_seconds: float
    ) -> dict[str, tuple[list[JobOutcome], str]]:
        """What happened to jobs since the cursors, by queue, oldest first; may miss what the
        engine has trimmed. Waits up to ``wait_seconds`` for something to happen."""

    async def statuses(self, queue: str, job_ids: Sequence[JobId]) -> list[JobStatus]:
        """Where each named job is now, in the order of the names. State MISSING: unknown."""

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        """Move the batch's jobs back to their queue, atomically, and leave a receipt.

        Called again for the same operation, number and queue it moves nothing and answers the
        same, even when jobs have completed since. One result per item, in order. Answers:
        REQUEUED, ALREADY_LIVE, SUPERSEDED (it failed again: ``failed_at`` differs), NOT_FAILED,
        MISSING, ERROR, or WITHHELD if :meth:`withhold` took the receipt first.
        """

    async def withhold(self, batch: RequeueBatch) -> list[RequeueResult]:
        """Take the batch's receipt so that it can never be moved. If it was moved already,
        nothing changes and the results are those of the move (RECREATED for a job that was
        rebuilt since; WITHHELD for a missing one, which is not rebuilt any more); else all are
        WITHHELD."""

    async def rebuild(
        self, batch: RequeueBatch, job_id: JobId, name: str, payload: Payload
    ) -> RequeueResult:
        """Create a job that the engine has forgotten, under a receipt of its own.

        Answers RECREATED; ALREADY_LIVE when the engine knows the job after all.
        """

    async def counts(self, queue: str) -> QueueCounts:
        """How many jobs the queue holds in each state."""

    async def jobs(self, queue: str, state: JobState, cursor: str, limit: int) -> Page[JobSummary]:
        """Jobs of one state, the next to run or the newest finished first.

        Finished ones are each on exactly one page, whatever finishes or is taken meanwhile. Of a
        list that workers take from, a job may be on two pages or on none. Raises BadCursor.
        """

    async def close(self) -> None:
        """Give the connections back."""


class OperationLedger(Protocol):
    """The ledger's side of the operation protocol. One method is one transaction.

    Raises LedgerUnavailable when the store cannot be reached or stays locked; nothing has
    changed then. A method that takes an Operation acts under its ``runner_epoch``: if another
    runner has taken the operation over, nothing changes and StaleRunner is raised.
    """

    async def start_bulk(self, request: StartRequest) -> tuple[Operation, bool]:
        """Freeze the selection, count it, insert the operation.

        Returns the operation and whether it is new: the same idempotency key by the same actor
        answers with the operation it started. Raises AppNotFound, NothingToDo,
        OperationOverlap, IdempotencyMismatch.
        """

    async def start_single(self, request: StartRequest) -> tuple[Operation, Batch]:
        """Insert an operation of one, running, with its entry claimed as batch 1.

        Raises EntryNotFound, WrongState. Of two calls at once for one entry, one wins.
        """

    async def take_over(self, operation_id: OperationId) -> Operation | None:
        """Raise the runner epoch of an open operation; a queued one is running then.

        None if the operation is unknown or terminal.
        """

    async def claim(self, operation: Operation, limit: int) -> Batch | None:
        """Claim the next entries in the order they failed: ``limit`` at most, and fewer where
        their data is large (BATCH_BYTES). None when the selection is done or the operation is
        cancelling."""

    async def unsettled(self, operation: Operation) -> list[Batch]:
        """The batches that are claimed and not settled, each under its own number."""

    async def payload(self, entry_pk: int) -> tuple[str, Payload | None]:
        """The job name and, if it was kept, the payload of an entry."""

    async def settle(
        self, operation: Operation, batch: Batch, settlements: Sequence[Settlement]
    ) -> Operation:
        """Give items and entries their state and reason; returns the operation's new counts.

        A batch that is settled already stays as it is.
        """

    async def release(self, operation: Operation, batch: Batch, engine_away: bool) -> Operation:
        """Give a claimed batch back: its entries are as they were, error intact."""

    async def finish(
        self, operation: Operation, state: OperationState, error: str | None
    ) -> Operation:
        """Make the operation terminal. It keeps all its counts."""

    async def request_cancel(self, operation_id: OperationId, actor: Actor) -> Operation:
        """Ask the runner to stop: running becomes cancelling, queued becomes cancelled at once.

        Raises OperationNotFound, OperationFinished. A second request changes nothing.
        """

    async def operation(self, operation_id: OperationId) -> Operation | None:
        """The operation with its counts, or None."""

    async def open_operations(self) -> list[Operation]:
        """Every operation that is not terminal, oldest first."""

    async def release_loose(self) -> int:
        """Give back entries that are claimed by an operation which is over or unknown.

        There are none unless the ledger was restored from a backup; returns how many.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """A failed or live entry in the ledger, as the drift check compares it with the engine."""

    entry_pk: int
    queue: str
    job_id: JobId
    state: EntryState
    failure_seq: int
    failed_at: datetime
    moved_at: datetime | None
    forgets: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftVerdict:
    """What the drift check found for one entry; applied only if the entry is still as it was."""

    entry_pk: int
    failure_seq: int
    from_state: EntryState
    to_state: EntryState
    reason: str


class FollowerLedger(Protocol):
    """The ledger's side of following. One method is one transaction.

    A cursor moves in the transaction that records what it covers, and only if it still has the
    value that the caller read (compare and set), so that two followers do no harm: the second
    one's call changes nothing and returns None.
    """

    async def cursors(self, source: str, kind: str) -> dict[str, str]:
        """The saved cursors of one kind (``failures`` or ``outcomes``), by queue."""

    async def record_failures(
        self,
        source: str,
        queue: str,
        failures: Sequence[Failure],
        cursor: tuple[str, str] | None,
    ) -> list[Operation] | None:
        """Take in failure occurrences; known ones change nothing.

        ``cursor`` is (as read, new) for kind ``failures``. Returns the operations whose outcome
        counts moved; None if the cursor was moved by another.
        """

    async def record_outcomes(
        self,
        source: str,
        queue: str,
        outcomes: Sequence[JobOutcome],
        cursor: tuple[str, str],
    ) -> list[Operation] | None:
        """Tie what happened to jobs to their entries, and to the operation that moved them.

        Unknown jobs are passed over. Outcomes from before an entry's hand-over are ignored.
        """

    async def failed_to_check(self, source: str, after_seq: int, limit: int) -> list[LedgerEntry]:
        """A page of the source's failed entries after a ``failure_seq``, in that order."""

    async def live_to_check(self, source: str, after_pk: int, limit: int) -> list[LedgerEntry]:
        """A page of the source's queued and active entries after a primary key, in that order."""

    async def unrecorded(self, source: str, queue: str, failed: Sequence[JobStatus]) -> list[JobId]:
        """Those of the failed jobs whose occurrence the ledger does not have."""

    async def record_drift(self, verdicts: Sequence[DriftVerdict]) -> list[Operation]:
        """Apply what the drift check found; returns operations whose outcome counts moved."""


class RetentionLedger(Protocol):
    """Removing what is over. One call is one short transaction of at most ``limit`` rows (an
    entry's payload and counters go with it), so that a crash between two loses nothing."""

    async def prune(
        self, what: Prunable, before: datetime, limit: int, position: str | None
    ) -> PrunedBatch | None:
        """Remove what has been over since ``before`` or longer, oldest first.

        OPERATIONS: finished ones, their items first (ITEMS is not asked for by itself). ENTRIES:
        recovered, dismissed or vanished ones of which nothing was heard since, and which no item
        names any more; failed and live ones never. AUDIT and ACTIVITY: rows from before.
        None, and nothing removed, while an operation is open: its selection stays as it was
        counted, and pruning never slows it down. Several may prune at once; each row is counted
        by the one that removed it.
        """


class InsightLedger(Protocol):
    """What an operator asks in an incident, at a bounded cost whatever the ledger's size."""

    async def activity(self, since: datetime, step: timedelta) -> list[ActivityPoint]:
        """Failures and recoveries by step (whole minutes) from ``since`` on, oldest first;
        steps without any are left out."""

    async def first_activity(self) -> datetime | None:
        """The minute in which the ledger first learned of a failure or a recovery."""

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

    async def failure_samples(self, limit: int) -> list[FailureSample]:
        """What the entries say that are failed now, newest failure first, ``limit`` at most."""

    async def apps_named(self, query: str, limit: int) -> list[App]:
        """Apps whose id or display name contains ``query``, most failed entries first."""

    async def entries_of_job(self, job_id: JobId) -> list[Entry]:
        """The entries of a job id, one per queue that was ever followed."""

    async def reasons(self, operation_id: OperationId, limit: int) -> list[ReasonCount]:
        """How many items ended alike, over the first ``limit`` items in hand-over order."""


class ReadingLedger(InsightLedger, Protocol):
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
        """How many recoveries the ledger learned of in the minutes that begin at ``since`` or
        later. An entry that fails again and recovers again counts twice."""

    async def apps(self, cursor: str | None, limit: int) -> Page[App]:
        """Apps, most failed entries first."""

    async def app(self, app_id: AppId) -> App | None: ...

    async def entries(
        self, entry_filter: EntryFilter, cursor: str | None, limit: int, oldest_first: bool
    ) -> Page[Entry]:
        """Entries, newest failure first unless told otherwise."""

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
    ) -> Page[Item]:
        """The items of an operation, in hand-over order."""

    async def tallies(self) -> list[OperationTally]:
        """Operations by kind and state, with the sums of their counts, pruned ones among them."""

    async def pruned(self) -> Mapping[Prunable, int]:
        """How many rows pruning has ever removed."""

    async def reachable(self) -> bool:
        """Whether the store answers and has this version's schema."""


class Accounts(Protocol):
    """Users and the audit trail."""

    async def user(self, name: str) -> User | None: ...

    async def users(self) -> list[User]: ...

    async def put_user(self, name: str, password_hash: str) -> User:
        """Create the user, or change the password, which ends all of the user's sessions."""

    async def audit(
        self,
        actor: Actor,
        action: str,
        scope: str,
        *,
        reason: str = "",
        result: str = "",
        operation_id: OperationId | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Append one row: who did what, to what, why, with what result, from where."""

    async def name_app(self, app_id: AppId, display_name: str, actor: Actor) -> App | None:
        """Give an app a display name, audited; empty takes it back. None without such an app."""

    async def audit_trail(
        self, cursor: str | None, limit: int, audit_filter: AuditFilter | None = None
    ) -> Page[AuditEntry]:
        """The audit rows, newest first. With several filters it looks at a bounded number of
        rows at a time, as a :class:`ReadingLedger` does."""


class ProgressStore(Protocol):
    """The fast view of an operation's progress, gone an hour after its last change.

    Raises StoreUnavailable when it cannot be reached.
    """

    async def write(self, progress: Progress) -> None:
        """Set all counters in one step and tell listeners. Counts of the same operation never
        go down: an older state that arrives late changes nothing."""

    async def read(self, operation_id: OperationId) -> Progress | None:
        """The progress, or None where it has expired."""

    def changes(self, operation_id: OperationId) -> AsyncIterator[Progress]:
        """The progress now and at every change, until the operation is terminal."""


class OperationQueue(Protocol):
    """Hands open operations to the runners. Raises StoreUnavailable."""

    async def put(self, operation_id: OperationId) -> None:
        """Make sure that a runner gets the operation; twice is as good as once."""


class FollowerReports(Protocol):
    """When each source was last followed to its end. Raises StoreUnavailable."""

    async def caught_up(self, source: str, at: datetime) -> None:
        """Say that everything the source had at ``at`` has been taken in."""

    async def read(self) -> Mapping[str, datetime]:
        """The newest report per source, of the last hour."""
