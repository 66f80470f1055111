"""What became of an operation's work, and until when that is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from redrive.domain.operations import Operation, Progress
from redrive.domain.states import OperationKind, OperationPhase, OperationState

OBSERVE_FOR = timedelta(minutes=60)

_OBSERVED_STATES = (OperationState.COMPLETED, OperationState.CANCELLED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of the ``moved`` entries of an operation, as of one moment.

    ``failed_same`` are those of ``failed_again`` that failed as before. It is final when nobody
    waits for the rest any more: all have an outcome, or ``observed_until`` is past. What comes
    later still counts.
    """

    phase: OperationPhase
    moved: int
    waiting: int
    recovered: int
    failed_again: int
    failed_same: int
    vanished: int
    observed_until: datetime | None

    @property
    def failed_differently(self) -> int:
        """Those that failed in another way, or in a way that cannot be compared."""
        return self.failed_again - self.failed_same

    @property
    def judged(self) -> int:
        """How many have an outcome."""
        return self.moved - self.waiting

    @property
    def recovery_rate(self) -> float | None:
        """The part of the judged that recovered, from 0 to 1; None while none is judged."""
        return round(self.recovered / self.judged, 4) if self.judged else None

    @property
    def is_final(self) -> bool:
        return self.phase in (
            OperationPhase.COMPLETED,
            OperationPhase.CANCELLED,
            OperationPhase.FAILED,
        )

    @property
    def all_recovered(self) -> bool:
        return self.recovered == self.moved


def phase_of(of: Operation | Progress, now: datetime, observe_for: timedelta) -> OperationPhase:
    """The state; observing, while an operation that is over still waits for outcomes."""
    waits = of.state in _OBSERVED_STATES and of.waiting > 0
    if waits and of.finished_at is not None and now < of.finished_at + observe_for:
        return OperationPhase.OBSERVING
    return OperationPhase(of.state.value)


def verdict_of(operation: Operation, now: datetime, observe_for: timedelta) -> Verdict:
    """The verdict as of ``now``, where outcomes are waited for ``observe_for`` after the end."""
    finished = operation.finished_at
    return Verdict(
        phase=phase_of(operation, now, observe_for),
        moved=operation.requeued,
        waiting=operation.waiting,
        recovered=operation.recovered,
        failed_again=operation.failed_again,
        failed_same=operation.failed_same,
        vanished=operation.vanished,
        observed_until=None if finished is None else finished + observe_for,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUp:
    """An operation that would deal with what failed again in another: all of it, or what has failed
    the same way ``same_failures_min`` times in a row. It is for ``at_most`` entries, or for just
    as many where they were counted."""

    kind: OperationKind
    at_most: int
    same_failures_min: int | None = None
    is_counted: bool = False


def follow_ups_of(operation: Operation) -> tuple[FollowUp, ...]:
    """What could be done next, once the operation has ended: retry what failed again, and dismiss
    the poison.

    Poison failed the same way while the rest recovered. Where fewer recovered than failed the same
    way, the cause is not gone, and nothing is poison. What failed before the last resume may have
    failed of what was mended then, and nothing tells it from the rest: of an operation that was
    resumed after an outcome, only what failed the same way twice in a row is taken for poison.
    """
    if not operation.state.terminal or not operation.failed_again:
        return ()
    retry = FollowUp(kind=OperationKind.RETRY, at_most=operation.failed_again)
    if not 0 < operation.failed_same <= operation.recovered:
        return (retry,)
    dismiss = FollowUp(
        kind=OperationKind.DISMISS,
        at_most=operation.failed_same,
        same_failures_min=2 if operation.heard_before else 1,
    )
    return (retry, dismiss)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomePoint:
    """How many outcomes an operation's entries had from ``at`` on, for one step."""

    at: datetime
    recovered: int
    failed_again: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """An operation with its verdict, how that came about, every step there, and what could be done
    next."""

    operation: Operation
    verdict: Verdict
    step: timedelta
    points: tuple[OutcomePoint, ...]
    follow_ups: tuple[FollowUp, ...] = ()

    @property
    def rates(self) -> tuple[float | None, ...]:
        """Of each point the part that recovered of all that ran until its end, from 0 to 1; None
        while nothing has."""
        recovered = accumulate(point.recovered for point in self.points)
        ran = accumulate(point.recovered + point.failed_again for point in self.points)
        return tuple(
            round(part / whole, 4) if whole else None
            for part, whole in zip(recovered, ran, strict=True)
        )
