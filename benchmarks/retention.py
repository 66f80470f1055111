"""Pruning: how fast it goes, how long it holds the ledger, and that it gives way to a bulk retry.

Nothing is pruned while an operation is at work. So a bulk retry that starts in the middle of
pruning shows what that giving way costs, a batch of rows at most, and not two works side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter

from benchmarks.bulk_retry import ACTOR
from benchmarks.filling import fill
from benchmarks.history import History
from benchmarks.report import Measured, save, show, show_latencies
from benchmarks.seeding import seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import AppId, OperationKind, Prunable, PrunedBatch, Scope, StartRequest
from redrive.ledger import SqlRetentionLedger
from redrive.ports import Held
from redrive.retention import Pruner
from redrive.settings import Settings
from redrive.wiring import Services, build_pruner, build_runner, open_services
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

_APP = AppId("app-0")
_LONG_AGO = timedelta(days=40)
_MOST_RETRIED = 100_000


class _Timed:
    """A ledger that notes how long each batch held it, in milliseconds."""

    def __init__(self, real: SqlRetentionLedger) -> None:
        self._real = real
        self.batches: dict[Prunable, list[float]] = {}

    async def prune(
        self,
        what: Prunable,
        before: datetime,
        limit: int,
        position: str | None,
        held: Held,
    ) -> PrunedBatch | None:
        began = perf_counter()
        batch = await self._real.prune(what, before, limit, position, held)
        self.batches.setdefault(what, []).append((perf_counter() - began) * 1000)
        return batch


async def run(world: World, *, count: int, failed: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    history = History(count=count, failed=failed, until=datetime.now(UTC) - _LONG_AGO)
    retried = min(count // 10, _MOST_RETRIED)
    for backend in world.backends:
        settings = world.ledger(backend)
        await fill(settings.ledger_url, history)
        alone, amid, starts, meanwhile = await _giving_way(settings, world.server, retried, repeats)
        rate, batches = await _rate(settings)
        world.drop(settings)
        title = f"A bulk retry of {retried:,} that pruning of {count:,} gives way to, {backend}"
        show(title, [alone, amid], beside=alone.name)
        show("", [meanwhile])
        show_latencies("", {starts.name: [starts]})
        show(f"Pruning {count:,} entries with operations and items, {backend}", [rate])
        show_latencies("", {row.name: [row] for row in batches})
        save(f"retention-{backend}", [alone, amid, starts, meanwhile, rate, *batches])


async def _giving_way(
    settings: Settings, server: RedisServer, count: int, repeats: int
) -> tuple[Measured, Measured, Measured, Measured]:
    """A bulk retry without a pruner, and one that starts while a pruner is at work."""
    alone = Measured(name="alone", unit="entries/s", values=[])
    amid = Measured(name="started in the middle of pruning", unit="entries/s", values=[])
    starts = Measured(name="answer to that start", unit="ms", values=[])
    meanwhile = Measured(name="pruned after the answer, until its end", unit="rows", values=[])
    async with open_services(settings) as services:
        for repeat in range(repeats):
            await _fail(services, server, count, repeat * 2)
            alone.values.append((await _retry(services))[0])
            await _fail(services, server, count, repeat * 2 + 1)
            stop = asyncio.Event()
            before = await services.overview.pruned()
            pruning = asyncio.create_task(build_pruner(services, stop).run())
            await eventually(partial(_has_pruned, services, before), "pruning removes something")
            rate, start, pruned = await _retry(services)
            stop.set()
            await pruning
            amid.values.append(rate)
            starts.values.append(start * 1000)
            meanwhile.values.append(pruned)
    return alone, amid, starts, meanwhile


async def _has_pruned(services: Services, before: Mapping[Prunable, int]) -> bool:
    return await services.overview.pruned() != before


async def _fail(services: Services, server: RedisServer, count: int, turn: int) -> None:
    """New jobs have failed, and the ledger knows."""
    seed_failed_jobs(server, count, apps=1, first_number=turn * count)
    await take_in(services)


async def _retry(services: Services) -> tuple[float, float, int]:
    """Entries per second, seconds until the start answered, and rows pruned from then on."""
    began = perf_counter()
    request = StartRequest(kind=OperationKind.RETRY, scope=Scope.of_app(_APP), actor=ACTOR)
    operation, _ = await services.recovery.start(request)
    answered = perf_counter() - began
    before = await services.overview.pruned()
    began = perf_counter()
    await build_runner(services).run(operation.operation_id)
    rate = operation.total / (perf_counter() - began)
    pruned = await services.overview.pruned()
    return rate, answered, sum(pruned.values()) - sum(before.values())


async def _rate(settings: Settings) -> tuple[Measured, list[Measured]]:
    """Rows per second of what is left, pauses among them, and how long batches took."""
    async with open_services(settings) as services:
        ledger = _Timed(SqlRetentionLedger(services.database))
        pruner = Pruner(
            ledger=ledger,
            engines=services.engines,
            retention=settings.retention,
            clock=services.clock,
        )
        began = perf_counter()
        removed = await pruner.prune()
        seconds = perf_counter() - began
    batches = [
        Measured(name=f"a batch of {what}", unit="ms", values=values)
        for what, values in ledger.batches.items()
    ]
    rate = Measured(name="rows", unit="rows/s", values=[removed.total() / seconds])
    return rate, batches
