"""``python -m benchmarks.busy_worker REDIS_URL QUEUE``: a worker whose jobs do nothing.

Says ``ready`` and works until its input ends.
"""

from __future__ import annotations

import asyncio
import sys

from bullmq import Job, Worker

_CONCURRENCY = 50


async def _work(_job: Job, _token: str) -> None:
    """Done at once."""


async def main(url: str, queue: str) -> None:
    worker = Worker(queue, _work, {"connection": url, "concurrency": _CONCURRENCY})
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await worker.close(force=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
