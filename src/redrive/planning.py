"""Planning: what an operation would do is told first, and exactly that is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from redrive.domain import (
    Entry,
    EntryFilter,
    Operation,
    OperationKind,
    Part,
    Plan,
    PlanRequest,
    PlanStart,
    PlanWarning,
    StartRequest,
)
from redrive.errors import EmptyFilter, EngineUnavailable, FilterAndEverything
from redrive.faultpoints import Step, reach
from redrive.pacing.ramp import seconds_to_hand_over
from redrive.ports import Engine, TriageLedger
from redrive.recovery import Recovery

log = structlog.get_logger()

USUAL_RATE = 20_000.0
"""Entries per second that are reckoned with while no operation has been measured."""

_FORGET_ROWS = 2_000
_FORGET_BATCHES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """A plan, and how long its hand-over would take at the pace that was asked for, the canary's
    wait apart. ``rate`` is the highest that is reckoned with."""

    plan: Plan
    rate: float
    seconds: float


class Planning:
    """Plans of bulk operations and their start; dismissals are taken back here too."""

    def __init__(
        self, *, ledger: TriageLedger, recovery: Recovery, engines: Mapping[str, Engine]
    ) -> None:
        self._ledger = ledger
        self._recovery = recovery
        self._engines = engines

    async def plan(self, request: PlanRequest) -> Forecast:
        """Freeze what the filter selects and tell what would happen; nothing moves.

        Raises LimitsOfDismissal, LedgerUnavailable; a queue system that is away is a warning.
        """
        plan = await self._ledger.plan(request)
        reach(Step.PLAN_APPS_COMMITTED)
        if plan.kind is not OperationKind.DISMISS:
            warnings = [*plan.warnings, *await self._queue_warnings(plan)]
            plan = replace(plan, warnings=tuple(warnings))
        log.info("planned", kind=plan.kind, total=plan.total, actor=request.actor.name)
        usual = plan.typical_rate or USUAL_RATE
        seconds = seconds_to_hand_over(plan.total, request.controls, usual)
        rate = min(request.controls.rate or usual, usual)
        return Forecast(plan=plan, rate=rate, seconds=round(seconds, 1))

    async def start(self, start: PlanStart) -> tuple[Operation, bool]:
        """Start exactly what the plan selected; otherwise as :meth:`Recovery.start`.

        Raises PlanNotFound, PlanOfAnother, PlanUsed, PlanExpired, OperationOverlap,
        IdempotencyMismatch, BadControls, LimitsOfDismissal, LedgerUnavailable.
        """
        operation, new = await self._ledger.start_plan(start)
        reach(Step.PLANNED_START_COMMITTED)
        if new:
            await self._recovery.announce(operation)
        return operation, new

    async def restore(self, request: StartRequest) -> Entry:
        """Make a dismissed entry failed again. Raises EntryNotFound, WrongState."""
        entry = await self._ledger.restore(request)
        reach(Step.RESTORED)
        return entry

    async def _queue_warnings(self, plan: Plan) -> list[PlanWarning]:
        warnings: list[PlanWarning] = []
        away: set[str] = set()
        for part in plan.queues.parts:
            if part.source in away:
                continue
            try:
                warnings += await self._paused(part)
            except EngineUnavailable:
                away.add(part.source)
                message = (
                    f"The queue system {part.source} cannot be reached: whether its queues are "
                    "paused is not known, and nothing is handed over before it answers again."
                )
                warnings.append(PlanWarning(code="engine_away", message=message))
        return warnings

    async def _paused(self, part: Part) -> list[PlanWarning]:
        engine = self._engines.get(part.source)
        if engine is None:
            message = f"The source {part.source} is not watched any more: its jobs cannot be moved."
            return [PlanWarning(code="not_watched", message=message, entries=part.entries)]
        if not (await engine.counts(part.key or "")).paused:
            return []
        wait = "its job waits" if part.entries == 1 else f"its {part.entries:,} jobs wait"
        message = f"The queue {part.key} is paused: {wait} until it is resumed."
        return [PlanWarning(code="queue_paused", message=message, entries=part.entries)]


def require_selective(
    entry_filter: EntryFilter, everything: bool, *, allowed: str, say_everything: str
) -> None:
    """Raises EmptyFilter for a filter that narrows nothing, unless everything is meant; and
    FilterAndEverything where both are said. ``allowed`` and ``say_everything`` name them in the
    words of the face that was asked."""
    is_empty = entry_filter == EntryFilter(states=entry_filter.states)
    if is_empty and not everything:
        raise EmptyFilter(allowed=allowed, everything=say_everything)
    if everything and not is_empty:
        raise FilterAndEverything(everything=say_everything)


async def forget_plans(ledger: TriageLedger) -> None:
    """Forget plans that are over, in many short transactions; what is left waits for the next
    call."""
    for _ in range(_FORGET_BATCHES):
        if not await ledger.forget_plans(_FORGET_ROWS):
            return
