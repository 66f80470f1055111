"""Real BullMQ jobs that fail, and workers that complete them, in Python."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bullmq import Job, Queue, Worker
from redis.asyncio import Redis

from tests.support.waiting import eventually

CONCURRENCY = 50


class ProviderError(Exception):
    """What the sample jobs fail with."""


async def refuse(job: Any, token: str) -> None:
    """What a worker does while the provider is down."""
    raise ProviderError(f"the provider refused {job.data.get('number')}")


async def reject(job: Any, token: str) -> None:
    """What a worker does with a job that it cannot understand."""
    raise ValueError("there is no such mailbox")


async def accept(job: Any, token: str) -> None:
    """What a worker does when all is well."""


async def run_jobs(url: str, queue: str, process: Any) -> None:
    """Let a worker run every waiting job of the queue."""
    async with working(url, queue, process), Redis.from_url(url) as client:

        async def none_is_left() -> bool:
            names = [f"bull:{queue}:{state}" for state in ("wait", "active")]
            return not any([await client.llen(name) for name in names])

        await eventually(none_is_left, "all jobs have run", 60)


async def fail_jobs(
    url: str,
    queue: str,
    jobs: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any] | None = None,
    process: Any = refuse,
) -> None:
    """Add the jobs and let a worker fail each of them; returns when all have failed."""

    producer = Queue(queue, {"connection": url})
    await producer.addBulk(
        [{"name": "deliver", "data": dict(data), "opts": dict(options or {})} for data in jobs]
    )
    await producer.close()
    async with working(url, queue, process), Redis.from_url(url) as client:

        async def all_have_failed() -> bool:
            return await client.zcard(f"bull:{queue}:failed") >= len(jobs)

        await eventually(all_have_failed, "all jobs have failed", 60)


@contextlib.asynccontextmanager
async def working(url: str, queue: str, process: Any) -> AsyncIterator[None]:
    """A worker on the queue, as long as the block runs."""
    worker = Worker(
        queue, process, {"connection": url, "concurrency": CONCURRENCY, "drainDelay": 1}
    )
    try:
        yield
    finally:
        await worker.close()


def sample_jobs(count: int, apps: int) -> list[dict[str, Any]]:
    """Data of ``count`` jobs, dealt out to ``apps`` apps."""
    return [{"app_id": f"app-{number % apps}", "number": number} for number in range(count)]


async def retry_by_library(url: str, queue: str, job_id: str) -> None:
    """Put one failed job back with BullMQ's own means, as other tools do."""
    handle = Queue(queue, {"connection": url})
    job = await Job.fromId(handle, job_id)
    await job.retry("failed")
    await handle.close()
