"""Operations: how they are started, how far they are, what became of their items."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from pydantic import ConfigDict
from pydantic.config import JsonDict

from redrive import domain
from redrive.wire.base import Output, Shown
from redrive.wire.verdicts import VERDICT_EXAMPLE, Verdict

_PROGRESS_EXAMPLE: JsonDict = {
    "operation_id": "op_01jd9x2m7k",
    "state": "running",
    "phase": "running",
    "total": 1200,
    "completed": 800,
    "succeeded": 790,
    "failed": 2,
    "skipped": 8,
    "released": 0,
    "recovered": 512,
    "failed_again": 3,
    "failed_same": 2,
    "vanished": 0,
    "waiting": 275,
    "cancelled": False,
    "rate": 400.0,
    "eta_seconds": 0.8,
    "undo_wanted": False,
    "wanted_rate": 500.0,
    "effective_rate": 500.0,
    "measured_rate": 498.2,
    "limited_by": "rate",
    "canary": "passed",
    "paused_by": None,
    "pause_reason": None,
}


def shown_filter(kept: str) -> dict[str, object]:
    """A filter that the ledger keeps, with its fields named as in a request."""
    said: dict[str, object] = json.loads(kept)
    return {"q" if name == "query" else name: value for name, value in said.items()}


class RetryResponse(Output):
    """What became of a retry of one entry: its job is in the queue again."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "Job 17 is back in its queue.",
                "job_id": "17",
                "operation_id": "op_01jd9x2m7k",
                "result": "requeued",
            }
        }
    )

    message: Shown
    job_id: Shown
    operation_id: str
    result: domain.Answer


class ResyncResponse(RetryResponse):
    """What became of a resync of one entry: its job is in the queue again, from scratch."""


class BulkRetryResponse(Output):
    """A bulk operation was started, or had been started before with the same key."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "Retrying 1200 failed entries of app acme.",
                "operation_id": "op_01jd9x2m7k",
                "total": 1200,
                "new": True,
            }
        }
    )

    message: Shown
    operation_id: str
    total: int
    """How many entries were selected; failures from now on are not among them."""
    new: bool = True
    """False: this idempotency key had started it before."""


class CancelResponse(Output):
    """A cancel was taken in."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "The operation is being cancelled: no further entry is taken.",
                "operation_id": "op_01jd9x2m7k",
                "state": "cancelling",
            }
        }
    )

    message: str
    operation_id: str
    state: domain.OperationState


class SteerResponse(Output):
    """A pause, a resume or a change of limits was taken in."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "The operation is paused.",
                "operation_id": "op_01jd9x2m7k",
                "state": "paused",
            }
        }
    )

    message: Shown
    operation_id: str
    state: domain.OperationState


class CanaryControl(Output):
    """As :class:`redrive.wire.Canary`, which is set."""

    entries: int
    percent: float
    seconds: float


class GuardControl(Output):
    """As :class:`redrive.wire.Guard`, which is set."""

    percent: float
    outcomes: int


class Controls(Output):
    """The limits of an operation; null is no limit."""

    rate: float | None = None
    floor: float | None = None
    canary: CanaryControl | None = None
    guard: GuardControl | None = None
    low_priority: bool = False


class BulkProgressResponse(Output):
    """How far an operation is. ``completed = succeeded + failed + skipped``, at most ``total``."""

    model_config = ConfigDict(json_schema_extra={"example": _PROGRESS_EXAMPLE})

    operation_id: str
    state: domain.OperationState
    phase: domain.OperationPhase
    """The state; ``observing`` while it has ended and waits for what becomes of its work."""
    total: int
    completed: int
    succeeded: int
    """Handed back to their queue."""
    failed: int
    """Could not be handed back."""
    skipped: int
    """Left alone, each for a recorded reason: already queued, completed meanwhile, …"""
    released: int
    """Taken, then given back by a cancel before the hand-over or by an undo after it."""
    recovered: int
    """Of the succeeded: ran and completed."""
    failed_again: int
    """Of the succeeded: ran and failed again."""
    failed_same: int
    """Of those that failed again: the same way as before."""
    vanished: int
    """Of the succeeded: the queue no longer knows the job and gave no verdict."""
    waiting: int
    """Of the succeeded: without an outcome yet."""
    cancelled: bool
    rate: float
    """Entries per second."""
    eta_seconds: float | None
    """At the present pace; null where it cannot be told, as unless it runs."""
    wanted_rate: float | None = None
    """Entries per second that were asked for; null: as fast as it goes."""
    effective_rate: float | None = None
    """What it may hand over per second right now; null: as fast as it goes, not known, or nothing,
    as it does not run."""
    measured_rate: float | None = None
    """What it handed over per second in the last five; null where only its runner knows."""
    limited_by: domain.Limit | None = None
    """What keeps it from going faster; ``none``: the queues and the ledger. Null unless it runs
    or is paused."""
    canary: domain.CanaryState | None = None
    paused_by: Shown | None = None
    """A user's name, or ``canary``, ``guard`` or ``approval``."""
    pause_reason: Shown | None = None
    undo_wanted: bool
    """Whether an undo was asked for: what was moved and no worker has started is taken back."""

    @staticmethod
    def at(
        progress: domain.Progress, now: datetime, observe_for: timedelta
    ) -> BulkProgressResponse:
        """The progress with the phase as of ``now``, where outcomes are waited for
        ``observe_for`` after the end."""
        told = {
            name: getattr(progress, name)
            for name in BulkProgressResponse.model_fields
            if name != "phase"
        }
        return BulkProgressResponse(phase=domain.phase_of(progress, now, observe_for), **told)


