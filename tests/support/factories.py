"""Values for tests of the ledger, with defaults for whatever a test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from redrive.domain import (
    Actor,
    AppId,
    EntryId,
    Failure,
    JobId,
    JobOutcome,
    OperationId,
    OperationState,
    OutcomeKind,
    Payload,
    Progress,
    entry_id_of,
)

SOURCE, QUEUE = "default", "mail"
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADA, BOB = Actor(name="ada", origin="10.0.0.1"), Actor(name="bob", origin="cli")


def later(seconds: float) -> datetime:
    """``seconds`` after (or, negative, before) the time at which a ledger's test begins."""
    return AT + timedelta(seconds=seconds)


def failure(job_id: str, app: str = "acme", at: float = 0, **values: Any) -> Failure:
    """A failure of the job, ``at`` seconds after the test's beginning."""
    given: dict[str, Any] = {
        "source": SOURCE,
        "queue": QUEUE,
        "job_name": "deliver",
        "error_type": "TimeoutError",
        "error_message": f"the provider did not answer for {job_id}",
        "stacktrace": f"TimeoutError: {job_id}\n    at deliver",
        "attempts_made": 3,
        "payload": Payload(data=b'{"n":1}', options=b"{}"),
        "data_size": 7,
    }
    return Failure(
        **given | {"job_id": JobId(job_id), "app_id": AppId(app), "failed_at": later(at)} | values
    )


def dropped(job_id: str, app: str = "acme", at: float = 0, **values: Any) -> Failure:
    """A failure that was only announced: its queue dropped the job at once."""
    return failure(
        job_id, app, at, payload=None, stacktrace="", event_only=True, forgets=True, **values
    )


def active(job_id: str, at: float) -> JobOutcome:
    return JobOutcome(job_id=JobId(job_id), kind=OutcomeKind.ACTIVE, at=later(at))


def completed(job_id: str, at: float) -> JobOutcome:
    return JobOutcome(job_id=JobId(job_id), kind=OutcomeKind.COMPLETED, at=later(at))


def failed_event(job_id: str, at: float) -> JobOutcome:
    return JobOutcome(
        job_id=JobId(job_id), kind=OutcomeKind.FAILED, at=later(at), error_message="again"
    )


def id_of(job_id: str, queue: str = QUEUE) -> EntryId:
    return entry_id_of(SOURCE, queue, job_id)


def progress(
    operation_id: str = "op_1", state: OperationState = OperationState.RUNNING, **values: Any
) -> Progress:
    """A progress whose ``completed`` is the sum of its parts."""
    counts = {"succeeded": 0, "failed": 0, "skipped": 0}
    counts |= {name: values.pop(name) for name in list(values) if name in counts}
    given: dict[str, Any] = {
        "total": 100,
        "released": 0,
        "recovered": 0,
        "failed_again": 0,
        "vanished": 0,
        "cancelled": state is OperationState.CANCELLED,
        "rate": 12.5,
    }
    return Progress(
        **given
        | {"operation_id": OperationId(operation_id), "state": state}
        | {"completed": sum(counts.values())}
        | counts
        | values
    )
