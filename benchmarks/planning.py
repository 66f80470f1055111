"""Plans over a ledger with a long history: how long to tell, to start, and to claim."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeVar

from benchmarks.filling import fill
from benchmarks.history import History
from benchmarks.report import Measured, save, show
from benchmarks.worlds import World
from redrive.domain import (
    Actor,
    AppId,
    EntryFilter,
    Operation,
    OperationKind,
    OperationState,
    Plan,
    PlanRequest,
    PlanStart,
)
from redrive.errors import OperationOverlap
from redrive.ledger import Database, SqlOperationLedger, SqlTriageLedger
from redrive.wiring import SystemClock

T = TypeVar("T")

_ACTOR = Actor(name="benchmark", origin="benchmark")
_BATCH, _BATCHES = 1000, 20
_FORGOTTEN = 2000

FILTERS = {
    "everything": EntryFilter(),
    "an app with a third": EntryFilter(app_id=AppId("client-0")),
    "a text in a seventh": EntryFilter(query="address is not known"),
}


async def run(world: World, *, count: int, failed: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    history = History(count=count, failed=failed, until=datetime.now(UTC))
    for backend in world.backends:
        settings = world.ledger(backend)
        await fill(settings.ledger_url, history)
        database = Database(settings.ledger_url)
        rows = await _Bench(database, history).measure(repeats)
        await database.close()
        world.drop(settings)
        show(f"Plans over {count:,} entries, {failed:,} of them failed, {backend}", rows)
        save(f"planning-{backend}", rows)


class _Bench:
    def __init__(self, database: Database, history: History) -> None:
        clock = SystemClock()
        self._triage = SqlTriageLedger(database, clock)
        self._operations = SqlOperationLedger(database, clock)
        self._values: dict[str, list[float]] = {}
        by_hand = tuple(history.entry_id(number) for number in range(100))
        self._filters = FILTERS | {"a hundred by hand": EntryFilter(entry_ids=by_hand)}

    async def measure(self, repeats: int) -> list[Measured]:
        for _ in range(repeats):
            for name, wanted in self._filters.items():
                await self._timed(f"plan: {name}", self._plan, wanted)
            planned = await self._plan(FILTERS["everything"])
            other = await self._plan(FILTERS["a text in a seventh"])
            operation = await self._timed("start: everything", self._start, planned)
            await self._timed("told to overlap", self._overlaps, other)
            taken = await self._operations.take_over(operation.operation_id)
            if taken is not None:
                await self._work(taken)
                await self._operations.finish(taken, OperationState.CANCELLED, None)
            await self._timed("forget 2,000 rows", self._triage.forget_plans, _FORGOTTEN)
            while await self._triage.forget_plans(100_000):
                pass
        return [
            Measured(name=name, unit="ms", values=values) for name, values in self._values.items()
        ]

    async def _timed(self, name: str, call: Callable[..., Awaitable[T]], *given: Any) -> T:
        began = perf_counter()
        result = await call(*given)
        self._values.setdefault(name, []).append((perf_counter() - began) * 1000)
        return result

    async def _plan(self, wanted: EntryFilter) -> Plan:
        return await self._triage.plan(
            PlanRequest(kind=OperationKind.DISMISS, entry_filter=wanted, actor=_ACTOR)
        )

    async def _start(self, plan: Plan) -> Operation:
        operation, _ = await self._triage.start_plan(
            PlanStart(plan_token=plan.plan_token or "", actor=_ACTOR)
        )
        return operation

    async def _overlaps(self, plan: Plan) -> None:
        with suppress(OperationOverlap):
            await self._start(plan)

    async def _work(self, operation: Operation) -> None:
        for _ in range(_BATCHES):
            batch = await self._timed("claim a batch", self._operations.claim, operation, _BATCH)
            if batch is None:
                return
            await self._operations.release(operation, batch, engine_away=False)
