"""Handing a claimed batch over to its queues: the steps of acting that may be repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from redrive.domain import (
    DATA_UNREADABLE,
    OPTIONS_UNREADABLE,
    Answer,
    Batch,
    ClaimedEntry,
    MovedEntry,
    Operation,
    OperationKind,
    RequeueBatch,
    RequeueItem,
    RequeueResult,
    ScopeKind,
    Settlement,
    TakeBackBatch,
    TakeBackItem,
    TakeBackResult,
    TakenBack,
    UndoBatch,
)
from redrive.errors import EngineUnavailable, Unavailable
from redrive.faultpoints import Step, reach
from redrive.ports import Clock, Engine, OperationLedger
from redrive.rebuilding import Answered, Rebuilding

log = structlog.get_logger()

Ask = Callable[[Engine, RequeueBatch], Awaitable[list[RequeueResult]]]

_DETAIL_AT_MOST = 200


class HandOver:
    """What a batch's engines are asked, and what their answers mean for its items."""

    def __init__(
        self, *, ledger: OperationLedger, engines: Mapping[str, Engine], clock: Clock
    ) -> None:
        self._engines = engines
        self._rebuilding = Rebuilding(ledger=ledger, engines=engines)
        self._clock = clock

    def engine(self, source: str) -> Engine:
        """The engine of a source; raises EngineUnavailable for one that is not watched."""
        try:
            return self._engines[source]
        except KeyError:
            raise EngineUnavailable(source=source, sent=False) from None

    async def move(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """Hand a claimed batch to its queues. Safe to repeat: receipts answer the second time.

        Raises EngineUnavailable; what was moved until then is answered by its receipt later.
        Whatever else goes wrong with a part of the batch is the ERROR of its entries. To dismiss
        entries no queue is asked.
        """
        if operation.kind is OperationKind.DISMISS:
            return [self._settled(entry, Answer.DISMISSED) for entry in batch.entries]
        settlements = [
            self._settled(entry, Answer.ERROR, f"not handed over: {entry.defect}")
            for entry in batch.entries
            if _is_unreadable(operation, entry)
        ]
        for source, part, answered in await self._answers(operation, batch, _requeue):
            missing = [pair for pair in answered if pair[1].answer is Answer.MISSING]
            rebuilt = await self._rebuilding.rebuild(operation, source, part, missing)
            known = [pair for pair in answered if pair[1].answer is not Answer.MISSING]
            settlements += [_settlement(entry, result) for entry, result in [*known, *rebuilt]]
        return settlements

    async def withhold(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """Take a claimed batch's receipts, so that it can never be moved any more.

        What was moved before is answered as moved, the rest as WITHHELD.
        """
        if operation.kind is OperationKind.DISMISS:
            return [self._settled(entry, Answer.WITHHELD) for entry in batch.entries]
        settlements = [
            self._settled(entry, Answer.WITHHELD)
            for entry in batch.entries
            if _is_unreadable(operation, entry)
        ]
        for _, _, answered in await self._answers(operation, batch, _withhold):
            settlements += [_settlement(entry, result) for entry, result in answered]
        return settlements

    async def take_back(self, operation: Operation, batch: UndoBatch) -> dict[int, TakeBackResult]:
        """Take back what of a moved batch nobody has started; the results by entry.

        Safe to repeat, and raises EngineUnavailable, as :meth:`move`.
        """
        results: dict[int, TakeBackResult] = {}
        for source, part, entries in _undo_parts(operation, batch):
            reach(Step.UNDO_WANTED)
            answered = await self._ask_back(source, part)
            for moved, result in zip(entries, answered, strict=True):
                results[moved.claimed.entry_pk] = result
        return results

    async def _ask_back(self, source: str, part: TakeBackBatch) -> list[TakeBackResult]:
        engine = self._engines.get(source)
        detail = f"the source {source} is not watched any more"
        if engine is not None:
            try:
                return await engine.take_back(part)
            except Unavailable:
                raise
            except Exception as error:
                log.exception("batch_not_taken_back", source=source, queue=part.queue)
                detail = str(error)[:_DETAIL_AT_MOST]
        now = self._clock.now()
        return [
            TakeBackResult(job_id=item.job_id, answer=TakenBack.ERROR, at=now, detail=detail)
            for item in part.items
        ]

    async def _answers(
        self, operation: Operation, batch: Batch, ask: Ask
    ) -> list[tuple[str, RequeueBatch, list[Answered]]]:
        """What became of the batch, by source and queue."""
        answers = []
        for source, part, entries in _parts(operation, batch):
            results = await self._ask(source, part, ask)
            answers.append((source, part, list(zip(entries, results, strict=True))))
        return answers

    async def _ask(self, source: str, part: RequeueBatch, ask: Ask) -> list[RequeueResult]:
        engine = self._engines.get(source)
        if engine is None:
            return self._errors(part, f"the source {source} is not watched any more")
        try:
            return await ask(engine, part)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("batch_not_answered", source=source, queue=part.queue)
            return self._errors(part, str(error)[:_DETAIL_AT_MOST])

    def _errors(self, part: RequeueBatch, detail: str) -> list[RequeueResult]:
        now = self._clock.now()
        return [
            RequeueResult(job_id=item.job_id, answer=Answer.ERROR, at=now, detail=detail)
            for item in part.items
        ]

    def _settled(self, entry: ClaimedEntry, answer: Answer, detail: str = "") -> Settlement:
        return Settlement(
            entry_pk=entry.entry_pk, answer=answer, at=self._clock.now(), detail=detail
        )


async def _requeue(engine: Engine, part: RequeueBatch) -> list[RequeueResult]:
    reach(Step.MOVE_WANTED)
    results = await engine.requeue(part)
    reach(Step.MOVED)
    return results


async def _withhold(engine: Engine, part: RequeueBatch) -> list[RequeueResult]:
    reach(Step.WITHHOLD_WANTED)
    results = await engine.withhold(part)
    reach(Step.WITHHELD)
    return results


def _is_unreadable(operation: Operation, entry: ClaimedEntry) -> bool:
    """Whether no worker could read the job. Put back, it would harm the worker that takes it;
    who has mended its record can resync it by hand."""
    if entry.defect not in (DATA_UNREADABLE, OPTIONS_UNREADABLE):
        return False
    return operation.scope.kind is not ScopeKind.ENTRY or operation.kind is not OperationKind.RESYNC


def _parts(
    operation: Operation, batch: Batch
) -> list[tuple[str, RequeueBatch, list[ClaimedEntry]]]:
    """A batch by source and queue, each part in hand-over order; the same whenever it is asked."""
    retry = operation.kind is OperationKind.RETRY
    grouped: dict[tuple[str, str], list[ClaimedEntry]] = {}
    for entry in batch.entries:
        if not _is_unreadable(operation, entry):
            grouped.setdefault((entry.source, entry.queue), []).append(entry)
    return [
        (
            source,
            RequeueBatch(
                queue=queue,
                operation_id=operation.operation_id,
                number=batch.number,
                items=tuple(
                    [RequeueItem(one.job_id, one.failed_at, one.generation) for one in entries]
                ),
                mark=retry,
                take_finished=not retry,
                low_priority=operation.controls.low_priority,
            ),
            entries,
        )
        for (source, queue), entries in grouped.items()
    ]


def _undo_parts(
    operation: Operation, batch: UndoBatch
) -> list[tuple[str, TakeBackBatch, list[MovedEntry]]]:
    """An undo's batch by source and queue; the same whenever it is asked."""
    grouped: dict[tuple[str, str], list[MovedEntry]] = {}
    for moved in batch.entries:
        grouped.setdefault((moved.claimed.source, moved.claimed.queue), []).append(moved)
    return [
        (
            source,
            TakeBackBatch(
                queue=queue,
                operation_id=batch.operation_id,
                number=batch.number,
                moved_as=batch.moved_as,
                items=tuple(
                    TakeBackItem(
                        job_id=moved.claimed.job_id,
                        generation=moved.claimed.generation,
                        remove=moved.removable,
                    )
                    for moved in members
                ),
                mark=operation.kind is OperationKind.RETRY,
            ),
            members,
        )
        for (source, queue), members in grouped.items()
    ]


def _settlement(entry: ClaimedEntry, result: RequeueResult) -> Settlement:
    return Settlement(
        entry_pk=entry.entry_pk, answer=result.answer, at=result.at, detail=result.detail
    )
