"""The ramp: from a floor up to the rate while things go well."""

from __future__ import annotations

from redrive.domain import Guard
from redrive.pacing.outcomes import Heard

STEP_SECONDS_AT_LEAST = 1.0
STEP_SECONDS = 5.0
_WITHOUT_A_GUARD = Guard(percent=50.0, outcomes=20)
_SHARE_OF_OUTCOMES = 10


class Ramp:
    """Doubles the rate after each ``guard.outcomes`` outcomes that went well, or each five seconds
    with a tenth of them; halves it, down to the floor, when the share that failed again is over
    half of what the guard allows. Counts as if there were a guard of 50 % of 20 where there is
    none.
    """

    def __init__(self, floor: float, ceiling: float, heard: Heard, now: float) -> None:
        self.rate = floor
        self.slowed = False
        self._floor = floor
        self._ceiling = ceiling
        self._heard = heard
        self._at = now

    def bound(self, floor: float, ceiling: float) -> None:
        """Keep within other bounds from now on."""
        self._floor, self._ceiling = floor, ceiling
        self.rate = min(max(self.rate, floor), ceiling)

    def see(self, heard: Heard, guard: Guard | None, now: float) -> None:
        """Take a step if one is due."""
        judged_by = guard or _WITHOUT_A_GUARD
        news = heard.since(self._heard)
        waited = now - self._at
        enough = max(1, judged_by.outcomes // _SHARE_OF_OUTCOMES)
        is_due = waited >= STEP_SECONDS_AT_LEAST and news.outcomes >= judged_by.outcomes
        is_due = is_due or (waited >= STEP_SECONDS and news.outcomes >= enough)
        if not is_due:
            return
        self.slowed = news.percent_failed > judged_by.percent / 2
        wanted = self.rate / 2 if self.slowed else self.rate * 2
        self.rate = min(max(wanted, self._floor), self._ceiling)
        self._heard, self._at = heard, now
