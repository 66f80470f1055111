"""The follower: intake of failures, and one pass of the drift check over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, process_time

from benchmarks.report import Measured, NotMeasuredError, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs
from benchmarks.worlds import World
from redrive.domain import EntryState, entry_id_of
from redrive.follower import BATCH
from redrive.garbage import collect_rarely
from redrive.ports import Engine
from redrive.settings import Settings
from redrive.wiring import build_follower, open_services
from tests.support.servers import RedisServer

_REMOVED = "7"


async def run(world: World, *, count: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    collect_rarely()
    for backend in world.backends:
        intake = Measured(name="intake of failures", unit="entries/s", values=[])
        python = Measured(name="processor time of Python for each", unit="µs", values=[])
        reading = Measured(name="of it, to read the job", unit="µs", values=[])
        check = Measured(name="one pass of the drift check", unit="s", values=[])
        for _ in range(repeats):
            settings = world.ledger(backend)
            course = await _follow(settings, world.server, count)
            intake.values.append(course.rate)
            python.values.append(course.micros)
            reading.values.append(course.micros_to_read)
            check.values.append(course.check_seconds)
            world.drop(settings)
        rows = [intake, python, reading, check]
        show(f"Following {count:,} failed jobs, {backend}", rows)
        save(f"following-{backend}", rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Course:
    """Failures taken in per second, microseconds of processor time for each, and seconds until a
    check found the one removed elsewhere."""

    rate: float
    micros: float
    micros_to_read: float
    check_seconds: float


async def _read_alone(engine: Engine) -> None:
    failures, place = await engine.failures(QUEUE, "", BATCH)
    while failures:
        failures, place = await engine.failures(QUEUE, place, BATCH)


async def _follow(settings: Settings, server: RedisServer, count: int) -> _Course:
    seed_failed_jobs(server, count)
    async with open_services(settings, migrate_first=True) as services:
        engine = services.engines["default"]
        follower = build_follower(services, engine)
        worked = process_time()
        await _read_alone(engine)
        micros_to_read = (process_time() - worked) / count * 1e6
        began, worked = perf_counter(), process_time()
        taken = await follower.scan()
        micros = (process_time() - worked) / count * 1e6
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
    return _Course(rate=rate, micros=micros, micros_to_read=micros_to_read, check_seconds=seconds)
