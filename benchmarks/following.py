"""The follower: intake of failures, and one pass of the drift check over all of them."""

from __future__ import annotations

from time import perf_counter

from benchmarks.report import Measured, NotMeasuredError, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs
from benchmarks.worlds import World
from redrive.domain import EntryState, entry_id_of
from redrive.garbage import collect_rarely
from redrive.settings import Settings
from redrive.wiring import build_follower, open_services
from tests.support.servers import RedisServer

_REMOVED = "7"


async def run(world: World, *, count: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    collect_rarely()
    for backend in world.backends:
        intake = Measured(name="intake of failures", unit="entries/s", values=[])
        check = Measured(name="one pass of the drift check", unit="s", values=[])
        for _ in range(repeats):
            settings = world.ledger(backend)
            rate, seconds = await _follow(settings, world.server, count)
            intake.values.append(rate)
            check.values.append(seconds)
            world.drop(settings)
        show(f"Following {count:,} failed jobs, {backend}", [intake, check])
        save(f"following-{backend}", [intake, check])


async def _follow(settings: Settings, server: RedisServer, count: int) -> tuple[float, float]:
    """Failures taken in per second, and seconds until a check found the one removed elsewhere."""
    seed_failed_jobs(server, count)
    async with open_services(settings, migrate_first=True) as services:
        follower = build_follower(services, services.engines["default"])
        began = perf_counter()
        taken = await follower.scan()
        rate = taken / (perf_counter() - began)
        client = server.client()
        client.zrem(f"bull:{QUEUE}:failed", _REMOVED)
        client.delete(f"bull:{QUEUE}:{_REMOVED}")
        client.close()
        began = perf_counter()
        await follower.check_entries()
        seconds = perf_counter() - began
        found = await services.overview.entry(entry_id_of("default", QUEUE, _REMOVED))
        if taken != count or found.entry.state is not EntryState.VANISHED:
            raise NotMeasuredError(f"{taken} of {count} taken in; the removed one is {found.entry}")
    return rate, seconds
