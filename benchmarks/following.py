"""The follower: intake of failures, and one pass of the drift check over all of them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.report import Measured, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs
from redrive.domain import EntryState, entry_id_of
from redrive.settings import Settings, load_settings
from redrive.wiring import build_follower, open_services
from tests.support.servers import PostgresServer, RedisServer, running_redis

_REMOVED = "7"


async def run(*, count: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redrive-bench-")))
        server = stack.enter_context(running_redis(folder / "redis", appendonly=False))
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        for backend in ("sqlite", "postgresql"):
            intake: list[float] = []
            check: list[float] = []
            for repeat in range(repeats):
                url = (
                    f"sqlite:///{folder / f'follow-{repeat}.db'}"
                    if backend == "sqlite"
                    else postgres.create_database()
                )
                settings = load_settings(data_dir=folder, redis_url=server.url, database_url=url)
                rate, seconds = await _follow(settings, server, count)
                intake.append(rate)
                check.append(seconds)
            rows = [
                Measured(name="intake of failures", unit="entries/s", values=intake),
                Measured(name="one pass of the drift check", unit="s", values=check),
            ]
            show(f"Following {count:,} failed jobs, {backend}", rows)
            save(f"following-{backend}", rows)


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
            raise RuntimeError(f"{taken} of {count} taken in; the removed one is {found.entry}")
    return rate, seconds
