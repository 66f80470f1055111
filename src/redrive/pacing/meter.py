"""The meter: how much was handed over lately."""

from __future__ import annotations

from collections import deque

SECONDS = 5.0


class Meter:
    """Entries per second over the last five seconds, or since it began."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._noted: deque[tuple[float, int]] = deque()
        self._sum = 0

    def note(self, entries: int, now: float) -> None:
        self._noted.append((now, entries))
        self._sum += entries
        self._forget(now)

    def rate(self, now: float) -> float:
        self._forget(now)
        return round(self._sum / min(SECONDS, max(now - self._began, 1.0)), 1)

    def _forget(self, now: float) -> None:
        while self._noted and self._noted[0][0] <= now - SECONDS:
            self._sum -= self._noted.popleft()[1]
