"""The rhythm of work that keeps a ledger in order, and that has to be in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from redrive.errors import Unavailable

log = structlog.get_logger()

BATCH_ROWS = 250

_HOUR_SECONDS = 3600.0
_AFTER_ERROR_SECONDS = 30.0
_WHILE_AT_WORK_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.005


class Batch(Protocol):
    """What one short transaction did."""

    @property
    def more(self) -> bool:
        """Whether there may be more to do."""


B = TypeVar("B", bound=Batch)


class Housekeeping:
    """Batches with pauses between them, passes with hours between them, until ``stop`` is set.

    Each batch is followed by a pause as long as the batch took, so that the work takes half of one
    connection's time at most. While an operation is at work it waits.
    """

    def __init__(
        self, stop: asyncio.Event | None, while_at_work_seconds: float | None = None
    ) -> None:
        self._stop = stop or asyncio.Event()
        self._while_at_work_seconds = (
            _WHILE_AT_WORK_SECONDS if while_at_work_seconds is None else while_at_work_seconds
        )

    async def passes(
        self,
        work: Callable[[], Awaitable[object]],
        name: str,
        *,
        every_seconds: float = _HOUR_SECONDS,
        while_away_seconds: float = _AFTER_ERROR_SECONDS,
    ) -> None:
        """Work now and again and again; sooner while a store or a queue system is away."""
        while not self._stop.is_set():
            wait = every_seconds
            try:
                await work()
            except Unavailable as error:
                wait = while_away_seconds
                log.warning(f"{name}_waits", error=str(error), seconds=wait)
            except Exception:
                # What nobody thought of: operations go on beside it.
                wait = min(every_seconds, _AFTER_ERROR_SECONDS)
                log.exception(f"{name}_failed", seconds=wait)
            await self._pause(wait)

    async def batches(self, take: Callable[[], Awaitable[B | None]]) -> AsyncIterator[B]:
        """One batch after the other, to the last one; ``take`` returns None while an operation is
        at work."""
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            began = loop.time()
            batch = await take()
            if batch is None:
                await self._pause(self._while_at_work_seconds)
                continue
            yield batch
            if not batch.more:
                return
            await self._pause(max(loop.time() - began, _SHORTEST_PAUSE_SECONDS))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
