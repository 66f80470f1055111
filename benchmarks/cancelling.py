"""How long after a cancel the last job is handed over, at full speed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter

from sqlalchemy import func, select

from benchmarks.bulk_retry import ACTOR
from benchmarks.report import Measured, NotMeasuredError, save, show
from benchmarks.seeding import seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import OperationKind, OperationState, Scope, StartRequest, from_millis
from redrive.errors import OperationFinished
from redrive.ledger.schema import entries
from redrive.settings import Settings
from redrive.wiring import build_runner, open_services
from tests.support.waiting import eventually

_SHARE = 0.3
"""Of the entries, moved when the cancel comes."""


async def run(world: World, *, count: int, repeats: int) -> None:
    """Measure on both databases, print and save."""
    for backend in world.backends:
        seed_failed_jobs(world.server, count)
        seeded = world.ledger(backend)
        async with open_services(seeded, migrate_first=True) as services:
            await take_in(services)
        latest = Measured(name="last hand-over after the cancel", unit="ms", values=[])
        answer = Measured(name="answer to the cancel", unit="ms", values=[])
        for _ in range(repeats):
            seed_failed_jobs(world.server, count)
            settings = world.ledger(backend, copy_of=seeded)
            late, answered = await _cancel(settings, count)
            latest.values.append(late)
            answer.values.append(answered)
            world.drop(settings)
        world.drop(seeded)
        show(f"Cancel of a bulk retry of {count:,}, {backend}", [latest, answer])
        save(f"cancelling-{backend}", [latest, answer])


async def _cancel(settings: Settings, count: int) -> tuple[float, float]:
    """Milliseconds from the request to the last hand-over (below zero: before it), and to the
    answer. Hand-overs carry the time of the queue's own server."""
    async with open_services(settings) as services:
        request = StartRequest(kind=OperationKind.RETRY, scope=Scope.everything(), actor=ACTOR)
        operation, _ = await services.recovery.start(request)
        running = asyncio.create_task(build_runner(services).run(operation.operation_id))

        async def far_enough() -> bool:
            current = await services.overview.operation(operation.operation_id)
            return current.requeued >= count * _SHARE

        await eventually(far_enough, "the operation gets there")
        asked_at = services.clock.now()
        began = perf_counter()
        with suppress(OperationFinished):
            await services.recovery.cancel(operation.operation_id, ACTOR)
        answered = (perf_counter() - began) * 1000
        await running
        ended = await services.overview.operation(operation.operation_id)
        if ended.state is not OperationState.CANCELLED or ended.completed >= count:
            raise NotMeasuredError(
                f"all of {count:,} entries were moved before the cancel; take more --entries"
            )
        rows = await services.database.rows(select(func.max(entries.c.moved_at)))
        last = rows[0][0]
        moved_at = from_millis(last) if isinstance(last, int) else last
    return (moved_at - asked_at).total_seconds() * 1000, answered
