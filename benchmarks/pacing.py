"""How much is handed over in any one second under a rate, by the clock of the queues' server."""

from __future__ import annotations

import asyncio
import math
import sys
from asyncio.subprocess import PIPE
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import select

from benchmarks.bulk_retry import ACTOR
from benchmarks.courses import COURSES, Course, Drive
from benchmarks.report import Measured, NotMeasuredError, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import OperationKind, OperationState, Scope, StartRequest, to_millis
from redrive.errors import OperationFinished
from redrive.ledger.schema import entries
from redrive.settings import Settings
from redrive.wiring import Services, open_services, run_follower

_WINDOW_MILLIS = 1000
_SEEN_WITHIN_MILLIS = 500
"""So long after it was asked for a lower rate may not be known to the runner."""


@dataclass(kw_only=True, slots=True)
class _Rate:
    """How many entries a second are allowed, from when until when, in milliseconds."""

    entries: float
    since: int
    until: float = math.inf


async def run(world: World, *, seconds: float) -> None:
    """Measure each course on both databases for about so many seconds, print and save.

    Raises NotMeasuredError if any second held more than the rate and a tenth of it.
    """
    for backend in world.backends:
        rows: list[Measured] = []
        for course in COURSES:
            seed_failed_jobs(world.server, round(course.most * seconds))
            settings = world.ledger(backend)
            rows += await _measure(settings, course, seconds)
            world.drop(settings)
        show(f"Paced for {seconds:g} seconds, {backend}", rows)
        save(f"pacing-{backend}", rows)


async def _measure(settings: Settings, course: Course, seconds: float) -> list[Measured]:
    async with open_services(settings, migrate_first=True) as services:
        await take_in(services)
        request = StartRequest(
            kind=OperationKind.RETRY,
            scope=Scope.everything(),
            actor=ACTOR,
            controls=course.controls,
        )
        operation, _ = await services.recovery.start(request)
        drive = Drive(services=services, operation_id=operation.operation_id, seconds=seconds)
        async with _worked(services) if course.works else nullcontext():
            drive.begin()
            await course.way(drive)
            with suppress(OperationFinished):
                await services.recovery.cancel(operation.operation_id, ACTOR)
            await drive.ended()
        ended = await services.overview.operation(operation.operation_id)
        began = ended.started_at
        over = ended.state in (OperationState.COMPLETED, OperationState.CANCELLED)
        if not over or began is None:
            raise NotMeasuredError(f"the operation ended as {ended}")
        found = await services.database.rows(select(entries.c.moved_at))
    moved = sorted(to_millis(row[0]) for row in found if row[0] is not None)
    most, allowed = _busiest_second(moved, _rates(course, to_millis(began), drive.changes))
    if most > allowed:
        raise NotMeasuredError(f"{course.name}: a second held {most}, allowed are {allowed:g}")
    elapsed = max(moved[-1] - moved[0], _WINDOW_MILLIS) / 1000
    share = 100 * most / allowed
    average = len(moved) / elapsed
    return [
        Measured(name=f"{course.name}: busiest second", unit="entries", values=[most]),
        Measured(name=f"{course.name}: of what is allowed", unit="%", values=[share]),
        Measured(name=f"{course.name}: on average", unit="entries/s", values=[average]),
    ]


@asynccontextmanager
async def _worked(services: Services) -> AsyncIterator[None]:
    """A worker of the queue in a process of its own, and a follower here."""
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.busy_worker", str(services.settings.redis_url), QUEUE),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert worker.stdout is not None
    await worker.stdout.readline()
    stop = asyncio.Event()
    following = asyncio.create_task(run_follower(services, stop))
    try:
        yield
    finally:
        stop.set()
        await following
        await worker.communicate(b"")


def _rates(course: Course, began: int, changes: Sequence[tuple[int, float]]) -> list[_Rate]:
    """What the course allows. A ramp doubles its rate once in a second at most."""
    ceiling = course.controls.rate or 0.0
    rates = [_Rate(since=began, entries=course.controls.floor or ceiling)]
    while rates[-1].entries < ceiling:
        last = rates[-1]
        rates.append(_Rate(since=last.since + 1000, entries=min(last.entries * 2, ceiling)))
    rates += (_Rate(since=since, entries=entries) for since, entries in changes)
    for rate, following in pairwise(rates):
        rate.until = following.since + _SEEN_WITHIN_MILLIS
    return rates


def _busiest_second(moved: Sequence[int], rates: Sequence[_Rate]) -> tuple[int, float]:
    """How many the second held that was fullest for what is allowed in it, and that: the highest
    rate that the runner may have known in it, and a tenth of that."""
    seconds = []
    for number, first in enumerate(moved):
        end = first + _WINDOW_MILLIS
        known = max(rate.entries for rate in rates if rate.since < end and first < rate.until)
        seconds.append((bisect_left(moved, end) - number, known + max(1, known / 10)))
    return max(seconds, key=lambda second: second[0] / second[1])
