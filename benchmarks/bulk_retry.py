"""A bulk retry with ledger, items and progress, beside a plain per-entry loop in the same run."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from bullmq import Job, Queue
from sqlalchemy import select, update

from benchmarks.report import Measured, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs, take_in
from redrive.domain import Actor, EntryState, OperationKind, OperationState, Scope, StartRequest
from redrive.ledger.schema import entries
from redrive.settings import Settings, load_settings
from redrive.wiring import Services, build_runner, open_services
from tests.support.servers import PostgresServer, RedisServer, running_redis

_ACTOR = Actor(name="bench", origin="cli")


async def run(*, count: int, loop_count: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redrive-bench-")))
        server = stack.enter_context(running_redis(folder / "redis", appendonly=False))
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        for backend in ("sqlite", "postgresql"):
            bulk: list[float] = []
            starts: list[float] = []
            loop: list[float] = []
            for repeat in range(repeats):
                url = (
                    f"sqlite:///{folder / f'bulk-{repeat}.db'}"
                    if backend == "sqlite"
                    else postgres.create_database()
                )
                settings = load_settings(data_dir=folder, redis_url=server.url, database_url=url)
                rate, start = await _bulk(settings, server, count)
                bulk.append(rate)
                starts.append(start * 1000)
                url = (
                    url.replace("bulk", "loop")
                    if backend == "sqlite"
                    else postgres.create_database()
                )
                settings = load_settings(data_dir=folder, redis_url=server.url, database_url=url)
                loop.append(await _loop(settings, server, loop_count))
            rows = [
                Measured(name="per-entry loop", unit="entries/s", values=loop),
                Measured(name="redrive bulk retry", unit="entries/s", values=bulk),
            ]
            show(f"Bulk retry of {count:,} entries, {backend}", rows, beside="per-entry loop")
            answer = Measured(name="answer to the start", unit="ms", values=starts)
            show("", [answer])
            save(f"bulk-retry-{backend}", [*rows, answer])


async def _bulk(settings: Settings, server: RedisServer, count: int) -> tuple[float, float]:
    """Entries per second of a bulk retry of everything, and seconds until its start answered."""
    seed_failed_jobs(server, count)
    async with open_services(settings, migrate_first=True) as services:
        await take_in(services)
        began = perf_counter()
        request = StartRequest(
            kind=OperationKind.RETRY, scope=Scope.everything(), actor=_ACTOR, reason="benchmark"
        )
        operation, _ = await services.recovery.start(request)
        answered = perf_counter() - began
        began = perf_counter()
        await build_runner(services).run(operation.operation_id)
        seconds = perf_counter() - began
        finished = await services.overview.operation(operation.operation_id)
        if finished.state is not OperationState.COMPLETED or finished.requeued != count:
            raise RuntimeError(f"the operation ended as {finished}")
    return count / seconds, answered


async def _loop(settings: Settings, server: RedisServer, count: int) -> float:
    """Entries per second of what teams write today: check, reset, remove, add, count."""
    seed_failed_jobs(server, count)
    async with open_services(settings, migrate_first=True) as services:
        await take_in(services)
        rows = await services.database.rows(select(entries.c.id, entries.c.job_id))
        queue = Queue(QUEUE, {"connection": server.url})
        began = perf_counter()
        for row in rows:
            await _retry_one(services, queue, row.id, row.job_id)
        seconds = perf_counter() - began
        await queue.close()
    return len(rows) / seconds


async def _retry_one(services: Services, queue: Queue, entry_pk: int, job_id: str) -> None:
    if await queue.getJobState(job_id) != "failed":
        return
    statement = update(entries).where(entries.c.id == entry_pk)
    await services.database.write(
        lambda connection: connection.execute(statement.values(state=EntryState.QUEUED))
    )
    job = await Job.fromId(queue, job_id)
    if job is None:
        return
    await job.remove()
    await queue.add(job.name, {**job.data, "isRescan": True}, {"jobId": job_id, "attempts": 3})
    await services.redis.hincrby("benchmark:progress", "completed", 1)
