"""What teams do today, on the same servers in the same run: loops over a library call."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from time import perf_counter

from bullmq import Job, Queue
from redis import Redis
from rq import Queue as RQQueue
from rq.registry import FailedJobRegistry
from sqlalchemy import select, update

from benchmarks import bulk_retry
from benchmarks.report import Measured, NotMeasuredError, save, show
from benchmarks.seeding import QUEUE, seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import EntryState
from redrive.ledger.schema import entries
from redrive.wiring import Services, open_services
from tests.support.bullmq_node import FOLDER, why_no_node

LOOP, NATIVE = "per-entry loop", "library's bulk script, no ledger"
NODE = "Node job.retry() over all failed"
_RETRY_EACH = """
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
const connection = new Redis(process.argv[1], { maxRetriesPerRequest: null });
const queue = new Queue('mail', { connection });
const began = performance.now();
const failed = await queue.getFailed(0, -1);
await Promise.all(failed.map((job) => job.retry()));
console.log(JSON.stringify({ moved: failed.length, millis: performance.now() - began }));
process.exit(0);
"""
"""All failed jobs are loaded and each is retried, the way a web board's "retry all" does it."""

_QUICK = 10
"""So many times as many jobs for what is quick: over a few, its first calls would be measured."""


async def run(
    world: World, *, count: int, size: int, repeats: int, beside: dict[str, Measured]
) -> None:
    """Measure each way ``repeats`` times and show Redrive's rates beside them: those of this run
    that are given by backend, else those of bulk retries of ``size`` entries, measured here."""
    common = [
        Measured(name=NATIVE, unit="jobs/s", values=[]),
        Measured(name="RQ requeue, one by one", unit="jobs/s", values=[]),
    ]
    ways = [_native, _rq]
    if missing := why_no_node():
        print(f"Without job.retry() in Node.js: {missing}")
    else:
        common.append(Measured(name=NODE, unit="jobs/s", values=[]))
        ways.append(_node)
    for _ in range(repeats):
        for row, way in zip(common, ways, strict=True):
            row.values.append(await way(world, count))
    for backend in world.backends:
        loop = Measured(name=LOOP, unit="entries/s", values=[])
        for _ in range(repeats):
            loop.values.append(await _loop(world, backend, count))
        own = beside.get(backend)
        if own is None:
            own = await bulk_retry.rate(world, backend, size=size, repeats=repeats)
        redrive = replace(own, name=f"Redrive, {own.name}")
        rows = [loop, *common, redrive]
        title = f"Other ways to put {count:,} jobs back (the script and Node {count * _QUICK:,})"
        show(f"{title}, {backend}", rows, beside=LOOP)
        show(f"Beside the library's own script, {backend}", [common[0], redrive], beside=NATIVE)
        save(f"others-{backend}", rows)


async def _native(world: World, count: int) -> float:
    """Jobs per second of the library's own bulk retry."""
    count *= _QUICK
    seed_failed_jobs(world.server, count)
    queue = Queue(QUEUE, {"connection": world.server.url})
    began = perf_counter()
    await queue.retryJobs({"state": "failed", "count": 1000})
    seconds = perf_counter() - began
    left = await queue.getFailedCount()
    await queue.close()
    if left:
        raise NotMeasuredError(f"{left} jobs are still failed")
    return count / seconds


async def _rq(world: World, count: int) -> float:
    """Jobs per second of RQ's requeue over its registry of failed jobs."""
    return await asyncio.to_thread(_rq_now, world, count)


def _rq_now(world: World, count: int) -> float:
    connection = Redis.from_url(world.server.url)
    connection.flushall()
    queue = RQQueue("mail", connection=connection)
    registry = FailedJobRegistry(queue=queue)
    for number in range(count):
        job = queue.enqueue("json.dumps", number)
        queue.remove(job)
        registry.add(job, ttl=-1)
    began = perf_counter()
    for job_id in registry.get_job_ids():
        registry.requeue(job_id)
    seconds = perf_counter() - began
    connection.close()
    return count / seconds


async def _node(world: World, count: int) -> float:
    """Jobs per second of retrying every failed job by itself in Node.js."""
    count *= _QUICK
    seed_failed_jobs(world.server, count)
    said = await asyncio.to_thread(
        subprocess.run,
        ["node", "--input-type=module", "-e", _RETRY_EACH, world.server.url],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(said.stdout)
    if found["moved"] != count:
        raise NotMeasuredError(f"{found['moved']} of {count} jobs were moved")
    return count * 1000 / float(found["millis"])


async def _loop(world: World, backend: str, count: int) -> float:
    """Entries per second of what teams write today: check, reset, remove, add, count."""
    seed_failed_jobs(world.server, count)
    settings = world.ledger(backend)
    async with open_services(settings, migrate_first=True) as services:
        await take_in(services)
        rows = await services.database.rows(select(entries.c.id, entries.c.job_id))
        queue = Queue(QUEUE, {"connection": world.server.url})
        began = perf_counter()
        for row in rows:
            await _retry_one(services, queue, row.id, row.job_id)
        seconds = perf_counter() - began
        await queue.close()
    world.drop(settings)
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
