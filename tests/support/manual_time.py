"""Time that passes when a runner waits, and lets things happen meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from redrive.wiring import SystemClock


async def _nothing() -> None:
    """What happens while a runner waits, unless a test says otherwise."""


class ManualTime:
    """:class:`redrive.pacing.Time` and :class:`redrive.ports.Clock`: the machine's, and ahead of
    it by what was waited for. ``meanwhile`` is called at each wait, one after the other."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing
        self.waited = 0.0
        self._one_at_a_time = asyncio.Lock()

    def now(self) -> datetime:
        return SystemClock().now() + timedelta(seconds=self.waited)

    def seconds(self) -> float:
        return self.waited

    async def wait(self, seconds: float) -> None:
        async with self._one_at_a_time:
            self.waited += seconds
            await self.meanwhile()
