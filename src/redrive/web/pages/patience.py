"""Queue systems are asked for a short time only: a page does not hang because one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")

SECONDS = 2.0


async def in_time(answer: Awaitable[_T]) -> _T | None:
    """The answer; None where it takes longer than two seconds."""
    try:
        async with asyncio.timeout(SECONDS):
            return await answer
    except TimeoutError:
        return None
