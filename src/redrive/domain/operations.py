"""Operations and their progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from redrive.domain.controls import NO_CONTROLS, CanaryState, Controls, Limit
from redrive.domain.names import AppId, EntryId, OperationId
from redrive.domain.states import OperationKind, OperationState, ScopeKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What an operation selects: one entry, one app's entries, everything, or what a plan froze."""

    kind: ScopeKind
    app_id: AppId | None = None
    entry_id: EntryId | None = None

    def __str__(self) -> str:
        if self.kind is ScopeKind.ENTRY:
            return f"entry {self.entry_id}"
        if self.kind is ScopeKind.FILTER:
            return "a selection"
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

    @staticmethod
    def selection() -> Scope:
        return Scope(kind=ScopeKind.FILTER)


COMMAND_LINE = "cli"


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who acts, and from where (an address, or ``cli``)."""

    name: str
    origin: str

    @property
    def signed_in(self) -> bool:
        """Whether a password stands behind the name; on the command line none was asked for."""
        return self.origin != COMMAND_LINE


APPROVAL = "approval"
"""By what an operation over the set size is paused at its start."""

SOURCE_AWAY = "the queue system could not be reached"
"""Why a single retry failed whose entry was given back."""

RESERVED_NAMES = (APPROVAL, "canary", "guard")
"""What pauses an operation by itself; no user may be called so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A durable action on a frozen selection, with its counts.

    ``total`` is frozen at the start. ``requeued``, ``skipped``, ``errored`` and ``dismissed`` count
    settled items; ``released`` counts items claimed and given back by a cancel, ``taken_back``
    those of them that had been moved and were taken back by an undo. ``recovered``,
    ``failed_again`` and ``vanished`` count the outcomes of requeued items, ``failed_same`` those of
    ``failed_again`` whose failure is of the same group as before. ``filter`` is that of the plan
    ``plan_id``, as JSON. ``turn`` counts pauses and resumes; ``heard_before`` and ``failed_before``
    are the outcomes, and the failed ones among them, that were there when it was resumed last.
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
    filter: str | None = None
    controls: Controls = NO_CONTROLS
    canary: CanaryState | None = None
    canary_until: datetime | None = None
    canary_begun: bool = False
    turn: int = 0
    heard_before: int = 0
    failed_before: int = 0
    taken_back: int = 0

    @property
    def completed(self) -> int:
        return self.requeued + self.skipped + self.errored + self.dismissed

    @property
    def waiting(self) -> int:
        """How many were handed over and have no outcome yet."""
        return self.requeued - self.recovered - self.failed_again - self.vanished

    @property
    def awaits_approval(self) -> bool:
        """Whether another user has to approve it before anything of it is done."""
        return self.state is OperationState.PAUSED and self.paused_by == APPROVAL

    @property
    def why_paused(self) -> str:
        """The reason of a pause, without the name of what paused it, which is said beside it."""
        return (self.pause_reason or "").removeprefix(f"{self.paused_by}: ")

    @property
    def heard(self) -> int:
        """How many of the moved entries have an outcome."""
        return self.recovered + self.failed_again + self.vanished


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How fast an operation goes right now, as its runner knows it; in entries per second.

    ``effective_rate`` is what it may do, None for as fast as it goes; ``measured_rate`` what it
    handed over in the last seconds. ``limited_by`` is None unless it runs or is paused.
    """

    effective_rate: float | None
    measured_rate: float
    limited_by: Limit | None


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
    failed_same: int
    vanished: int
    taken_back: int = 0
    dismissed: int = 0

    @property
    def waiting(self) -> int:
        """How many were handed over and have no outcome."""
        return self.requeued - self.recovered - self.failed_again - self.vanished


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far an operation is. ``completed = succeeded + failed + skipped <= total``.

    ``rate`` is in entries per second, since the start. ``waiting`` were handed over and have no
    outcome yet.
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
    waiting: int = 0
    failed_same: int = 0
    finished_at: datetime | None = None
    undo_wanted: bool = False
    turn: int = 0
    wanted_rate: float | None = None
    canary: CanaryState | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    pace: Pace | None = None
    """None: only the operation's runner knows."""

    @property
    def eta_seconds(self) -> float | None:
        """How long it will still take at its present pace; None where that cannot be told.

        Told by who reads it, so that it is the same whoever wrote the progress last: without a pace
        from the average, in which a pause would count as time at work.
        """
        if self.state.terminal:
            return 0.0
        if self.state is not OperationState.RUNNING or self.limited_by is Limit.CANARY:
            return None
        speed: float | None = self.rate if self.turn == 0 else None
        if self.pace is not None:
            speed = self.pace.effective_rate or self.pace.measured_rate
        return round((self.total - self.completed) / speed, 1) if speed else None

    @property
    def effective_rate(self) -> float | None:
        return None if self.pace is None else self.pace.effective_rate

    @property
    def measured_rate(self) -> float | None:
        return None if self.pace is None else self.pace.measured_rate

    @property
    def limited_by(self) -> Limit | None:
        return None if self.pace is None else self.pace.limited_by


def progress_of(operation: Operation, now: datetime, pace: Pace | None = None) -> Progress:
    """The progress that an operation's row tells, with its rate as of ``now``."""
    completed = operation.completed
    rate = 0.0
    if operation.started_at is not None:
        end = operation.finished_at or now
        elapsed = max((end - operation.started_at).total_seconds(), 0.001)
        rate = completed / elapsed
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
        waiting=operation.waiting,
        failed_same=operation.failed_same,
        finished_at=operation.finished_at,
        undo_wanted=operation.undo_wanted,
        turn=operation.turn,
        wanted_rate=operation.controls.rate,
        canary=operation.canary,
        paused_by=operation.paused_by,
        pause_reason=operation.pause_reason,
        pace=_pace_of(operation) if operation.state is not OperationState.RUNNING else pace,
    )


def _pace_of(operation: Operation) -> Pace:
    """The pace of an operation of which nothing is handed over."""
    paused = operation.state is OperationState.PAUSED
    return Pace(effective_rate=None, measured_rate=0.0, limited_by=Limit.PAUSED if paused else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRequest:
    """What an operator asked for."""

    kind: OperationKind
    scope: Scope
    actor: Actor
    reason: str = ""
    idempotency_key: str | None = None
    controls: Controls = NO_CONTROLS
