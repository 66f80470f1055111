"""Judging outcomes as they come in: how many of the last ones failed again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """Outcomes so far, and how many of them failed again."""

    outcomes: int
    failed_again: int

    def since(self, before: Heard) -> Heard:
        return Heard(
            outcomes=self.outcomes - before.outcomes,
            failed_again=self.failed_again - before.failed_again,
        )

    @property
    def percent_failed(self) -> float:
        return 100 * self.failed_again / self.outcomes if self.outcomes else 0.0


class Window:
    """The last ``size`` outcomes, or a few more where they came in together.

    Begins at ``first``, what was heard before the operation was resumed last.
    """

    def __init__(self, first: Heard) -> None:
        self._seen = deque([first])

    def see(self, now: Heard) -> None:
        """Counts that are older than those seen last change nothing."""
        if now.outcomes > self._seen[-1].outcomes:
            self._seen.append(now)

    def last(self, size: int) -> Heard | None:
        """The last outcomes; None while there are fewer than ``size``."""
        newest = self._seen[-1]
        while len(self._seen) > 1 and newest.outcomes - self._seen[1].outcomes >= size:
            self._seen.popleft()
        last = newest.since(self._seen[0])
        return last if last.outcomes >= size else None
