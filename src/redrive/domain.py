"""The values of Redrive: no I/O, no framework.

Times are aware datetimes in UTC, at the engine's own resolution (milliseconds for BullMQ).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NewType

AppId = NewType("AppId", str)
EntryId = NewType("EntryId", str)
JobId = NewType("JobId", str)
OperationId = NewType("OperationId", str)


class EntryState(StrEnum):
    """What the ledger knows about an entry.

    ``failed → claimed → queued → active → recovered | failed``; ``dismissed`` and ``vanished``
    stand beside that line.
    """

    FAILED = "failed"
    CLAIMED = "claimed"
    QUEUED = "queued"
    ACTIVE = "active"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"
    VANISHED = "vanished"


LIVE_STATES = (EntryState.QUEUED, EntryState.ACTIVE)
OVER_STATES = (EntryState.RECOVERED, EntryState.DISMISSED, EntryState.VANISHED)
SETTLED_STATES = (
    EntryState.FAILED,
    EntryState.RECOVERED,
    EntryState.DISMISSED,
    EntryState.VANISHED,
)


class OperationKind(StrEnum):
    RETRY = "retry"
    RESYNC = "resync"


SINGLE_TAKES: Mapping[OperationKind, tuple[EntryState, ...]] = {
    OperationKind.RETRY: (EntryState.FAILED,),
    OperationKind.RESYNC: SETTLED_STATES,
}
"""The states from which one entry, named by hand, can be taken."""

BULK_TAKES: Mapping[OperationKind, tuple[EntryState, ...]] = {
    OperationKind.RETRY: (EntryState.FAILED,),
    OperationKind.RESYNC: (EntryState.FAILED, EntryState.RECOVERED),
}
"""The states that a bulk operation sweeps up.

A bulk resync leaves out what an operator dismissed and what somebody removed from the queue:
those are taken one by one.
"""


class OperationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL_STATES


OPEN_STATES = (OperationState.QUEUED, OperationState.RUNNING, OperationState.CANCELLING)
TERMINAL_STATES = (OperationState.COMPLETED, OperationState.CANCELLED, OperationState.FAILED)


class ScopeKind(StrEnum):
    ENTRY = "entry"
    APP = "app"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What an operation selects: one entry, one app's entries, or everything."""

    kind: ScopeKind
    app_id: AppId | None = None
    entry_id: EntryId | None = None

    def __str__(self) -> str:
        if self.kind is ScopeKind.ENTRY:
            return f"entry {self.entry_id}"
        return f"app {self.app_id}" if self.kind is ScopeKind.APP else "all apps"

    @staticmethod
    def of_entry(app_id: AppId, entry_id: EntryId) -> Scope:
        return Scope(kind=ScopeKind.ENTRY, app_id=app_id, entry_id=entry_id)

    @staticmethod
    def of_app(app_id: AppId) -> Scope:
        return Scope(kind=ScopeKind.APP, app_id=app_id)

    @staticmethod
    def everything() -> Scope:
        return Scope(kind=ScopeKind.ALL)


class Answer(StrEnum):
    """What an engine did with one job of a batch."""

    REQUEUED = "requeued"
    RECREATED = "recreated"
    ALREADY_LIVE = "already_live"
    SUPERSEDED = "superseded"
    NOT_FAILED = "not_failed"
    MISSING = "missing"
    WITHHELD = "withheld"
    ERROR = "error"

    @property
    def moved(self) -> bool:
        return self in (Answer.REQUEUED, Answer.RECREATED)


class ItemState(StrEnum):
    CLAIMED = "claimed"
    REQUEUED = "requeued"
    SKIPPED = "skipped"
    ERRORED = "errored"
    RELEASED = "released"


