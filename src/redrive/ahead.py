"""Reading a queue's failures page by page, the next one while the one before is recorded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

from redrive.domain import Failure
from redrive.ports import Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class FailuresRead:
    """Failures after a place, and the place after them; ``known`` is the newest failure that the
    ledger had before they were read."""

    failures: list[Failure]
    after: str
    known: int


class ReadAhead:
    """The pages of one queue; leaving the block ends a reading that nobody waits for."""

    def __init__(
        self,
        engine: Engine,
        newest_failure: Callable[[], Awaitable[int]],
        queue: str,
        limit: int,
    ) -> None:
        self._engine = engine
        self._newest_failure = newest_failure
        self._queue = queue
        self._limit = limit
        self._begun: dict[str, asyncio.Task[FailuresRead]] = {}

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
        self._begun[place] = asyncio.ensure_future(self._read(place))

    async def page(self, place: str) -> FailuresRead | None:
        """The page after a place; None if there is nothing more. Raises Unavailable.

        Most queues have nothing new when they are looked at, and cost the ledger nothing then.
        """
        await self._end_others(place)
        if place not in self._begun:
            first, _ = await self._engine.failures(self._queue, place, 1)
            if not first:
                return None
            self.begin(place)
        page = await self._begun.pop(place)
        return page if page.failures else None

    async def _read(self, place: str) -> FailuresRead:
        known = await self._newest_failure()
        failures, after = await self._engine.failures(self._queue, place, self._limit)
        return FailuresRead(failures=failures, after=after, known=known)

    async def _end_others(self, kept: str | None) -> None:
        for place in [one for one in self._begun if one != kept]:
            reading = self._begun.pop(place)
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading
