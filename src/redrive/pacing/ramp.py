"""The ramp: from a floor up to the rate while things go well."""

from __future__ import annotations

from redrive.domain import Controls, Guard
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


def seconds_to_hand_over(total: int, controls: Controls, usual: float) -> float:
    """How long so many entries take while all goes well and outcomes come at once; ``usual`` is
    the rate at which the queues and the ledger let them pass."""
    ceiling = usual if controls.rate is None else controls.rate
    rate = ceiling if controls.floor is None else controls.floor
    judged_by = controls.guard or _WITHOUT_A_GUARD
    left, seconds = float(total), 0.0
    while rate < min(ceiling, usual):
        step = _step_seconds(rate, judged_by)
        if rate * step >= left:
            break
        left -= rate * step
        seconds += step
        rate = min(rate * 2, ceiling)
    return seconds + left / min(rate, usual)


def _step_seconds(rate: float, judged_by: Guard) -> float:
    """How long it takes to the next step where an outcome comes of each hand-over."""
    with_all = max(STEP_SECONDS_AT_LEAST, judged_by.outcomes / rate)
    enough = max(1, judged_by.outcomes // _SHARE_OF_OUTCOMES)
    return min(with_all, max(STEP_SECONDS, enough / rate))
