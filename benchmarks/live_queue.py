"""``python -m benchmarks.live_queue REDIS_URL SECONDS``: a queue with a worker that has nothing to
do with the failures.

Adds a job every ten milliseconds, and says as JSON the milliseconds that each took from its being
added to its being worked, and those that a PING took.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter

from bullmq import Job, Queue, Worker
from redis.asyncio import Redis

_NAME = "live"
_EVERY_SECONDS = 0.01


async def main(url: str, seconds: float) -> None:
    waits: list[float] = []
    pings: list[float] = []
    begins: dict[str, float] = {}
    idle = asyncio.Event()
    end = perf_counter() + seconds

    async def work(job: Job, _token: str) -> None:
        waits.append((perf_counter() - begins.pop(job.id)) * 1000)
        if not begins and perf_counter() >= end:
            idle.set()

    queue = Queue(_NAME, {"connection": url})
    worker = Worker(_NAME, work, {"connection": url, "concurrency": 4})
    client = Redis.from_url(url)
    await client.ping()
    print("ready", flush=True)
    number = 0
    options = {"removeOnComplete": True}
    while perf_counter() < end:
        number += 1
        began = begins[f"job-{number}"] = perf_counter()
        await queue.add("tick", {}, {**options, "jobId": f"job-{number}"})
        asked = perf_counter()
        await client.ping()
        pings.append((perf_counter() - asked) * 1000)
        await asyncio.sleep(max(0.0, _EVERY_SECONDS - (perf_counter() - began)))
    if begins:
        await idle.wait()
    await worker.close()
    await queue.close()
    await client.aclose()
    print(json.dumps({"waits": waits, "pings": pings}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
