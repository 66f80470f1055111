"""Waiting for a condition, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import text

WAITING = text(
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
"""A row for each transaction of a PostgreSQL database that waits for another one's lock."""


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Return as soon as ``condition`` holds; fail, naming ``what``, if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds in vain: {what}")
        time.sleep(0.02)


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 30.0
) -> None:
    """As :func:`until`, for a condition that is awaited; the event loop goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds in vain: {what}")
        await asyncio.sleep(0.02)
