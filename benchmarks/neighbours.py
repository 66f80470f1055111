"""What a bulk retry does to a live queue on the same Redis."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks.bulk_retry import ACTOR, run_processes
from benchmarks.report import Measured, percentile, save, show
from benchmarks.seeding import seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import OperationKind, Scope, StartRequest
from redrive.settings import Settings
from redrive.wiring import open_services

_SECONDS = 8.0
_SLOW_MICROSECONDS = 1000


async def run(world: World, *, count: int, repeats: int) -> None:
    """Measure on PostgreSQL: the latencies of a live queue's jobs, alone and beside a retry."""
    names = ("live job, p50", "live job, p95", "live job, p99", "PING, p99", "PING, longest")
    quiet = [Measured(name=f"{name}, alone", unit="ms", values=[]) for name in names]
    beside = [Measured(name=f"{name}, beside", unit="ms", values=[]) for name in names]
    script = Measured(name="longest call of the requeue script", unit="ms", values=[])
    for _ in range(repeats):
        seed_failed_jobs(world.server, count)
        settings = world.ledger("postgresql")
        async with open_services(settings, migrate_first=True) as services:
            await take_in(services)
        _add(quiet, await _live(world, _nothing))
        client = world.server.client()
        client.config_set("slowlog-log-slower-than", _SLOW_MICROSECONDS)
        client.slowlog_reset()
        _add(beside, await _live(world, partial(_retry_all, settings)))
        calls = [call for call in client.slowlog_get(128) if b"EVAL" in call["command"].upper()]
        script.values.append(max((call["duration"] for call in calls), default=0) / 1000)
        client.close()
        world.drop(settings)
    rows = [row for pair in zip(quiet, beside, strict=True) for row in pair]
    show(f"A live queue beside a bulk retry of {count:,}", [*rows, script])
    save("neighbours", [*rows, script])


async def _nothing() -> None:
    await asyncio.sleep(0)


async def _retry_all(settings: Settings) -> None:
    async with open_services(settings) as services:
        request = StartRequest(kind=OperationKind.RETRY, scope=Scope.everything(), actor=ACTOR)
        operation, _ = await services.recovery.start(request)
    await run_processes(settings, [operation.operation_id])


async def _live(world: World, meanwhile: Callable[[], Awaitable[None]]) -> tuple[float, ...]:
    """Latencies in milliseconds of a live queue, while something else runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.live_queue", world.server.url, str(_SECONDS)),
        stdout=PIPE,
        limit=2**24,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    await meanwhile()
    said = json.loads((await process.communicate())[0])
    waits, pings = said["waits"], said["pings"]
    return (
        *(percentile(waits, share) for share in (50, 95, 99)),
        percentile(pings, 99),
        max(pings),
    )


def _add(rows: list[Measured], found: tuple[float, ...]) -> None:
    for row, value in zip(rows, found, strict=True):
        row.values.append(value)
