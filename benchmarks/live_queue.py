"""``python -m benchmarks.live_queue REDIS_URL``: a queue with a worker that has nothing to do with
the failures.

Says ``ready`` and adds a job every ten milliseconds until its input ends. Then it says as JSON what
each job waited from its being added to its being worked (``waits``) and what each PING took
(``pings``): pairs of when it began, in milliseconds since 1970, and how many milliseconds it took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from time import perf_counter

from bullmq import Job, Queue, Worker
from redis.asyncio import Redis

_NAME = "live"
_EVERY_SECONDS = 0.01


class _Samples(list[tuple[float, float]]):
    """Pairs of a beginning and a length, both in milliseconds."""

    def add(self, began: float) -> None:
        """Something that began at this reading of ``perf_counter`` is over now."""
        length = (perf_counter() - began) * 1000
        self.append((time.time() * 1000 - length, length))


async def main(url: str) -> None:
    waits, pings = _Samples(), _Samples()
    begins: dict[str, float] = {}
    idle = asyncio.Event()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))

    async def work(job: Job, _token: str) -> None:
        waits.add(begins.pop(job.id))
        if not begins and ended.done():
            idle.set()

    queue = Queue(_NAME, {"connection": url})
    worker = Worker(_NAME, work, {"connection": url, "concurrency": 4})
    client = Redis.from_url(url)
    await client.ping()
    print("ready", flush=True)
    number = 0
    while not ended.done():
        number += 1
        began = begins[f"job-{number}"] = perf_counter()
        await queue.add("tick", {}, {"removeOnComplete": True, "jobId": f"job-{number}"})
        asked = perf_counter()
        await client.ping()
        pings.add(asked)
        await asyncio.sleep(max(0.0, _EVERY_SECONDS - (perf_counter() - began)))
    if begins:
        await idle.wait()
    await worker.close()
    await queue.close()
    await client.aclose()
    print(json.dumps({"waits": waits, "pings": pings}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
