"""The sample workload as the console's command sees it: start it, stop it, heal it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import redis.asyncio

from redrive.embedded import guard
from redrive.errors import RedriveError, StoreUnavailable

HEALED_KEY = "redrive-demo:healed"
STOP_SECONDS = 10.0


async def run_workload(
    url: str, stop: asyncio.Event, *, jobs_per_second: float, heal_seconds: float
) -> None:
    """Run producers, workers and receiver in a process of their own until ``stop``.

    The process ends with this one, even by SIGKILL. Raises RedriveError if it ends by itself.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(Path(guard.__file__)), str(os.getpid())),
        *(sys.executable, "-m", "redrive.demo.workload"),
        env={
            **os.environ,
            "DEMO_REDIS_URL": url,
            "DEMO_JOBS_PER_SECOND": str(jobs_per_second),
            "DEMO_HEAL_SECONDS": str(heal_seconds),
        },
        start_new_session=True,
    )
    ended, told = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            raise RedriveError(f"The sample workload ended by itself: {process.returncode}.")
    finally:
        told.cancel()
        await _end(process)
        await ended


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()


async def heal(url: str) -> None:
    """Tell the sample's receiver to recover. Raises StoreUnavailable if its Redis is not up."""
    client = redis.asyncio.Redis.from_url(url)
    try:
        await client.set(HEALED_KEY, "yes")
    except redis.RedisError as error:
        raise StoreUnavailable(
            "The demo's Redis cannot be reached; is 'redrive demo' running?"
        ) from error
    finally:
        await client.aclose()
