"""The pacer: over any second no more than the rate and one batch of at most a tenth of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.pacing.pacer import Pacer

MOST = 1000
SLACK = 1e-6


@dataclass
class Runner:
    """Hands over as fast as its pacer lets it, through stalls, takeovers and changes of rate."""

    rate: float
    now: float = 0.0
    handed_over: list[tuple[float, int]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.rate, MOST, self.now, full=False)
        self.rates.append((self.now, self.rate))

    def hand_over(self, stall: float, latency: float, late: float) -> None:
        """Claim, wait, and move: the move happens somewhere within its latency."""
        entries = self.pacer.batch
        self.now += stall
        self.now += self.pacer.wait(self.now, entries)
        self.handed_over.append((self.now + latency * late, entries))
        self.now += latency
        self.pacer.handed_over(entries, self.now)

    def change(self, rate: float) -> None:
        self.pacer.change(rate, self.now)
        self.rates.append((self.now, rate))

    def take_over(self) -> None:
        rate = self.rates[-1][1]
        self.pacer = Pacer(rate, MOST, self.now, full=True)

    def check(self) -> None:
        for number, (start, _) in enumerate(self.handed_over):
            window = [n for at, n in self.handed_over[number:] if at < start + 1 - SLACK]
            highest = max(
                rate
                for (since, rate), until in zip(
                    self.rates, [at for at, _ in self.rates[1:]] + [math.inf], strict=True
                )
                if since <= start + 1 and until >= start - 1
            )
            assert sum(window) <= highest + max(1.0, highest / 10) + SLACK


rates = st.one_of(st.floats(0.05, 20), st.floats(20, 10_000))
stalls = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 5))
hand_overs = st.tuples(stalls, st.floats(0, 0.05) | st.floats(0, 3), st.floats(0, 1))
turns = st.one_of(hand_overs, hand_overs, hand_overs, rates, st.none())


@settings(max_examples=300, deadline=None)
@given(rate=rates, steps=st.lists(turns, max_size=60))
def test_no_second_holds_more_than_the_rate_and_a_tenth(
    rate: float, steps: list[tuple[float, float, float] | float | None]
) -> None:
    runner = Runner(rate)
    for step in steps:
        if step is None:
            runner.take_over()
        elif isinstance(step, tuple):
            runner.hand_over(*step)
        else:
            runner.change(step)
    runner.check()


@pytest.mark.parametrize("rate", [0.5, 1, 7, 10, 11, 50, 500, 5000, 9999])
def test_without_stalls_the_rate_is_reached(rate: float) -> None:
    runner = Runner(rate)
    seconds = max(20.0, 10 / rate)
    while runner.now < seconds:
        runner.hand_over(0, 0, 0)
    runner.check()
    done = sum(entries for _, entries in runner.handed_over)
    assert done / runner.now == pytest.approx(rate, rel=0.06, abs=1 / seconds * 2)


@pytest.mark.parametrize("rate", [500, 5000])
def test_hand_overs_that_take_a_while_do_not_slow_it_down(rate: float) -> None:
    runner = Runner(rate)
    while runner.now < 20:
        runner.hand_over(0.005, 0.02, 0.5)
    runner.check()
    done = sum(entries for _, entries in runner.handed_over)
    assert done / runner.now > 0.98 * rate


@pytest.mark.parametrize(
    ("rate", "batch"), [(0.1, 1), (1, 1), (9, 1), (10, 1), (40, 2), (500, 25), (50_000, MOST)]
)
def test_a_batch_is_at_most_a_tenth_of_the_rate_and_one_at_slow_rates(
    rate: float, batch: int
) -> None:
    assert Pacer(rate, MOST, 0, full=True).batch == batch
    assert batch <= max(1, rate / 10)


def test_a_takeover_waits_as_if_it_had_just_handed_over() -> None:
    fresh, taken = (Pacer(2, MOST, 100, full=full) for full in (False, True))
    assert fresh.wait(100, 1) == 0
    assert taken.wait(100, 1) == pytest.approx(0.5)


def test_a_stall_is_not_caught_up_with() -> None:
    runner = Runner(100)
    runner.hand_over(0, 0, 0)
    runner.hand_over(10, 0, 0)
    before = len(runner.handed_over)
    began = runner.now
    while runner.now < began + 1:
        runner.hand_over(0, 0, 0)
    assert sum(n for _, n in runner.handed_over[before:]) <= 110


def test_a_higher_rate_takes_effect_with_the_next_batch() -> None:
    pacer = Pacer(0.01, MOST, 0, full=True)
    assert pacer.wait(0, 1) == pytest.approx(100)
    pacer.change(100, 0)
    assert pacer.wait(0, 1) == 0


def test_a_much_lower_rate_does_not_wait_for_what_went_before() -> None:
    runner = Runner(5000)
    for _ in range(20):
        runner.hand_over(0, 0, 0)
    runner.change(1)
    assert runner.pacer.wait(runner.now, 1) == pytest.approx(1)


def test_what_is_ahead_in_hand_is_waited_for() -> None:
    pacer = Pacer(10, MOST, 0, full=False)
    assert pacer.wait(0, 1) == 0
    assert pacer.wait(0, 1, ahead=3) == pytest.approx(0.3)
