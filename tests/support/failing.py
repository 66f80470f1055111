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


async def fail_jobs(
    url: str,
    queue: str,
    jobs: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Add the jobs and let a worker fail each of them; returns when all have failed."""

    async def fail(job: Any, token: str) -> None:
        raise ProviderError(f"the provider refused {job.data.get('number')}")

    producer = Queue(queue, {"connection": url})
    await producer.addBulk(
        [{"name": "deliver", "data": dict(data), "opts": dict(options or {})} for data in jobs]
    )
    await producer.close()
    async with working(url, queue, fail), Redis.from_url(url) as client:

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
