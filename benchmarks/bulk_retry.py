"""A bulk retry with ledger, items and progress: real runner processes on seeded failures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from benchmarks.report import Measured, NotMeasuredError, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import (
    Actor,
    AppId,
    EntryFilter,
    GroupFilter,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    PlanRequest,
    PlanStart,
    Scope,
    StartRequest,
)
from redrive.settings import Settings
from redrive.wiring import Services, open_services

ACTOR = Actor(name="bench", origin="cli")
Start = Callable[[], Awaitable[tuple[Operation, bool]]]

_ONCE_FROM = 1_000_000
"""From this size on, one run each: seeding takes minutes."""


async def run(world: World, *, sizes: Sequence[int], repeats: int) -> dict[str, Measured]:
    """Measure on both databases, one and two runners; returns the rates of one runner on the
    size nearest to the budget's, by backend."""
    nearest = min(sizes, key=lambda size: abs(size - 100_000))
    rates: dict[str, Measured] = {}
    for backend in world.backends:
        speed: list[Measured] = []
        answers: list[Measured] = []
        memory: list[Measured] = []
        for size in sizes:
            for runners in (1, 2):
                found = await _repeated(world, backend, size, runners, repeats)
                name = _name(size, runners)
                speed.append(Measured(name=name, unit="entries/s", values=found["rate"]))
                answers.append(Measured(name=name, unit="ms to the answer", values=found["answer"]))
                memory.append(Measured(name=name, unit="MB at most", values=found["memory"]))
                if (size, runners) == (nearest, 1):
                    rates[backend] = speed[-1]
            if size == nearest:
                found = await _repeated(world, backend, size, 1, repeats, planned=True)
                name = f"{size:,} entries of one group, planned"
                speed.append(Measured(name=name, unit="entries/s", values=found["rate"]))
                answers.append(Measured(name=name, unit="ms to the answer", values=found["answer"]))
        show(f"Bulk retry, {backend}", speed, beside=speed[0].name)
        show(f"Answer to the start of a bulk retry, {backend}", answers)
        show(f"Memory of a runner process, {backend}", memory)
        save(f"bulk-retry-{backend}", [*speed, *answers, *memory])
    return rates


async def rate(world: World, backend: str, *, size: int, repeats: int) -> Measured:
    """The rate of one runner alone, as :func:`run` measures it."""
    found = await _repeated(world, backend, size, 1, repeats)
    return Measured(name=_name(size, 1), unit="entries/s", values=found["rate"])


def _name(size: int, runners: int) -> str:
    return f"{size:,} entries, {runners} runner{'s'[: runners - 1]}"


async def _repeated(
    world: World, backend: str, size: int, runners: int, repeats: int, *, planned: bool = False
) -> dict[str, list[float]]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    seed_failed_jobs(world.server, size, apps=runners)
    seeded = world.ledger(backend)
    async with open_services(seeded, migrate_first=True) as services:
        await take_in(services)
    for repeat in range(1 if size >= _ONCE_FROM else repeats):
        if repeat:
            seed_failed_jobs(world.server, size, apps=runners)
        settings = world.ledger(backend, copy_of=seeded)
        for name, value in (await measure(settings, size, runners, planned=planned)).items():
            found[name].append(value)
        world.drop(settings)
    world.drop(seeded)
    return found


async def measure(
    settings: Settings, size: int, runners: int, *, planned: bool = False
) -> dict[str, float]:
    """Retry everything with one runner, or the apps beside each other with one runner each; or
    the one group of all, which was ``planned`` before."""
    async with open_services(settings) as services:
        if planned:
            starts = [await _planned_start(services)]
        elif runners == 1:
            starts = [_start_of(services, Scope.everything())]
        else:
            apps = [Scope.of_app(AppId(f"app-{number}")) for number in range(runners)]
            starts = [_start_of(services, scope) for scope in apps]
        started: list[Operation] = []
        answer = 0.0
        for start in starts:
            began = perf_counter()
            operation, _ = await start()
            answer = max(answer, perf_counter() - began)
            started.append(operation)
        ran = await run_processes(settings, [o.operation_id for o in started])
        ends = [await services.overview.operation(o.operation_id) for o in started]
    moved = sum(end.requeued for end in ends)
    if moved != size or any(end.state is not OperationState.COMPLETED for end in ends):
        raise NotMeasuredError(f"the operations ended as {ends}")
    return {"rate": size / ran.seconds, "answer": answer * 1000, "memory": ran.peak_megabytes}


def _start_of(services: Services, scope: Scope) -> Start:
    request = StartRequest(kind=OperationKind.RETRY, scope=scope, actor=ACTOR, reason="benchmark")
    return partial(services.recovery.start, request)


async def _planned_start(services: Services) -> Start:
    """What starts the plan of all that failed in the one group, and of one queue."""
    [group] = (await services.overview.groups(GroupFilter(), None, 2)).items
    wanted = EntryFilter(group_id=group.group_id, queue=QUEUE)
    told = await services.planning.plan(
        PlanRequest(kind=OperationKind.RETRY, entry_filter=wanted, actor=ACTOR)
    )
    start = PlanStart(plan_token=told.plan.plan_token or "", actor=ACTOR)
    return partial(services.planning.start, start)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """Seconds from the word to the last runner's end, the largest process's peak, and the
    processor time of all."""

    seconds: float
    peak_megabytes: float
    cpu_seconds: float


async def run_processes(settings: Settings, operation_ids: Sequence[OperationId]) -> Ran:
    """Carry each operation out by a runner process of its own, all from the same moment."""
    environment = {
        **os.environ,
        "REDRIVE_DATA_DIR": str(settings.data_dir),
        "REDRIVE_REDIS_URL": str(settings.redis_url),
        "REDRIVE_DATABASE_URL": str(settings.database_url),
    }
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.runner_process", operation_id),
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
        )
        for operation_id in operation_ids
    ]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    ends = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    said = [json.loads(output) for output, _ in ends]
    return Ran(
        seconds=max(one["seconds"] for one in said),
        peak_megabytes=max(one["peak_megabytes"] for one in said),
        cpu_seconds=sum(one["cpu_seconds"] for one in said),
    )
