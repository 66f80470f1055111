"""What the limits of an operation allow, told a second time and as plainly as can be.

It hears what the operation's runner hears, and nothing else: the rows of the ledger that are given
to it, one after the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from redrive.domain import Batch, CanaryState, Guard, Operation, OperationId
from redrive.ports import Clock, Tried
from redrive.testing import Faults


class Reference:
    """One run of an operation: what was heard so far, and so whether it must halt or may go on."""

    def __init__(self, taken: Operation) -> None:
        self.row = taken
        self.tried: Tried | None = None
        self.had_to_halt = False
        self._heard = [(taken.heard_before, taken.failed_before)]
        self.hears(taken)

    def hears(self, row: Operation) -> None:
        if row.runner_epoch != self.row.runner_epoch:
            return
        self.row = row
        if row.heard > self._heard[-1][0]:
            self._heard.append((row.heard, row.failed_again))
        self.had_to_halt = self.had_to_halt or self.must_halt()

    def trying(self) -> bool:
        """Whether a canary is out."""
        wanted = self.row.controls.canary is not None
        return wanted and self.row.canary is not CanaryState.PASSED

    def must_halt(self) -> bool:
        """Whether the guard has heard too much of what failed again."""
        guard = self.row.controls.guard
        return guard is not None and self._too_many(guard)

    def _too_many(self, guard: Guard) -> bool:
        """Of the last outcomes; where more came in together than are asked for, of all those."""
        heard, failed = self._heard[-1]
        for heard_then, failed_then in reversed(self._heard):
            if heard - heard_then >= guard.outcomes:
                return 100 * (failed - failed_then) > guard.percent * (heard - heard_then)
        return False

    def recovered_enough(self) -> bool:
        canary, tried = self.row.controls.canary, self.tried
        assert canary is not None
        assert tried is not None
        return 100 * tried.recovered >= canary.percent * tried.handed_over

    def waited_enough(self, now: datetime) -> bool:
        tried, until = self.tried, self.row.canary_until
        assert tried is not None
        heard_of_all = tried.recovered + tried.failed_again >= tried.handed_over
        return heard_of_all or until is None or now >= until


class Judged(Faults):
    """Rigs under judgement: what their runners do is held against a :class:`Reference`. Without
    a fault, unless one is named."""

    def __init__(self, clock: Clock, *fault: Any) -> None:
        super().__init__(*(fault or ("nothing", "nothing")))
        self._clock = clock

    def wrap(self, name: str, real: Any) -> Any:
        wrapped = super().wrap(name, real)
        return JudgedLedger(wrapped, self._clock) if name == "ledger" else wrapped


class JudgedLedger:
    """The ledger of one runner, which is told when it does what it may not do."""

    def __init__(self, real: Any, clock: Clock) -> None:
        self._real = real
        self._clock = clock
        self._reference: Reference | None = None

    def __getattr__(self, method: str) -> Any:
        return getattr(self._real, method)

    @property
    def reference(self) -> Reference:
        assert self._reference is not None
        return self._reference

    def _heard(self, row: Operation) -> Operation:
        self.reference.hears(row)
        return row

    async def take_over(self, operation_id: OperationId) -> Operation | None:
        taken: Operation | None = await self._real.take_over(operation_id)
        self._reference = None if taken is None else Reference(taken)
        return taken

    async def operation(self, operation_id: OperationId) -> Operation | None:
        row: Operation | None = await self._real.operation(operation_id)
        return None if row is None else self._heard(row)

    async def settle(self, *arguments: Any) -> Operation:
        return self._heard(await self._real.settle(*arguments))

    async def tried(self, operation: Operation) -> Tried:
        tried: Tried = await self._real.tried(operation)
        self.reference.tried = tried
        return tried

    async def claim(self, operation: Operation, limit: int) -> Batch | None:
        reference = self.reference
        canary = reference.row.controls.canary if reference.trying() else None
        must_halt = canary is None and reference.must_halt()
        begun = reference.row.canary_begun and reference.row.canary is CanaryState.PENDING
        batch: Batch | None = await self._real.claim(operation, limit)
        if batch is not None:
            assert not must_halt, "claimed although too many had failed again"
            if canary is not None:
                assert begun, "claimed while the canary was out"
                assert len(batch.entries) <= canary.entries
        return batch

    async def move_canary(
        self, operation: Operation, to: CanaryState, until: datetime | None = None
    ) -> Operation:
        if to is CanaryState.PASSED:
            assert self.reference.recovered_enough(), "passed although too few had recovered"
        return self._heard(await self._real.move_canary(operation, to, until))

    async def pause(self, operation: Operation, by: str | None, reason: str) -> Operation:
        if by == "guard":
            assert self.reference.had_to_halt, "halted although few had failed again"
        if by == "canary":
            assert not self.reference.recovered_enough(), "halted although enough had recovered"
            assert self.reference.waited_enough(self._clock.now()), "halted before its time"
        return self._heard(await self._real.pause(operation, by, reason))