class Reason(StrEnum):
    """Why an item ended as it did; exactly one per item."""

    REQUEUED = "requeued"
    RECREATED = "recreated"
    ALREADY_LIVE = "already_live"
    SUPERSEDED = "superseded"
    NOT_FAILED = "not_failed"
    MISSING = "missing"
    ERROR = "error"
    CANCELLED = "cancelled"
    ENGINE_AWAY = "engine_away"
    TAKEN_BY_ANOTHER = "taken_by_another"
    FAILED_AGAIN_BEFORE = "failed_again_before"
    RESOLVED_ELSEWHERE = "resolved_elsewhere"


class Outcome(StrEnum):
    """What became of a job after its hand-over."""

    WAITING = "waiting"
    RECOVERED = "recovered"
    FAILED_AGAIN = "failed_again"
    VANISHED = "vanished"


class JobState(StrEnum):
    """Where an engine holds a job right now."""

    WAITING = "waiting"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    DELAYED = "delayed"
    PRIORITIZED = "prioritized"
    PAUSED = "paused"
    WAITING_CHILDREN = "waiting-children"
    UNKNOWN = "unknown"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What is needed to run a job again, byte for byte as the engine held it.

    ``extra`` holds the engine's own further fields (parent, scheduler key, …), opaque elsewhere.
    """

    data: bytes
    options: bytes
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """Which hand-over moved a job last."""

    operation_id: OperationId
    generation: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One failure occurrence, as an engine reports it.

    ``failed_at`` is the engine's finish time of the run and, with the job, names the occurrence.
    ``forgets`` says that the engine drops failed jobs by plan, so that a missing one may be
    rebuilt. ``defect`` says what is wrong with a job that cannot be read properly.
    ``event_only`` means that the engine dropped the job at once and only said that it failed, so
    that ``failed_at`` is the time of the saying.
    """

    source: str
    queue: str
    job_id: JobId
    app_id: AppId
    job_name: str
    failed_at: datetime
    error_type: str
    error_message: str
    stacktrace: str
    attempts_made: int
    created_at: datetime | None = None
    started_at: datetime | None = None
    payload: Payload | None = None
    data_size: int = 0
    stamp: Stamp | None = None
    forgets: bool = False
    defect: str | None = None
    event_only: bool = False

    @property
    def entry_id(self) -> EntryId:
        return entry_id_of(self.source, self.queue, self.job_id)


DATA_UNREADABLE = "The job's data is not JSON."
OPTIONS_UNREADABLE = "The job's options are not JSON."
"""Defects of jobs that no worker can read."""

DROPPED_AT_ONCE = "its queue dropped the job at once: only the error is known"
"""The defect of a failure that was only announced (see ``Failure.event_only``)."""


class OutcomeKind(StrEnum):
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobOutcome:
    """Something that happened to a job, by the engine's clock.

    REMOVED with an empty ``job_id`` says that jobs were removed without naming them.
    """

    job_id: JobId
    kind: OutcomeKind
    at: datetime
    error_message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """Where a job is and, if it has finished, since when."""

    job_id: JobId
    state: JobState
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedEntry:
    """One item in hand: enough for an engine to move the job.

    ``failure_seq`` is of the occurrence that was claimed, whatever the entry has met since.
    """

    entry_pk: int
    failure_seq: int
    entry_id: EntryId
    app_id: AppId
    source: str
    queue: str
    job_id: JobId
    failed_at: datetime
    generation: int
    forgets: bool
    from_state: EntryState
    defect: str | None = None


