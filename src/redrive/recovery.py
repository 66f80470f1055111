"""Acting: start, cancel, retry one. The only place where ledger and engine meet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from redrive.domain import (
    DATA_UNREADABLE,
    OPTIONS_UNREADABLE,
    Actor,
    Answer,
    Batch,
    ClaimedEntry,
    EntryState,
    JobId,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    RequeueBatch,
    RequeueItem,
    RequeueResult,
    ScopeKind,
    Settlement,
    StartRequest,
    progress_of,
)
from redrive.errors import (
    EngineUnavailable,
    HandOverPending,
    LedgerUnavailable,
    StaleRunner,
    StoreUnavailable,
    Unavailable,
)
from redrive.faultpoints import Step, reach
from redrive.ports import Clock, Engine, OperationLedger, OperationQueue, ProgressStore

log = structlog.get_logger()

_REPEATS = 3
_REPEAT_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class OneResult:
    """What became of one entry that was retried or resynced by hand."""

    operation: Operation
    job_id: JobId
    answer: Answer
    detail: str


class Recovery:
    """Every way to act on entries; pages, API and command line all come through here."""

    def __init__(
        self,
        *,
        ledger: OperationLedger,
        engines: Mapping[str, Engine],
        progress: ProgressStore,
        queue: OperationQueue,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._engines = engines
        self._progress = progress
        self._queue = queue
        self._clock = clock

    async def start(self, request: StartRequest) -> tuple[Operation, bool]:
        """Start a bulk operation and answer at once; runners carry it out.

        Returns the operation and whether this call started it (an idempotency key answers with
        the one it started). When Redrive's Redis is away the operation is kept and its hand-over
        to the runners is made up for by their sweep. Raises AppNotFound, NothingToDo,
        OperationOverlap, IdempotencyMismatch, LedgerUnavailable.
        """
        operation, new = await self._ledger.start_bulk(request)
        if new:
            reach(Step.START_COMMITTED)
            log.info(
                "operation_started",
                operation_id=operation.operation_id,
                kind=operation.kind,
                scope=str(operation.scope),
                total=operation.total,
                actor=operation.actor,
            )
            await self._tell(operation)
            await self.enqueue(operation.operation_id)
            reach(Step.START_ENQUEUED)
        return operation, new

    async def cancel(self, operation_id: OperationId, actor: Actor) -> Operation:
        """Ask an operation to stop: no claim starts after this; the batch in hand is finished or
        given back, and counted. Raises OperationNotFound, OperationFinished."""
        operation = await self._ledger.request_cancel(operation_id, actor)
        reach(Step.CANCEL_COMMITTED)
        log.info("operation_cancel_requested", operation_id=operation_id, actor=actor.name)
        await self._tell(operation)
        return operation

    async def act_on_one(self, request: StartRequest) -> OneResult:
        """Retry or resync one entry, claim to settle, before answering.

        Raises EntryNotFound, WrongState; EngineUnavailable if the queue system could not be
        reached, with the entry as it was; HandOverPending if it stopped answering after the
        request went out: the operation stays open and a runner settles it from the receipt, so
        that the job is not run twice because of us.
        """
        operation, batch = await self._ledger.start_single(request)
        reach(Step.SINGLE_CLAIMED)
        (entry,) = batch.entries
        try:
            await self._reach(entry.source)
        except EngineUnavailable:
            await self._give_back(operation, batch)
            raise
        settlements = await self._move_persistently(operation, batch)
        reach(Step.SINGLE_MOVED)
        try:
            await self._ledger.settle(operation, batch, settlements)
            reach(Step.SINGLE_SETTLED)
            finished = await self._ledger.finish(operation, OperationState.COMPLETED, None)
        except (LedgerUnavailable, StaleRunner) as error:
            await self.enqueue(operation.operation_id)
            raise HandOverPending(operation_id=operation.operation_id) from error
        reach(Step.SINGLE_FINISHED)
        await self._tell(finished)
        (settlement,) = settlements
        log.info(
            "entry_acted_on",
            operation_id=operation.operation_id,
            kind=operation.kind,
            entry_id=entry.entry_id,
            answer=settlement.answer,
        )
        return OneResult(
            operation=finished,
            job_id=entry.job_id,
            answer=settlement.answer,
            detail=settlement.detail,
        )

    async def _reach(self, source: str) -> None:
        """Reach the engine before anything is sent; asked twice, because a connection that was
        kept from before a restart of its server only shows when it is used."""
        try:
            await self._engine(source).check()
        except EngineUnavailable:
            await self._engine(source).check()

    async def _move_persistently(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """Move the batch; repeat while the engine may have done it and lost the reply."""
        for repeat in range(_REPEATS):
            try:
                return await self.move(operation, batch)
            except EngineUnavailable as error:
                if repeat == 0 and error.fields.get("sent") is False:
                    await self._give_back(operation, batch)
                    raise
                await asyncio.sleep(_REPEAT_SECONDS)
        await self.enqueue(operation.operation_id)
        raise HandOverPending(operation_id=operation.operation_id)

    async def _give_back(self, operation: Operation, batch: Batch) -> None:
        """The engine did nothing: the entry is as it was, with its error.

        Raises HandOverPending if the ledger is away now too: the operation stays open, and a
        runner moves the job when both are back.
        """
        try:
            await self._ledger.release(operation, batch, engine_away=True)
            reach(Step.RELEASED)
            finished = await self._ledger.finish(
                operation, OperationState.FAILED, "the queue system could not be reached"
            )
        except (LedgerUnavailable, StaleRunner) as error:
            raise HandOverPending(operation_id=operation.operation_id) from error
        await self._tell(finished)

    async def move(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """Hand a claimed batch to its queues. Safe to repeat: receipts answer the second time.

        Raises EngineUnavailable; what was moved until then is answered by its receipt later.
        Whatever else goes wrong with a part of the batch is the ERROR of its entries.
        """
        settlements = [
            self._error(entry, f"not handed over: {entry.defect}")
            for entry in batch.entries
            if _is_unreadable(operation, entry)
        ]
        for source, part, entries in _parts(operation, batch):
            engine = self._engines.get(source)
            if engine is None:
                settlements += self._unwatched(source, entries)
                continue
            reach(Step.MOVE_WANTED)
            try:
                results = await engine.requeue(part)
            except Unavailable:
                raise
            except Exception as error:
                log.exception("batch_not_moved", source=source, queue=part.queue)
                settlements += [self._error(entry, str(error)[:200]) for entry in entries]
                continue
            reach(Step.MOVED)
            for entry, result in zip(entries, results, strict=True):
                if result.answer is Answer.MISSING:
                    result = await self._rebuild(operation, part, entry, result)
                settlements.append(_settlement(entry, result))
        return settlements

    async def withhold(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """Take a claimed batch's receipts, so that it can never be moved any more.

        What was moved before is answered as moved, the rest as WITHHELD.
        """
        settlements = [
            self._settled(entry, Answer.WITHHELD)
            for entry in batch.entries
            if _is_unreadable(operation, entry)
        ]
        for source, part, entries in _parts(operation, batch):
            engine = self._engines.get(source)
            if engine is None:
                settlements += self._unwatched(source, entries)
                continue
            reach(Step.WITHHOLD_WANTED)
            try:
                results = await engine.withhold(part)
            except Unavailable:
                raise
            except Exception as error:
                log.exception("batch_not_withheld", source=source, queue=part.queue)
                settlements += [self._error(entry, str(error)[:200]) for entry in entries]
                continue
            reach(Step.WITHHELD)
            settlements += map(_settlement, entries, results)
        return settlements

    async def _rebuild(
        self,
        operation: Operation,
        part: RequeueBatch,
        entry: ClaimedEntry,
        missing: RequeueResult,
    ) -> RequeueResult:
        """Rebuild a forgotten job where forgetting was the plan, or where a person asked for it
        by hand; a bulk operation does not raise what somebody removed."""
        by_hand = operation.scope.kind is ScopeKind.ENTRY
        completed_and_dropped = (
            operation.kind is OperationKind.RESYNC and entry.from_state is EntryState.RECOVERED
        )
        if not (by_hand or entry.forgets or completed_and_dropped):
            return _with_detail(missing, "the job was removed from its queue")
        name, payload = await self._ledger.payload(entry.entry_pk)
        if payload is None:
            return _with_detail(missing, "the job is gone and its payload was not kept")
        reach(Step.REBUILD_WANTED)
        try:
            rebuilt = await self._engine(entry.source).rebuild(part, entry.job_id, name, payload)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("job_not_rebuilt", entry_id=entry.entry_id)
            return RequeueResult(
                job_id=entry.job_id, answer=Answer.ERROR, at=missing.at, detail=str(error)[:200]
            )
        reach(Step.REBUILT)
        return rebuilt

    async def enqueue(self, operation_id: OperationId) -> None:
        """Hand an open operation to the runners; if that fails their sweep makes up for it."""
        try:
            await self._queue.put(operation_id)
        except StoreUnavailable as error:
            log.warning("operation_not_enqueued", operation_id=operation_id, error=str(error))

    async def _tell(self, operation: Operation) -> None:
        try:
            await self._progress.write(progress_of(operation, self._clock.now()))
        except StoreUnavailable as error:
            log.warning(
                "progress_not_written", operation_id=operation.operation_id, error=str(error)
            )

    def _engine(self, source: str) -> Engine:
        try:
            return self._engines[source]
        except KeyError:
            raise EngineUnavailable(source=source, sent=False) from None

    def _unwatched(self, source: str, entries: list[ClaimedEntry]) -> list[Settlement]:
        reason = f"the source {source} is not watched any more"
        return [self._error(entry, reason) for entry in entries]

    def _error(self, entry: ClaimedEntry, detail: str) -> Settlement:
        return self._settled(entry, Answer.ERROR, detail)

    def _settled(self, entry: ClaimedEntry, answer: Answer, detail: str = "") -> Settlement:
        return Settlement(
            entry_pk=entry.entry_pk, answer=answer, at=self._clock.now(), detail=detail
        )


def _is_unreadable(operation: Operation, entry: ClaimedEntry) -> bool:
    """Whether no worker could read the job. Put back, it would harm the worker that takes it;
    who has mended its record can resync it by hand."""
    by_hand = operation.scope.kind is ScopeKind.ENTRY and operation.kind is OperationKind.RESYNC
    return entry.defect in (DATA_UNREADABLE, OPTIONS_UNREADABLE) and not by_hand


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
                    RequeueItem(
                        job_id=entry.job_id,
                        failed_at=entry.failed_at,
                        generation=entry.generation,
                    )
                    for entry in entries
                ),
                mark=retry,
                take_finished=not retry,
            ),
            entries,
        )
        for (source, queue), entries in grouped.items()
    ]


def _settlement(entry: ClaimedEntry, result: RequeueResult) -> Settlement:
    return Settlement(
        entry_pk=entry.entry_pk, answer=result.answer, at=result.at, detail=result.detail
    )


def _with_detail(result: RequeueResult, detail: str) -> RequeueResult:
    return RequeueResult(job_id=result.job_id, answer=result.answer, at=result.at, detail=detail)
