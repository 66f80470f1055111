"""Operations and their progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from redrive.domain.names import AppId, EntryId, OperationId
from redrive.domain.states import OperationKind, OperationState, ScopeKind


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who acts, and from where (an address, or ``cli``)."""

    name: str
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A durable action on a frozen selection, with its counts.

    ``total`` is frozen at the start. ``requeued``, ``skipped``, ``errored`` and ``dismissed`` count
    settled items; ``released`` counts items claimed and given back by a cancel, ``taken_back``
    those of them that had been moved and were taken back by an undo. ``recovered``,
    ``failed_again`` and ``vanished`` count the outcomes of requeued items, ``failed_same`` those of
    ``failed_again`` whose failure is of the same group as before.
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
    dismissed: int = 0
    failed_same: int = 0
    plan_id: str | None = None
    pause_wanted: bool = False
    undo_wanted: bool = False
    paused_by: str | None = None
    pause_reason: str | None = None
    approved_by: str | None = None
    low_priority: bool = False
    taken_back: int = 0

    @property
    def waiting(self) -> int:
        """How many requeued items have no outcome yet."""
        return self.requeued - self.recovered - self.failed_again - self.vanished

    @property
    def completed(self) -> int:
        return self.requeued + self.skipped + self.errored + self.dismissed


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
    taken_back: int


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
    undo_wanted: bool = False


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
        succeeded=operation.requeued + operation.dismissed,
        failed=operation.errored,
        skipped=operation.skipped,
        released=operation.released,
        recovered=operation.recovered,
        failed_again=operation.failed_again,
        vanished=operation.vanished,
        cancelled=operation.state is OperationState.CANCELLED,
        rate=round(rate, 1),
        eta_seconds=None if eta is None else round(eta, 1),
        undo_wanted=operation.undo_wanted,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRequest:
    """What an operator asked for."""

    kind: OperationKind
    scope: Scope
    actor: Actor
    reason: str = ""
    idempotency_key: str | None = None
