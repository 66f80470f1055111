"""Acting: start, cancel, retry one.

With :mod:`redrive.handover` the only place where ledger and engine meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from redrive.domain import (
    SOURCE_AWAY,
    Actor,
    Answer,
    Batch,
    JobId,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Settlement,
    StartRequest,
    TakeBackResult,
    UndoBatch,
    progress_of,
)
from redrive.errors import (
    EngineUnavailable,
    HandOverPending,
    LedgerUnavailable,
    StaleRunner,
    StoreUnavailable,
)
from redrive.faultpoints import Step, reach
from redrive.handover import HandOver
from redrive.ports import Clock, Engine, OperationLedger, OperationQueue, ProgressStore

log = structlog.get_logger()

_REPEATS = 3
_REPEAT_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class OneResult:
    """What became of one entry that was retried, resynced or dismissed by hand."""

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
        self._hand_over = HandOver(ledger=ledger, engines=engines, clock=clock)
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
            await self.announce(operation)
        return operation, new

    async def announce(self, operation: Operation) -> None:
        """Tell of an operation that has just been started, and hand it to the runners unless it
        waits for approval."""
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
        if operation.state is not OperationState.PAUSED:
            await self.enqueue(operation.operation_id)
            reach(Step.START_ENQUEUED)

    async def cancel(
        self, operation_id: OperationId, actor: Actor, *, undo: bool = False
    ) -> Operation:
        """Ask an operation to stop: no claim starts after this; the batch in hand is finished or
        given back, and counted.

        With ``undo`` its runner then takes back what was moved and has not started; that can be
        asked for as long as something that was moved is waiting, also after the operation's end.
        Raises OperationNotFound, OperationFinished, NothingToTakeBack.
        """
        operation = await self._ledger.request_cancel(operation_id, actor, undo=undo)
        reach(Step.CANCEL_COMMITTED)
        log.info(
            "operation_cancel_requested", operation_id=operation_id, actor=actor.name, undo=undo
        )
        await self._tell(operation)
        if undo and not operation.state.terminal:
            await self.enqueue(operation_id, operation.turn)
            reach(Step.CANCEL_ENQUEUED)
        return operation

    async def pause(self, operation_id: OperationId, actor: Actor, reason: str = "") -> Operation:
        """Let an operation rest: no claim starts after this; what is in hand is finished first.

        Raises OperationNotFound, OperationFinished, CannotPause."""
        operation = await self._ledger.request_pause(operation_id, actor, reason)
        reach(Step.PAUSE_COMMITTED)
        log.info("operation_pause_requested", operation_id=operation_id, actor=actor.name)
        await self._tell(operation)
        return operation

    async def resume(self, operation_id: OperationId, actor: Actor) -> Operation:
        """Let a paused operation go on; approves one that waits for approval.

        Raises OperationNotFound, OperationFinished, NotPaused, ApprovalNeeded."""
        operation = await self._ledger.resume(operation_id, actor)
        approved = operation.turn == 1 and operation.approved_by is not None
        reach(Step.APPROVAL_COMMITTED if approved else Step.RESUME_COMMITTED)
        log.info("operation_resumed", operation_id=operation_id, actor=actor.name)
        await self._tell(operation)
        if operation.state is OperationState.QUEUED:
            await self.enqueue(operation_id, operation.turn)
            reach(Step.RESUME_ENQUEUED)
        return operation

    async def change_controls(
        self, operation_id: OperationId, actor: Actor, changes: Mapping[str, Any]
    ) -> Operation:
        """Change the limits of an open operation, from its next batch on; None takes one away.

        Raises OperationNotFound, OperationFinished, WaitsForApproval, BadControls."""
        operation = await self._ledger.change_controls(operation_id, actor, changes)
        reach(Step.CONTROLS_COMMITTED)
        log.info(
            "operation_controls_changed",
            operation_id=operation_id,
            controls=str(operation.controls),
            actor=actor.name,
        )
        await self._tell(operation)
        return operation

    async def act_on_one(self, request: StartRequest) -> OneResult:
        """Retry, resync or dismiss one entry, claim to settle, before answering.

        Raises EntryNotFound, WrongState; EngineUnavailable if the queue system could not be
        reached, with the entry as it was (to dismiss one, it is not needed); HandOverPending if it
        or the ledger stopped answering after the request went out: the operation stays open and a
        runner settles it from the receipt, so that the job is not run twice because of us.
        """
        operation, batch = await self._ledger.start_single(request)
        reach(Step.SINGLE_CLAIMED)
        (entry,) = batch.entries
        if operation.kind is not OperationKind.DISMISS:
            await self._reach_or_give_back(operation, batch, entry.source)
        settlements = await self._move_persistently(operation, batch)
        reach(Step.SINGLE_MOVED)
        try:
            await self._ledger.settle(operation, batch, settlements)
            reach(Step.SINGLE_SETTLED)
            finished = await self._ledger.finish(operation, OperationState.COMPLETED, None)
        except (LedgerUnavailable, StaleRunner) as error:
            raise await self._left_to_the_runners(operation, "The ledger") from error
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

    async def _reach_or_give_back(self, operation: Operation, batch: Batch, source: str) -> None:
        try:
            await self._reach(source)
        except EngineUnavailable:
            await self._give_back(operation, batch)
            raise

    async def _reach(self, source: str) -> None:
        """Reach the engine before anything is sent; asked twice, because a connection that was
        kept from before a restart of its server only shows when it is used."""
        try:
            await self._hand_over.engine(source).check()
        except EngineUnavailable:
            await self._hand_over.engine(source).check()

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
        raise await self._left_to_the_runners(operation, "The queue system")

    async def _left_to_the_runners(self, operation: Operation, away: str) -> HandOverPending:
        """A single act that could not be finished is theirs from now on."""
        await self.enqueue(operation.operation_id)
        reach(Step.SINGLE_ENQUEUED)
        return _pending(operation, away)

    async def _give_back(self, operation: Operation, batch: Batch) -> None:
        """The engine did nothing: the entry is as it was, with its error.

        Raises HandOverPending if the ledger is away now too: the operation stays open, and a
        runner moves the job when both are back.
        """
        try:
            await self._ledger.release(operation, batch, engine_away=True)
            reach(Step.RELEASED)
            finished = await self._ledger.finish(operation, OperationState.FAILED, SOURCE_AWAY)
        except (LedgerUnavailable, StaleRunner) as error:
            raise _pending(operation, "The ledger") from error
        await self._tell(finished)

    async def move(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """See :meth:`redrive.handover.HandOver.move`."""
        return await self._hand_over.move(operation, batch)

    async def withhold(self, operation: Operation, batch: Batch) -> list[Settlement]:
        """See :meth:`redrive.handover.HandOver.withhold`."""
        return await self._hand_over.withhold(operation, batch)

    async def take_back(self, operation: Operation, batch: UndoBatch) -> dict[int, TakeBackResult]:
        """See :meth:`redrive.handover.HandOver.take_back`."""
        return await self._hand_over.take_back(operation, batch)

    async def enqueue(self, operation_id: OperationId, turn: int = 0) -> None:
        """Hand an open operation to the runners; if that fails their sweep makes up for it."""
        try:
            await self._queue.put(operation_id, turn)
        except StoreUnavailable as error:
            log.warning("operation_not_enqueued", operation_id=operation_id, error=str(error))

    async def _tell(self, operation: Operation) -> None:
        try:
            await self._progress.write(progress_of(operation, self._clock.now()))
        except StoreUnavailable as error:
            log.warning(
                "progress_not_written", operation_id=operation.operation_id, error=str(error)
            )


def _pending(operation: Operation, away: str) -> HandOverPending:
    return HandOverPending(operation_id=operation.operation_id, away=away)
