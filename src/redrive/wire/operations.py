"""Operations: how they are started, how far they are, what became of their items."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict
from pydantic.config import JsonDict

from redrive import domain
from redrive.wire.base import Output, Shown

_PROGRESS_EXAMPLE: JsonDict = {
    "operation_id": "op_01jd9x2m7k",
    "state": "running",
    "total": 1200,
    "completed": 800,
    "succeeded": 790,
    "failed": 2,
    "skipped": 8,
    "released": 0,
    "recovered": 512,
    "failed_again": 3,
    "vanished": 0,
    "cancelled": False,
    "rate": 400.0,
    "eta_seconds": 1.0,
    "undo_wanted": False,
}


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


class BulkProgressResponse(Output):
    """How far an operation is. ``completed = succeeded + failed + skipped``, at most ``total``."""

    model_config = ConfigDict(json_schema_extra={"example": _PROGRESS_EXAMPLE})

    operation_id: str
    state: domain.OperationState
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
    vanished: int
    """Of the succeeded: the queue no longer knows the job and gave no verdict."""
    cancelled: bool
    rate: float
    """Entries per second."""
    eta_seconds: float | None
    """Null where it cannot be told."""
    undo_wanted: bool
    """Whether an undo was asked for: what was moved and no worker has started is taken back."""


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
    taken_back: int
    """Of the released: had been moved, and were taken back by an undo."""

    @staticmethod
    def of(operation: domain.Operation, now: datetime) -> Operation:
        """The operation as it stands, with its rate as of ``now``."""
        progress = BulkProgressResponse.model_validate(domain.progress_of(operation, now))
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
    failed_at: datetime
    settled_at: datetime | None
