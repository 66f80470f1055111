"""Processor time of a bulk retry on PostgreSQL, by server, as the operating system counts it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from benchmarks.bulk_retry import ACTOR, run_processes
from benchmarks.report import Measured, save, show
from benchmarks.seeding import seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import OperationKind, Scope, StartRequest
from redrive.settings import Settings
from redrive.wiring import open_services
from tests.support.processes import children_of

_TICKS = os.sysconf("SC_CLK_TCK")


async def run(world: World, *, count: int, repeats: int) -> None:
    """Measure with one runner in a process of its own, print and save."""
    seed_failed_jobs(world.server, count)
    seeded = world.ledger("postgresql")
    async with open_services(seeded, migrate_first=True) as services:
        await take_in(services)
    rows: dict[str, Measured] = {}
    for repeat in range(repeats):
        if repeat:
            seed_failed_jobs(world.server, count)
        settings = world.ledger("postgresql", copy_of=seeded)
        for name, millis in (await _cost(world, settings)).items():
            row = rows.setdefault(name, Measured(name=name, unit="ms", values=[]))
            row.values.append(millis * 1000 / count)
        world.drop(settings)
    world.drop(seeded)
    show(f"Processor time per 1,000 entries of {count:,}, PostgreSQL", list(rows.values()))
    save("costs", list(rows.values()))


async def _cost(world: World, settings: Settings) -> dict[str, float]:
    """Milliseconds of processor time by server, from the runner's start to its end."""
    async with open_services(settings) as services:
        request = StartRequest(kind=OperationKind.RETRY, scope=Scope.everything(), actor=ACTOR)
        operation, _ = await services.recovery.start(request)
        before = _servers(world)
        ran = await run_processes(settings, [operation.operation_id])
        used = _servers(world)
        used.subtract(before)
    millis = {**used, "Python": ran.cpu_seconds * 1000}
    return {**millis, "together": sum(millis.values())}


def _servers(world: World) -> Counter[str]:
    """Milliseconds that the servers have used until now."""
    client = world.server.client()
    processor = client.info("cpu")
    client.close()
    redis = processor["used_cpu_user"] + processor["used_cpu_sys"]
    postmaster = world.postgres.postmaster_pid()
    ticks = _ticks(postmaster, with_ended=True) + sum(map(_ticks, children_of(postmaster)))
    return Counter({"PostgreSQL": ticks * 1000 // _TICKS, "Redis": round(redis * 1000)})


def _ticks(pid: int, with_ended: bool = False) -> int:
    """What a process has used, and with it those children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 15 if with_ended else 13])
