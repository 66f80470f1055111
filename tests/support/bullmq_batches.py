"""Batches for tests of engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from redrive.domain import (
    Answer,
    Failure,
    JobId,
    OperationId,
    RequeueBatch,
    RequeueItem,
    RequeueResult,
    TakeBackBatch,
    TakeBackItem,
    TakeBackResult,
    TakenBack,
    from_millis,
)
from redrive.ports import Engine

AT = from_millis(1_700_000_000_000)


def item(job_id: str, failed_at: datetime = AT, generation: int = 1) -> RequeueItem:
    return RequeueItem(job_id=JobId(job_id), failed_at=failed_at, generation=generation)


def batch_of(
    queue: str,
    items: Iterable[RequeueItem | Failure],
    *,
    operation: str = "op_1",
    number: int = 1,
    mark: bool = True,
    take_finished: bool = False,
    low_priority: bool = False,
) -> RequeueBatch:
    return RequeueBatch(
        queue=queue,
        operation_id=OperationId(operation),
        number=number,
        items=tuple(
            given if isinstance(given, RequeueItem) else item(given.job_id, given.failed_at)
            for given in items
        ),
        mark=mark,
        take_finished=take_finished,
        low_priority=low_priority,
    )


def undo_of(batch: RequeueBatch, *, number: int = 1000, remove: bool = False) -> TakeBackBatch:
    """All jobs of a moved batch, to be taken back."""
    return TakeBackBatch(
        queue=batch.queue,
        operation_id=batch.operation_id,
        number=number,
        moved_as=batch.number,
        items=tuple(
            TakeBackItem(job_id=item.job_id, generation=item.generation, remove=remove)
            for item in batch.items
        ),
        mark=batch.mark,
    )


def answers(results: Sequence[RequeueResult]) -> dict[str, Answer]:
    return {result.job_id: result.answer for result in results}


def taken(results: Sequence[TakeBackResult]) -> dict[str, TakenBack]:
    return {result.job_id: result.answer for result in results}


async def all_failures(engine: Engine, queue: str, page: int = 100) -> list[Failure]:
    """Every failure that the engine holds, page by page, in its order."""
    found: list[Failure] = []
    cursor = ""
    while True:
        failures, cursor = await engine.failures(queue, cursor, page)
        if not failures:
            return found
        found += failures


async def failure_of(engine: Engine, queue: str, job_id: str) -> Failure:
    [failure] = await engine.failures_of(queue, [JobId(job_id)])
    return failure


async def walk(engine: Engine, queue: str, page: int) -> list[str]:
    """The ids that a walk over all failed jobs meets."""
    met: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        statuses, cursor = await engine.failed_ids(queue, cursor, page)
        met += [status.job_id for status in statuses]
    return met
