"""A clock that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """:class:`redrive.ports.Clock` that stands still until it is moved."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, **amount: float) -> None:
        """Move on by a timedelta's keywords, such as ``seconds=5``."""
        self._now += timedelta(**amount)

    def set(self, now: datetime) -> None:
        """Stand at ``now``."""
        self._now = now
