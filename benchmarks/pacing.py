"""How much is handed over in any one second under a rate, by the clock of the queues' server."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from sqlalchemy import select

from benchmarks.bulk_retry import ACTOR
from benchmarks.report import Measured, save, show
from benchmarks.seeding import seed_failed_jobs, take_in
from benchmarks.worlds import BACKENDS, World
from redrive.domain import Controls, OperationKind, OperationState, Scope, StartRequest, to_millis
from redrive.ledger.schema import entries
from redrive.settings import Settings
from redrive.wiring import build_runner, open_services

RATES = (10, 500, 5_000)
_WINDOW_MILLIS = 1000


async def run(world: World, *, seconds: int) -> None:
    """Measure for so many seconds at each rate on both databases, print and save.

    Raises RuntimeError if any second held more than the rate and a tenth of it.
    """
    for backend in BACKENDS:
        rows: list[Measured] = []
        for rate in RATES:
            seed_failed_jobs(world.server, rate * seconds)
            settings = world.ledger(backend)
            rows += await _measure(settings, rate)
            world.drop(settings)
        show(f"Paced for {seconds} seconds, {backend}", rows)
        save(f"pacing-{backend}", rows)


async def _measure(settings: Settings, rate: int) -> list[Measured]:
    async with open_services(settings, migrate_first=True) as services:
        await take_in(services)
        request = StartRequest(
            kind=OperationKind.RETRY,
            scope=Scope.everything(),
            actor=ACTOR,
            controls=Controls(rate=rate),
        )
        operation, _ = await services.recovery.start(request)
        await build_runner(services).run(operation.operation_id)
        ended = await services.overview.operation(operation.operation_id)
        if ended.state is not OperationState.COMPLETED:
            raise RuntimeError(f"the operation ended as {ended}")
        found = await services.database.rows(select(entries.c.moved_at))
    moved = sorted(to_millis(row[0]) for row in found)
    most, bound = busiest_second(moved), rate + max(1, rate / 10)
    if most > bound:
        raise RuntimeError(f"at {rate}/s a second held {most} hand-overs, allowed are {bound:g}")
    elapsed = max(moved[-1] - moved[0], _WINDOW_MILLIS) / 1000
    return [
        Measured(name=f"{rate:,}/s: busiest second", unit="entries", values=[most]),
        Measured(name=f"{rate:,}/s: on average", unit="entries/s", values=[len(moved) / elapsed]),
    ]


def busiest_second(moved: Sequence[int]) -> int:
    """The most hand-overs within any second, from their times in milliseconds in order."""
    return max(bisect_left(moved, at + _WINDOW_MILLIS) - first for first, at in enumerate(moved))
