"""Ending in order: by a signal, or because one part has failed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from redrive.errors import RedriveError


@contextlib.asynccontextmanager
async def stop_on_signals() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets; a second signal ends the task inside at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, asked)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def run_together(stop: asyncio.Event, loops: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run the loops until all have ended; the first one to end makes the others stop.

    What they raised comes as one ExceptionGroup. Nobody is cut off: a runner settles the batch
    that it has in hand before it ends.
    """
    problems: list[Exception] = []

    async def one(loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
            if not stop.is_set():
                raise RedriveError(f"{loop} has ended by itself")
        except Exception as error:
            problems.append(error)
        finally:
            stop.set()

    async with asyncio.TaskGroup() as tasks:
        for loop in loops:
            tasks.create_task(one(loop))
    if problems:
        raise ExceptionGroup("a part of Redrive has failed", problems)
