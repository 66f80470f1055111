"""The runner: carries out operations, batch by batch, as a pipeline of three stages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from typing import TypeVar

import structlog

from redrive.domain import (
    SOURCE_AWAY,
    Batch,
    Operation,
    OperationId,
    OperationState,
    ScopeKind,
    Settlement,
    progress_of,
)
from redrive.errors import StaleRunner, StoreUnavailable, Unavailable
from redrive.faultpoints import Step, reach
from redrive.pacing import Course, Halt, RealTime, Time
from redrive.ports import Clock, OperationLedger, ProgressStore
from redrive.recovery import Recovery
from redrive.undoing import Undoing

log = structlog.get_logger()

T = TypeVar("T")
Moved = tuple[Batch, list[Settlement]]

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 2.0
_IN_HAND = 1


class _End(Enum):
    """Why nothing more is claimed."""

    DONE = auto()
    STOPPED = auto()
    UNHEARD = auto()
    PAUSED = auto()


class _StoppingError(Exception):
    """This runner was asked to stop; the operation goes on elsewhere."""


class Runner:
    """Runs one operation at a time per call; any number of calls and of processes at once.

    Killed anywhere, the operation is taken over: what was claimed and not settled is finished
    first, from its receipts. While a store or a queue system is away the runner waits.
    """

    def __init__(
        self,
        *,
        ledger: OperationLedger,
        recovery: Recovery,
        undoing: Undoing,
        progress: ProgressStore,
        clock: Clock,
        batch_size: int,
        stop: asyncio.Event | None = None,
        time: Time | None = None,
    ) -> None:
        self._ledger = ledger
        self._recovery = recovery
        self._undoing = undoing
        self._progress = progress
        self._clock = clock
        self._batch_size = batch_size
        self._stop = stop or asyncio.Event()
        self._time = time or RealTime(self._stop)

    async def run(self, operation_id: OperationId) -> bool:
        """Carry the operation out; returns False if this runner was stopped before its end.

        True also when there was nothing to do: the operation is over, paused or unknown, or
        another runner has taken it over meanwhile; and when the operation was paused.
        """
        over = True
        with structlog.contextvars.bound_contextvars(operation_id=operation_id):
            try:
                operation = await self._persist(lambda: self._ledger.take_over(operation_id))
                if operation is not None:
                    reach(Step.TAKEN_OVER)
                    log.info("operation_taken", epoch=operation.runner_epoch)
                    over = await self._carry_out(operation)
            except* StaleRunner:
                log.info("operation_taken_over_elsewhere")
            except* _StoppingError:
                over = False
        return over

    async def _carry_out(self, operation: Operation) -> bool:
        course = Course(
            operation,
            ledger=self._ledger,
            clock=self._clock,
            time=self._time,
            batch_size=self._batch_size,
        )
        await self._tell(course)
        await self._finish_unsettled(operation, course)
        if operation.scope.kind is not ScopeKind.ENTRY and not operation.undo_wanted:
            end = await self._work_off(operation, course)
            if end is not _End.DONE:
                return end is _End.PAUSED
        finished = None
        while finished is None or not finished.state.terminal:
            # Also what a claim left of which this runner was told that it had not been written.
            await self._finish_unsettled(operation, course)
            current = await self._current(operation)
            if current.undo_wanted and not await self._undo(operation, course):
                return False
            finished = await self._finish(operation, current)
        log.info(
            "operation_finished",
            state=finished.state,
            total=finished.total,
            requeued=finished.requeued,
            skipped=finished.skipped,
            errored=finished.errored,
            released=finished.released,
        )
        course.see(finished)
        await self._tell(course)
        return True

    async def _work_off(self, operation: Operation, course: Course) -> _End:
        """Work the selection off; returns DONE, STOPPED or PAUSED."""
        while True:
            # Before the pipeline: what it settles may tell of a resume already, while its last
            # claim has met the pause.
            turn = course.operation.turn
            end = await self._pipeline(operation, course)
            if end is _End.STOPPED:
                return end
            if end is _End.UNHEARD:
                await self._finish_unsettled(operation, course)
                continue
            current = await self._current(operation)
            course.see(current)
            if current.state is not OperationState.RUNNING or current.completed == current.total:
                return _End.DONE
            if course.halt is not None or current.pause_wanted:
                course.see(await self._pause(operation, course.halt))
                await self._tell(course)
                if course.operation.state is OperationState.CANCELLING:
                    return _End.DONE
                if course.operation.state is not OperationState.RUNNING:
                    return _End.PAUSED
            elif current.turn == turn:
                return _End.DONE

    async def _pause(self, operation: Operation, halt: Halt | None) -> Operation:
        by, reason = (None, "") if halt is None else (halt.by, halt.reason)
        reach(Step.HALT_WANTED)
        paused = await self._persist(lambda: self._ledger.pause(operation, by, reason))
        reach(Step.HALTED)
        log.info("operation_paused", state=paused.state, by=paused.paused_by, reason=reason)
        return paused

    async def _current(self, operation: Operation) -> Operation:
        current = await self._persist(lambda: self._ledger.operation(operation.operation_id))
        if current is None:
            raise StaleRunner(operation_id=operation.operation_id)
        return current

    async def _undo(self, operation: Operation, course: Course) -> bool:
        async def tell(settled: Operation) -> None:
            course.see(settled)
            await self._tell(course)

        return await self._undoing.run(operation, persist=self._persist, tell=tell, stop=self._stop)

    async def _finish(self, operation: Operation, current: Operation) -> Operation:
        """Finish the operation; it is still open if an undo was asked for in this very moment, or a
        claim got through."""
        left = current.total - current.completed - current.released
        error = current.error
        state = OperationState.COMPLETED
        if current.state is not OperationState.CANCELLING and left:
            state, error = OperationState.FAILED, f"{left} entries have no recorded reason"
            log.error("operation_does_not_add_up", left=left)
        elif current.state is not OperationState.CANCELLING and current.released:
            # Who carried this single retry out gave its entry back, and died.
            state, error = OperationState.FAILED, SOURCE_AWAY
        reach(Step.FINISH_WANTED)
        seen = replace(operation, undo_wanted=current.undo_wanted)
        finished = await self._persist(lambda: self._ledger.finish(seen, state, error))
        reach(Step.FINISHED)
        return finished

    async def _finish_unsettled(self, operation: Operation, course: Course) -> None:
        """Finish what is claimed and in nobody's hands, each batch under its own number."""
        for batch in await self._persist(lambda: self._ledger.unsettled(operation)):
            reach(Step.UNSETTLED_FOUND)
            course.claimed(batch)
            settlements = await self._move_or_withhold(operation, batch, course)
            await self._settle(operation, batch, settlements, course)

    async def _pipeline(self, operation: Operation, course: Course) -> _End:
        """Claim, move and settle side by side; returns why nothing more was claimed."""
        claimed: asyncio.Queue[Batch | None] = asyncio.Queue(_IN_HAND)
        moved: asyncio.Queue[Moved | None] = asyncio.Queue(_IN_HAND)
        async with asyncio.TaskGroup() as stages:
            claiming = stages.create_task(self._claim_all(operation, claimed, course))
            stages.create_task(self._move_all(operation, claimed, moved, course))
            stages.create_task(self._settle_all(operation, moved, course))
        return claiming.result()

    async def _claim_all(
        self, operation: Operation, claimed: asyncio.Queue[Batch | None], course: Course
    ) -> _End:
        """Claim until the selection is done or cancelled, or the course or this runner stops.

        What is claimed by then is still moved and settled: nothing waits in a claim. A claim that
        the ledger may have written without this runner's hearing of it ends the pipeline too: that
        batch is in no stage's hands.
        """
        end = _End.STOPPED
        while not self._stop.is_set():
            limit = await self._persist(
                lambda: course.next_claim(self._stop.is_set, lambda: self._tell(course))
            )
            if limit == 0:
                stopped = course.halt is None and self._stop.is_set()
                end = _End.STOPPED if stopped else _End.DONE
                break
            reach(Step.CLAIM_WANTED)
            try:
                batch = await self._ledger.claim(operation, limit)
            except Unavailable as error:
                log.warning("claim_unheard", error=str(error))
                end = _End.UNHEARD
                break
            if batch is None:
                end = _End.DONE
                break
            reach(Step.CLAIMED)
            course.claimed(batch)
            await claimed.put(batch)
        await claimed.put(None)
        return end

    async def _move_all(
        self,
        operation: Operation,
        claimed: asyncio.Queue[Batch | None],
        moved: asyncio.Queue[Moved | None],
        course: Course,
    ) -> None:
        while (batch := await claimed.get()) is not None:
            await moved.put((batch, await self._move_or_withhold(operation, batch, course)))
        await moved.put(None)

    async def _settle_all(
        self, operation: Operation, moved: asyncio.Queue[Moved | None], course: Course
    ) -> None:
        while (in_hand := await moved.get()) is not None:
            await self._settle(operation, *in_hand, course)

    async def _move_or_withhold(
        self, operation: Operation, batch: Batch, course: Course
    ) -> list[Settlement]:
        """Hand the batch over when it is due, unless the operation was cancelled meanwhile."""

        async def act() -> list[Settlement]:
            await course.may_hand_over(batch, self._stop.is_set)
            current = await self._ledger.operation(operation.operation_id)
            if current is not None:
                course.see(current)
                if current.state is OperationState.CANCELLING:
                    return await self._recovery.withhold(operation, batch)
            return await self._recovery.move(operation, batch)

        settlements = await self._persist(act)
        course.handed_over(settlements)
        return settlements

    async def _settle(
        self, operation: Operation, batch: Batch, settlements: list[Settlement], course: Course
    ) -> None:
        reach(Step.SETTLE_WANTED)
        settled = await self._persist(lambda: self._ledger.settle(operation, batch, settlements))
        reach(Step.SETTLED)
        course.settled(batch, settled)
        await self._tell(course)
        reach(Step.TOLD)

    async def _tell(self, course: Course) -> None:
        """Progress is a view: without it the work goes on."""
        now = self._clock.now()
        try:
            await self._progress.write(progress_of(course.operation, now, course.pace()))
        except StoreUnavailable as error:
            log.warning("progress_not_written", error=str(error))

    async def _persist(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat a step while a store or a queue system is away; every step may be repeated."""
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return await step()
            except Unavailable as error:
                if self._stop.is_set():
                    raise _StoppingError from error
                log.warning("runner_waits", error=str(error), seconds=wait)
            try:
                await asyncio.wait_for(self._stop.wait(), wait)
            except TimeoutError:
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