BATCH_BYTES = 8 * 1024 * 1024
"""A batch ends with the entry whose data brings it to this size, however few they are: a queue's
store does nothing else while it hands a batch over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A claimed batch of one operation, in hand-over order; ``number`` counts from 1."""

    operation_id: OperationId
    number: int
    entries: tuple[ClaimedEntry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequeueItem:
    """One job of a :class:`RequeueBatch`; ``failed_at`` names the occurrence to be moved."""

    job_id: JobId
    failed_at: datetime
    generation: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RequeueBatch:
    """The part of a batch that lies in one queue: one script call, one receipt.

    ``mark`` is the value of the re-scan key: true for a retry, false for a resync.
    ``take_finished`` lets completed jobs be moved too (resync).
    """

    queue: str
    operation_id: OperationId
    number: int
    items: tuple[RequeueItem, ...]
    mark: bool
    take_finished: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RequeueResult:
    """What became of one job; ``at`` is the engine's clock at the hand-over."""

    job_id: JobId
    answer: Answer
    at: datetime
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """The result for one claimed entry, ready for the ledger."""

    entry_pk: int
    answer: Answer
    at: datetime
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who acts, and from where (an address, or ``cli``)."""

    name: str
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A durable action on a frozen selection, with its counts.

    ``total`` is frozen at the start. ``requeued``, ``skipped`` and ``errored`` count settled
    items; ``released`` counts items claimed and given back by a cancel. ``recovered``,
    ``failed_again`` and ``vanished`` count the outcomes of requeued items.
    """

    operation_id: OperationId
    kind: OperationKind
    scope: Scope
    state: OperationState
    cutoff_seq: int
    total: int
    requeued: int
    skipped: int
    errored: int
    released: int
    recovered: int
    failed_again: int
    vanished: int
    runner_epoch: int
    actor: str
    origin: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_by: str | None
    error: str | None

    @property
    def completed(self) -> int:
        return self.requeued + self.skipped + self.errored


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationTally:
    """All operations of one kind and state together, with the sums of their counts.

    ``seconds`` is the sum of their durations, zero for those that are open.
    """

    kind: OperationKind
    state: OperationState
    operations: int
    seconds: float
    requeued: int
    skipped: int
    errored: int
    recovered: int
    failed_again: int
    vanished: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far an operation is. ``completed = succeeded + failed + skipped <= total``.

    ``rate`` is in entries per second; ``eta_seconds`` is None where it cannot be told.
    """

    operation_id: OperationId
    state: OperationState
    total: int
    completed: int
    succeeded: int
    failed: int
    skipped: int
    released: int
    recovered: int
    failed_again: int
    vanished: int
    cancelled: bool
    rate: float
    eta_seconds: float | None


def progress_of(operation: Operation, now: datetime) -> Progress:
    """The progress that an operation's row tells, with rate and time left as of ``now``."""
    completed = operation.completed
    rate = 0.0
    if operation.started_at is not None:
        end = operation.finished_at or now
        elapsed = max((end - operation.started_at).total_seconds(), 0.001)
        rate = completed / elapsed
    eta: float | None = None
    if operation.state.terminal:
        eta = 0.0
    elif rate > 0:
        eta = (operation.total - completed) / rate
    return Progress(
        operation_id=operation.operation_id,
        state=operation.state,
        total=operation.total,
        completed=completed,
        succeeded=operation.requeued,
        failed=operation.errored,
        skipped=operation.skipped,
        released=operation.released,
        recovered=operation.recovered,
        failed_again=operation.failed_again,
        vanished=operation.vanished,
        cancelled=operation.state is OperationState.CANCELLED,
        rate=round(rate, 1),
        eta_seconds=None if eta is None else round(eta, 1),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRequest:
    """What an operator asked for."""

    kind: OperationKind
    scope: Scope
    actor: Actor
    reason: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """One tenant, with how many of its entries are in each state.

    ``failing_since`` is when the oldest of its failed entries failed.
    """

    app_id: AppId
    display_name: str
    counts: Mapping[EntryState, int]
    first_seen_at: datetime
    last_failed_at: datetime | None
    failing_since: datetime | None = None

    @property
    def failed(self) -> int:
        return self.counts.get(EntryState.FAILED, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One job that has failed at least once, as the ledger knows it."""

    entry_id: EntryId
    app_id: AppId
    source: str
    queue: str
    job_id: JobId
    job_name: str
    state: EntryState
    state_reason: str
    failure_seq: int
    failures: int
    generation: int
    failed_at: datetime
    first_failed_at: datetime
    created_at: datetime | None
    started_at: datetime | None
    recovered_at: datetime | None
    error_type: str
    error_message: str
    attempts_made: int
    data_size: int
    forgets: bool
    defect: str | None
    operation_id: OperationId | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One entry inside one operation, with what became of it."""

    operation_id: OperationId
    entry_id: EntryId
    app_id: AppId
    job_id: JobId
    queue: str
    batch_number: int
    state: ItemState
    reason: Reason | None
    detail: str
    outcome: Outcome | None
    failed_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryDetail:
    """An entry with what is only read one at a time."""

    entry: Entry
    stacktrace: str
    payload: Payload | None
    history: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryFilter:
    """Which entries a list shows; ``query`` is found in the error, the job id or the entry id,
    ``error_type`` is the whole of it.

    The newest failure lies at or after ``failed_from`` and before ``failed_before``.
    """

    app_id: AppId | None = None
    state: EntryState | None = None
    source: str | None = None
    queue: str | None = None
    query: str | None = None
    job_name: str | None = None
    error_type: str | None = None
    failed_from: datetime | None = None
    failed_before: datetime | None = None

    @property
    def is_indexed(self) -> bool:
        """Whether a ledger finds the next entry without looking at ones that do not fit."""
        indexed = EntryFilter(app_id=self.app_id, state=self.state)
        return self == indexed and self.state in (None, EntryState.FAILED)


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchCount:
    """How many entries fit a filter: ``found``, or more than that where ``is_bounded``.

    A count is bounded after so many matches, or after so many entries that were looked at.
    """

    found: int
    is_bounded: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which rows of the audit trail a list shows; ``app_id`` takes in the app's single entries."""

    actor: str | None = None
    action: str | None = None
    app_id: AppId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityPoint:
    """How many failures and recoveries the ledger took in from ``at`` on, for one step."""

    at: datetime
    failed: int
    recovered: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureSample:
    """What a failed entry says about its cause; ``error_message`` may be cut."""

    app_id: AppId
    queue: str
    error_type: str
    error_message: str
    failed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonCount:
    """How many items of an operation ended alike."""

    state: ItemState
    reason: Reason | None
    items: int


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueCounts:
    """How many jobs a queue holds in each state, by the engine."""

    source: str
    queue: str
    counts: Mapping[JobState, int]
    paused: bool
    library: str = ""
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSummary:
    """One job in an engine's list."""

    job_id: JobId
    name: str
    state: JobState
    attempts_made: int
    created_at: datetime | None
    finished_at: datetime | None
    error_message: str


class Prunable(StrEnum):
    """What the ledger removes when it has been over for long enough; items go with their
    operations, before them."""

    OPERATIONS = "operations"
    ITEMS = "items"
    ENTRIES = "entries"
    AUDIT = "audit"
    ACTIVITY = "activity"


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long what is over is kept; None keeps it for ever."""

    history: timedelta | None
    audit: timedelta | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunedBatch:
    """What one batch of pruning removed; ``more`` says to go on, after ``position``."""

    removed: Mapping[Prunable, int]
    more: bool
    position: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Who did what, when, with what result. ``seq`` only grows."""

    seq: int
    at: datetime
    actor: str
    origin: str
    action: str
    scope: str
    reason: str
    result: str
    operation_id: OperationId | None
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A console user; ``session_epoch`` grows with every change that ends all sessions."""

    name: str
    password_hash: str
    session_epoch: int
    created_at: datetime


def entry_id_of(source: str, queue: str, job_id: str) -> EntryId:
    """The deterministic id of a job's entry: ``ent_`` and 96 bits of SHA-256, in hex."""
    digest = hashlib.sha256(f"{source}\0{queue}\0{job_id}".encode("utf-8", "surrogatepass"))
    return EntryId("ent_" + digest.hexdigest()[:24])


def from_millis(value: float) -> datetime:
    """An aware UTC datetime from milliseconds since 1970."""
    return datetime.fromtimestamp(value / 1000, tz=UTC)


def to_millis(value: datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime."""
    return round(value.timestamp() * 1000)
