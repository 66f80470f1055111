"""The pacer: no second in which more than the rate and a tenth of it is handed over.

A leaky bucket. Its level, in entries, sinks by the rate and never rises over the allowance (a
tenth of the rate, one entry at least); so what comes in within any second is the rate and one
allowance at most. What is handed over counts from the moment it was done, so that a hand-over that
took long is never caught up with.
"""

from __future__ import annotations

import math

_SECOND = 1.0
_ROUNDING = 1e-9


class Pacer:
    """Says how long to wait. Driven by its caller's clock, in seconds that only go up.

    A ``full`` one begins as if it had just handed over what it may: another runner may have.
    """

    def __init__(self, rate: float, most: int, now: float, *, full: bool) -> None:
        self._most = most
        self._rate = rate
        self._level = self.allowance if full else 0.0
        self._at = now
        self._not_before = now

    @property
    def rate(self) -> float:
        return self._rate

    @property
    def allowance(self) -> float:
        """What may be handed over at once, at most."""
        return max(1.0, self._rate / 10)

    @property
    def batch(self) -> int:
        """Half the allowance, so that a hand-over that is a little late is made up for."""
        return max(1, min(self._most, math.floor(self.allowance / 2)))

    def wait(self, now: float, entries: int, ahead: int = 0) -> float:
        """Seconds until so many entries may be handed over together, after those ``ahead``."""
        level = max(0.0, self._level - (now - self._at) * self._rate)
        over = level + ahead + entries - max(self.allowance, entries)
        due = over / self._rate if over > _ROUNDING / 2 else 0.0
        return max(due, self._not_before - now, 0.0)

    def handed_over(self, entries: int, now: float) -> None:
        """So many have been handed over, just now at the latest."""
        self._sink(now)
        self._level += entries
        self._keep_below(now)

    def change(self, rate: float, now: float) -> None:
        """Go at another rate from now on."""
        self._sink(now)
        self._rate = rate
        self._keep_below(now)

    def _keep_below(self, now: float) -> None:
        """Of a batch of a much higher rate too much would be left to sink: the lower rate begins
        when no second holds both."""
        if self._level > self.allowance * (1 + _ROUNDING):
            self._level = self.allowance
            self._not_before = now + _SECOND

    def _sink(self, now: float) -> None:
        self._level = max(0.0, self._level - (now - self._at) * self._rate)
        self._at = now
