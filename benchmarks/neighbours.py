"""What a bulk retry does to a live queue on the same Redis."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import func, select

from benchmarks.bulk_retry import ACTOR, run_processes
from benchmarks.report import Measured, NotMeasuredError, percentile, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import OperationKind, Scope, StartRequest, to_millis
from redrive.ledger.schema import entries
from redrive.settings import Settings
from redrive.wiring import open_services
from tests.support.servers import RedisServer

T = TypeVar("T")

_SLOW_MICROSECONDS = 1000
_SLOW_CALLS = 4096

Sample = tuple[float, float]
"""When it began, in milliseconds since 1970, and how many milliseconds it took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOvers:
    """From the first to the end of the last one, in milliseconds since 1970, and the longest."""

    first: float
    last: float
    longest: float


async def run(world: World, *, count: int, repeats: int, alone_seconds: float) -> None:
    """Measure on PostgreSQL: the latencies of a live queue's jobs, alone and beside a retry.

    Beside it are those that were under way at any time from its first hand-over to its last.
    """
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(repeats):
        seed_failed_jobs(world.server, count)
        settings = world.ledger("postgresql")
        async with open_services(settings, migrate_first=True) as services:
            await take_in(services)
        alone, _ = await _live(world.server, partial(asyncio.sleep, alone_seconds))
        _note(found, "alone", {name: [sample[1] for sample in alone[name]] for name in alone})
        live, during = await _live(world.server, partial(_retry_all, settings, world.server))
        beside = {name: under_way(live[name], during.first, during.last) for name in live}
        _note(found, "beside", beside)
        found["all hand-overs", "ms"].append(during.last - during.first)
        found["live jobs beside them", "jobs"].append(len(beside["waits"]))
        found["longest call of the requeue script", "ms"].append(during.longest)
        world.drop(settings)
    rows = [Measured(name=name, unit=unit, values=values) for (name, unit), values in found.items()]
    show(f"A live queue beside a bulk retry of {count:,}", rows)
    save("neighbours", rows)


def under_way(samples: Sequence[Sample], first: float, last: float) -> list[float]:
    """The lengths of those that were under way at any time from ``first`` to ``last``.

    Raises NotMeasuredError if there are none: then nothing was measured beside.
    """
    found = [length for began, length in samples if began <= last and began + length >= first]
    if not found:
        raise NotMeasuredError("the live queue did nothing while jobs were handed over")
    return found


def _note(
    found: dict[tuple[str, str], list[float]], when: str, lengths: dict[str, list[float]]
) -> None:
    for share in (50, 95, 99):
        wait = percentile(lengths["waits"], share)
        found[f"live job, p{share}, {when}", "ms"].append(wait)
    found[f"PING, p99, {when}", "ms"].append(percentile(lengths["pings"], 99))
    found[f"PING, longest, {when}", "ms"].append(max(lengths["pings"]))


async def _retry_all(settings: Settings, server: RedisServer) -> HandOvers:
    """Retry everything by a runner process, and tell when its hand-overs were."""
    client = server.client()
    client.config_set("slowlog-log-slower-than", _SLOW_MICROSECONDS)
    client.config_set("slowlog-max-len", _SLOW_CALLS)
    client.slowlog_reset()
    async with open_services(settings) as services:
        request = StartRequest(kind=OperationKind.RETRY, scope=Scope.everything(), actor=ACTOR)
        operation, _ = await services.recovery.start(request)
        await run_processes(settings, [operation.operation_id])
        moved = select(func.min(entries.c.moved_at), func.max(entries.c.moved_at))
        first, last = (to_millis(time) for time in (await services.database.rows(moved))[0])
    key = f"bull:{QUEUE}:".encode()
    calls = [call["duration"] for call in client.slowlog_get(_SLOW_CALLS) if key in call["command"]]
    client.close()
    longest = max(calls, default=0) / 1000
    # A call's jobs carry the time at which it began.
    return HandOvers(first=first, last=last + longest, longest=longest)


async def _live(
    server: RedisServer, meanwhile: Callable[[], Awaitable[T]]
) -> tuple[dict[str, list[Sample]], T]:
    """What a live queue's jobs waited and its PINGs took while something else went on, and what
    that returned."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.live_queue", server.url),
        stdin=PIPE,
        stdout=PIPE,
        limit=2**24,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    result = await meanwhile()
    said: dict[str, list[Sample]] = json.loads((await process.communicate(b""))[0])
    return said, result
