"""Reading a queue's failures page by page, the next one while the one before is recorded."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

from redrive.domain import Failure
from redrive.ports import Engine


class ReadAhead:
    """The pages of one queue; leaving the block ends a reading that nobody waits for."""

    def __init__(self, engine: Engine, queue: str, limit: int) -> None:
        self._engine = engine
        self._queue = queue
        self._limit = limit
        self._begun: dict[str, asyncio.Task[tuple[list[Failure], str]]] = {}

    async def __aenter__(self) -> ReadAhead:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end_others(None)

    def begin(self, place: str) -> None:
        """Read the page after this place meanwhile."""
        read = self._engine.failures(self._queue, place, self._limit)
        self._begun[place] = asyncio.ensure_future(read)

    async def page(self, place: str) -> tuple[list[Failure], str]:
        """The failures after a place, and the place after them. Raises Unavailable."""
        await self._end_others(place)
        if place not in self._begun:
            self.begin(place)
        return await self._begun.pop(place)

    async def _end_others(self, kept: str | None) -> None:
        for place in [one for one in self._begun if one != kept]:
            reading = self._begun.pop(place)
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading
