"""The sample's producers and workers, a process of its own beside the console.

Started as ``python -m redrive.demo.workload`` with ``DEMO_REDIS_URL``, ``DEMO_JOBS_PER_SECOND``
and ``DEMO_HEAL_SECONDS``. Nothing in it serves the console: it is what a team already has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator

import httpx
import redis.asyncio
from bullmq import Queue, Worker
from bullmq.custom_errors import UnrecoverableError
from bullmq.job import Job

from redrive.demo.apps import QUEUES, SampleApp, choose_app, sample_job, sample_options
from redrive.demo.control import HEALED_KEY
from redrive.demo.service import Receiver

DELIVERY_SECONDS = 0.75
CONCURRENCY = 10
TICK_SECONDS = 0.2
CLOSE_SECONDS = 5.0


class DeliveryRejectedError(UnrecoverableError):  # type: ignore[misc]  # bullmq ships no types
    """The receiver will never accept this delivery."""


class Deliverer:
    """Delivers one job over HTTP, as any team's worker would."""

    def __init__(self, receiver: Receiver, client: httpx.AsyncClient) -> None:
        self._receiver = receiver
        self._client = client

    async def __call__(self, job: Job, token: str) -> object:
        """Returns the receiver's answer; raises httpx's own errors, or DeliveryRejectedError."""
        answer = await self._client.post(
            self._receiver.url_for(job.data["app_id"]),
            json=job.data,
            headers={"X-Rescan": str(bool(job.data.get("isRescan"))).lower()},
        )
        try:
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
                raise DeliveryRejectedError(answer.json()["error"]) from error
            raise
        return answer.json()


async def run(url: str, jobs_per_second: float, heal_seconds: float) -> None:
    """Until SIGTERM or SIGINT: produce, work, and heal when told to or after ``heal_seconds``.

    A queue or a worker whose Redis has gone waits for it for ever and cannot be cancelled. Its
    Redis has gone because the demo was killed, so nobody waits for an orderly end.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        loop.call_later(CLOSE_SECONDS, os._exit, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    client = redis.asyncio.Redis.from_url(url)
    await client.delete(HEALED_KEY)
    receiver = Receiver()
    async with (
        httpx.AsyncClient(timeout=DELIVERY_SECONDS) as http,
        receiver.running(),
        _workers(url, Deliverer(receiver, http)),
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(_produce(url, jobs_per_second, stop))
        tasks.create_task(_heal(client, receiver, heal_seconds, stop))
    await client.aclose()


@contextlib.asynccontextmanager
async def _workers(url: str, deliver: Deliverer) -> AsyncIterator[None]:
    workers = [
        Worker(
            queue,
            deliver,
            {"connection": url, "concurrency": CONCURRENCY, "drainDelay": 1, "runRetryDelay": 500},
        )
        for queue in QUEUES
    ]
    try:
        yield
    finally:
        await asyncio.gather(*(worker.close() for worker in workers))


async def _produce(url: str, jobs_per_second: float, stop: asyncio.Event) -> None:
    """Add jobs at a steady pace, in small groups."""
    queues = {name: Queue(name, {"connection": url}) for name in QUEUES}
    dice = random.Random()  # noqa: S311 - a sample needs no secrets
    number, owed = 0, 0.0
    try:
        while not await _stopped(stop, TICK_SECONDS):
            owed += jobs_per_second * TICK_SECONDS
            while owed >= 1:
                owed -= 1
                number += 1
                app: SampleApp = choose_app(dice)
                with contextlib.suppress(redis.RedisError):
                    await queues[app.queue].add(
                        app.job_name, sample_job(app, number, dice), sample_options(app, dice)
                    )
    finally:
        for queue in queues.values():
            await queue.close()


async def _heal(
    client: redis.asyncio.Redis, receiver: Receiver, heal_seconds: float, stop: asyncio.Event
) -> None:
    deadline = time.monotonic() + heal_seconds
    while not await _stopped(stop, TICK_SECONDS):
        told = False
        with contextlib.suppress(redis.RedisError):
            told = bool(await client.exists(HEALED_KEY))
        if told or time.monotonic() >= deadline:
            receiver.healed.set()
            with contextlib.suppress(redis.RedisError):
                await client.set(HEALED_KEY, "yes")
            return


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def main() -> None:
    asyncio.run(
        run(
            os.environ["DEMO_REDIS_URL"],
            float(os.environ["DEMO_JOBS_PER_SECOND"]),
            float(os.environ["DEMO_HEAL_SECONDS"]),
        )
    )


if __name__ == "__main__":
    main()
