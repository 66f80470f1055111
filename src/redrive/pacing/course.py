"""The course of one operation: before each claim, how many, how long to wait, or to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from redrive.domain import (
    Batch,
    Canary,
    CanaryState,
    Limit,
    Operation,
    OperationState,
    Pace,
    Settlement,
)
from redrive.errors import StaleRunner
from redrive.faultpoints import Step, reach
from redrive.pacing.meter import Meter
from redrive.pacing.outcomes import Heard, Window
from redrive.pacing.pacer import Pacer
from redrive.pacing.ramp import Ramp
from redrive.ports import Clock, OperationLedger, Tried

AHEAD_SECONDS = 0.1
"""A batch is claimed at most so long before its hand-over."""

LOOK_SECONDS = 0.1
"""How often a waiting runner looks whether it was asked for something."""

TELL_SECONDS = 1.0
_SHORTEST_SECONDS = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class Halt:
    """The operation is to be paused, and by what: ``canary`` or ``guard``."""

    by: str
    reason: str


class Time(Protocol):
    """What the course waits by."""

    def seconds(self) -> float:
        """A clock that only goes up."""

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until the runner is stopped."""


class RealTime:
    """:class:`Time`, cut short by an event."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def seconds(self) -> float:
        return time.monotonic()

    async def wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


Tell = Callable[[], Awaitable[None]]


class Course:
    """What one run of an operation may do next, from its newest row and what it has in hand.

    ``tell`` is called while the run waits, so that the progress shows why. Without limits nothing
    is waited for, and nothing is read that the runner does not read anyway.
    """

    def __init__(
        self,
        operation: Operation,
        *,
        ledger: OperationLedger,
        clock: Clock,
        time: Time,
        batch_size: int,
    ) -> None:
        self.operation = operation
        self.halt: Halt | None = None
        self._ledger = ledger
        self._clock = clock
        self._time = time
        self._batch_size = batch_size
        self._to_hand_over = 0
        self._to_settle = 0
        now = time.seconds()
        self._looked_at = self._told_at = now
        self._meter = Meter(now)
        self._pacer: Pacer | None = None
        self._ramp: Ramp | None = None
        self._window = Window(
            Heard(outcomes=operation.heard_before, failed_again=operation.failed_before)
        )
        self._paced_at: float | None = None
        self._slows_down = False
        self._is_fresh = operation.runner_epoch == 1
        self.see(operation)

    def see(self, operation: Operation) -> None:
        """The operation's row as it is now, unless another runner has taken it over."""
        if operation.runner_epoch != self.operation.runner_epoch:
            return
        self.operation = operation
        self._looked_at = self._time.seconds()
        heard = Heard(outcomes=operation.heard, failed_again=operation.failed_again)
        self._window.see(heard)
        self._follow_ramp(heard)
        self._follow_rate()

    def pace(self) -> Pace:
        """How fast it goes right now."""
        return Pace(
            effective_rate=None if self._pacer is None else self._pacer.rate,
            measured_rate=self._meter.rate(self._time.seconds()),
            limited_by=self._limit(),
        )

    async def next_claim(self, stopped: Callable[[], bool], tell: Tell) -> int:
        """Wait until something may be claimed, and return how much of it.

        0: nothing more, because ``halt`` says so, the runner is stopped, or the operation is not
        to go on. A pause that was seen may be taken back by now: the limits were not looked at,
        so that nothing is claimed all the same.
        """
        while not stopped() and self._goes_on():
            room = await self._room()
            if self.halt is not None:
                return 0
            batch = 0 if self._slows_down else self._batch(room)
            wait = self._wait(batch) - AHEAD_SECONDS if batch else LOOK_SECONDS
            if batch and wait <= 0:
                return batch
            if batch:
                self._paced_at = self._time.seconds()
            await self._pass_time(wait, tell)
        return 0

    async def may_hand_over(self, batch: Batch, stopped: Callable[[], bool]) -> None:
        """Wait until the claimed batch is due, or the operation is cancelled."""
        while self._pacer is not None and not stopped():
            wait = self._wait(len(batch.entries), ahead=0)
            if wait <= 0 or self.operation.state is not OperationState.RUNNING:
                return
            self._paced_at = self._time.seconds()
            await self._time.wait(_a_while(wait))
            if wait > LOOK_SECONDS:
                await self._look()

    def claimed(self, batch: Batch) -> None:
        self._to_hand_over += len(batch.entries)
        self._to_settle += len(batch.entries)

    def handed_over(self, settlements: list[Settlement]) -> None:
        """Moved or not, these are out of hand: whatever was moved was moved before now."""
        now = self._time.seconds()
        answers = Counter(settlement.answer for settlement in settlements)
        moved = sum(number for answer, number in answers.items() if answer.moved)
        self._to_hand_over = max(0, self._to_hand_over - len(settlements))
        self._meter.note(moved, now)
        self._is_fresh = False
        if self._pacer is not None:
            self._pacer.handed_over(moved, now)
        self._follow_rate()

    def settled(self, batch: Batch, operation: Operation) -> None:
        self._to_settle = max(0, self._to_settle - len(batch.entries))
        self.see(operation)

    def _goes_on(self) -> bool:
        now = self.operation
        running = now.state is OperationState.RUNNING and not now.pause_wanted
        return running and now.completed < now.total

    async def _room(self) -> int:
        """How much the canary and the guard allow; sets ``halt`` if it is to stop."""
        controls = self.operation.controls
        if controls.canary is not None and self._in_canary():
            return await self._canary_room(controls.canary)
        if controls.guard is not None:
            last = self._window.last(controls.guard.outcomes)
            if last is not None and last.percent_failed > controls.guard.percent:
                self.halt = Halt(
                    by="guard",
                    reason=f"guard: {last.failed_again} of the last {last.outcomes} outcomes "
                    f"failed again, more than {controls.guard.percent:g} %",
                )
                return 0
        return self._batch_size

    async def _canary_room(self, canary: Canary) -> int:
        if not self.operation.canary_begun:
            if not self._to_settle:
                await self._move_canary(CanaryState.PENDING)
            return 0
        # What is in hand is noted first: settled meanwhile it counts twice, and never not at all.
        in_hand = self._to_settle
        tried = await self._ledger.tried(self.operation)
        if self.operation.canary is CanaryState.PENDING:
            room = canary.entries - tried.handed_over - in_hand
            if room <= 0 and not in_hand:
                until = self._clock.now() + timedelta(seconds=canary.seconds)
                await self._move_canary(CanaryState.WAITING, until)
            return max(room, 0)
        if tried.recovered * 100 >= canary.percent * tried.handed_over:
            await self._move_canary(CanaryState.PASSED)
        elif self._has_waited_long_enough(tried):
            self.halt = Halt(
                by="canary",
                reason=f"canary: {tried.recovered} of {tried.handed_over} recovered, "
                f"{tried.failed_again} failed again, {tried.without_outcome} without an outcome",
            )
        return 0

    def _has_waited_long_enough(self, tried: Tried) -> bool:
        until = self.operation.canary_until
        return not tried.without_outcome or until is None or self._clock.now() >= until

    async def _move_canary(self, to: CanaryState, until: datetime | None = None) -> None:
        self.see(await self._ledger.move_canary(self.operation, to, until))
        reach(Step.CANARY_MOVED)

    def _batch(self, room: int) -> int:
        return min(room, self._batch_size if self._pacer is None else self._pacer.batch)

    def _wait(self, entries: int, ahead: int | None = None) -> float:
        if self._pacer is None:
            return 0.0
        ahead = self._to_hand_over if ahead is None else ahead
        return self._pacer.wait(self._time.seconds(), entries, ahead)

    async def _pass_time(self, seconds: float, tell: Tell) -> None:
        await self._time.wait(_a_while(seconds))
        await self._look()
        now = self._time.seconds()
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            await tell()

    async def _look(self) -> None:
        now = self._time.seconds()
        if now - self._looked_at < LOOK_SECONDS / 2:
            return
        self._looked_at = now
        current = await self._ledger.operation(self.operation.operation_id)
        if current is None or current.runner_epoch != self.operation.runner_epoch:
            raise StaleRunner(operation_id=self.operation.operation_id)
        self.see(current)

    def _follow_ramp(self, heard: Heard) -> None:
        controls = self.operation.controls
        now = self._time.seconds()
        if controls.floor is None or controls.rate is None:
            self._ramp = None
        elif self._ramp is None:
            self._ramp = Ramp(controls.floor, controls.rate, heard, now)
        else:
            self._ramp.bound(controls.floor, controls.rate)
            self._ramp.see(heard, controls.guard, now)

    def _follow_rate(self) -> None:
        """Go at the wanted rate. What is in hand is too much at once for a lower one: it still goes
        at the rate at which it was claimed.
        """
        wanted = self.operation.controls.rate if self._ramp is None else self._ramp.rate
        now = self._time.seconds()
        is_lower = wanted is not None and (self._pacer is None or wanted < self._pacer.rate)
        self._slows_down = is_lower and self._to_hand_over > 0
        if self._slows_down:
            return
        if wanted is None:
            self._pacer = None
        elif self._pacer is None:
            self._pacer = Pacer(wanted, self._batch_size, now, full=not self._is_fresh)
        elif self._pacer.rate != wanted:
            self._pacer.change(wanted, now)

    def _in_canary(self) -> bool:
        wanted = self.operation.controls.canary is not None
        return wanted and self.operation.canary is not CanaryState.PASSED

    def _limit(self) -> Limit:
        if self._in_canary():
            return Limit.CANARY
        now = self._time.seconds()
        if self._paced_at is None or now - self._paced_at > TELL_SECONDS:
            return Limit.NONE
        if self._ramp is None or self._ramp.rate == self.operation.controls.rate:
            return Limit.RATE
        return Limit.GUARD if self._ramp.slowed else Limit.RAMP


def _a_while(seconds: float) -> float:
    """So long, but not past the next look."""
    return max(_SHORTEST_SECONDS, min(seconds, LOOK_SECONDS))