class Operation(BulkProgressResponse):
    """A durable action on a frozen selection, with every field of its progress."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_PROGRESS_EXAMPLE,
                "kind": "retry",
                "scope": "app",
                "app_id": "acme",
                "entry_id": None,
                "actor": "admin",
                "origin": "127.0.0.1",
                "reason": "the mail provider is back",
                "created_at": "2026-01-05T10:00:00Z",
                "started_at": "2026-01-05T10:00:00Z",
                "finished_at": None,
                "cancelled_by": None,
                "error": None,
                "verdict": VERDICT_EXAMPLE,
                "dismissed": 0,
                "plan_id": None,
                "filter": None,
                "controls": {
                    "rate": 500.0,
                    "floor": None,
                    "canary": {"entries": 20, "percent": 80.0, "seconds": 300.0},
                    "guard": {"percent": 50.0, "outcomes": 100},
                    "low_priority": False,
                },
                "pause_wanted": False,
                "approved_by": None,
                "taken_back": 0,
            }
        }
    )

    kind: domain.OperationKind
    scope: domain.ScopeKind
    app_id: Shown | None
    entry_id: str | None
    actor: str
    origin: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_by: str | None
    error: Shown | None
    verdict: Verdict
    """What became of what it moved."""
    dismissed: int = 0
    """Of the succeeded: dismissed."""
    plan_id: str | None = None
    """The plan whose selection it works off."""
    filter: dict[str, object] | None = None
    """What the plan was asked for."""
    controls: Controls = Controls()
    pause_wanted: bool = False
    """Asked to pause: what is in hand is finished first."""
    approved_by: str | None = None
    """Who approved it, where it needed approval."""
    taken_back: int
    """Of the released: had been moved, and were taken back by an undo."""

    @staticmethod
    def of(
        operation: domain.Operation,
        now: datetime,
        observe_for: timedelta,
        pace: domain.Pace | None = None,
    ) -> Operation:
        """The operation as it stands, with its rate and verdict as of ``now``, where outcomes are
        waited for ``observe_for`` after its end; ``pace`` is what its runner says."""
        told = domain.progress_of(operation, now, pace)
        progress = BulkProgressResponse.at(told, now, observe_for)
        verdict = domain.verdict_of(operation, now, observe_for)
        return Operation(
            **progress.model_dump(),
            kind=operation.kind,
            scope=operation.scope.kind,
            app_id=operation.scope.app_id,
            entry_id=operation.scope.entry_id,
            actor=operation.actor,
            origin=operation.origin,
            reason=operation.reason,
            created_at=operation.created_at,
            started_at=operation.started_at,
            finished_at=operation.finished_at,
            cancelled_by=operation.cancelled_by,
            error=operation.error,
            verdict=Verdict.model_validate(verdict),
            dismissed=operation.dismissed,
            plan_id=operation.plan_id,
            filter=None if operation.filter is None else shown_filter(operation.filter),
            controls=Controls.model_validate(operation.controls),
            pause_wanted=operation.pause_wanted,
            approved_by=operation.approved_by,
            taken_back=operation.taken_back,
        )


class Item(Output):
    """One entry inside one operation, with what became of it."""

    operation_id: str
    entry_id: str
    app_id: Shown
    job_id: Shown
    queue: Shown
    batch_number: int
    state: domain.ItemState
    reason: domain.Reason | None
    """Why it ended as it did; null while it is claimed."""
    detail: Shown
    outcome: domain.Outcome | None
    """What became of a requeued one."""
    same_way: bool | None = None
    """Whether one that failed again did so as before; null where that is not known."""
    failed_at: datetime
    """When the failure happened that was selected."""
    settled_at: datetime | None


class Chapter(Item):
    """What one operation was to an entry: who started it, when and why, and what became of it."""

    kind: domain.OperationKind
    actor: str
    why: Shown
    """The reason that was given for the operation."""
    started_at: datetime

    @staticmethod
    def of(chapter: domain.Chapter) -> Chapter:
        return Chapter(
            **Item.model_validate(chapter.item).model_dump(),
            kind=chapter.kind,
            actor=chapter.actor,
            why=chapter.why,
            started_at=chapter.started_at,
        )
