"""What the course is made of: controls, the window of outcomes, the ramp, the meter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redrive.domain import (
    NO_CONTROLS,
    Canary,
    Controls,
    Guard,
    controls_as_text,
    controls_from_text,
    proposed_controls,
)
from redrive.pacing.meter import Meter
from redrive.pacing.outcomes import Heard, Window
from redrive.pacing.ramp import Ramp, seconds_to_hand_over

EVERYTHING = Controls(
    rate=500.0,
    floor=5.0,
    canary=Canary(entries=20),
    guard=Guard(percent=50.0),
    low_priority=True,
)


def heard(outcomes: int, failed_again: int = 0) -> Heard:
    return Heard(outcomes=outcomes, failed_again=failed_again)


@pytest.mark.parametrize("controls", [EVERYTHING, Controls(rate=0.5), Controls(low_priority=True)])
def test_controls_are_read_as_they_were_kept(controls: Controls) -> None:
    assert controls_from_text(controls_as_text(controls)) == controls


def test_where_no_controls_are_kept_nothing_is_limited() -> None:
    assert controls_from_text(None) == NO_CONTROLS
    assert controls_from_text(controls_as_text(NO_CONTROLS)) == NO_CONTROLS


def test_controls_are_said_in_one_line() -> None:
    assert str(NO_CONTROLS) == "no limits"
    assert str(EVERYTHING) == (
        "rate 500/s, from 5/s; canary 20, 80 % within 300 s; guard 50 % of 100; low priority"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rate": 0.0}, "rate: must be from 0.01"),
        ({"rate": -1.0}, "rate: must be from 0.01"),
        ({"rate": float("nan")}, "rate: must be from 0.01"),
        ({"rate": float("inf")}, "rate: must be from 0.01"),
        ({"floor": 600.0}, "floor: 600 is over the rate of 500"),
        ({"rate": None}, "floor: needs a rate"),
    ],
)
def test_controls_that_do_not_fit_together_are_refused(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        EVERYTHING.changed(changes)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Canary, {"entries": 0}),
        (Canary, {"entries": 10_001}),
        (Canary, {"entries": 1, "percent": 0.0}),
        (Canary, {"entries": 1, "percent": 101.0}),
        (Canary, {"entries": 1, "seconds": 0.5}),
        (Guard, {"percent": 100.0}),
        (Guard, {"percent": -1.0}),
        (Guard, {"percent": 10.0, "outcomes": 0}),
    ],
)
def test_a_canary_and_a_guard_have_bounds(kind: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be from"):
        kind(**values)


def test_null_takes_a_limit_away() -> None:
    assert EVERYTHING.changed({"floor": None, "rate": None}).rate is None
    assert EVERYTHING.changed({"canary": None}).canary is None


@pytest.mark.parametrize(("total", "entries"), [(1, None), (1_000, None), (1_001, 20)])
def test_over_a_thousand_entries_a_canary_of_twenty_is_proposed(
    total: int, entries: int | None
) -> None:
    canary = proposed_controls(total).canary
    assert (canary and canary.entries) == entries


def test_a_window_says_nothing_before_it_is_full() -> None:
    window = Window(heard(100, 90))
    window.see(heard(109, 90))
    assert window.last(10) is None
    window.see(heard(110, 91))
    assert window.last(10) == heard(10, 1)


def test_a_window_forgets_what_went_before_it() -> None:
    window = Window(heard(0))
    for number in range(1, 101):
        window.see(heard(number, min(number, 50)))
    assert window.last(10) == heard(10, 0)


def test_counts_that_come_late_change_nothing() -> None:
    window = Window(heard(0))
    window.see(heard(10, 5))
    window.see(heard(8, 5))
    assert window.last(10) == heard(10, 5)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=50), st.integers(1, 30))
def test_a_window_holds_its_size_and_less_than_one_more_arrival(
    arrivals: list[tuple[int, int]], size: int
) -> None:
    window, good, bad = Window(heard(0)), 0, 0
    for recovered, failed in arrivals:
        good, bad = good + recovered, bad + failed
        window.see(heard(good + bad, bad))
        last = window.last(size)
        assert (last is None) == (good + bad < size)
        if last is not None:
            assert size <= last.outcomes < size + max(g + b for g, b in arrivals)
            assert 0 <= last.failed_again <= last.outcomes


def test_the_ramp_doubles_after_outcomes_that_went_well_up_to_the_rate() -> None:
    ramp = Ramp(10, 35, heard(0), 0)
    rates = []
    for number in range(1, 4):
        ramp.see(heard(20 * number), None, number)
        rates.append(ramp.rate)
    assert rates == [20, 35, 35]


def test_the_ramp_takes_one_step_a_second_at_most() -> None:
    ramp = Ramp(10, 1000, heard(0), 0)
    ramp.see(heard(500), None, 0.5)
    assert ramp.rate == 10
    ramp.see(heard(600), None, 1.0)
    assert ramp.rate == 20


def test_a_few_outcomes_are_enough_after_five_seconds_and_none_never() -> None:
    ramp = Ramp(1, 8, heard(0), 0)
    ramp.see(heard(0), None, 60)
    assert ramp.rate == 1
    ramp.see(heard(2), None, 61)
    assert ramp.rate == 2


@pytest.mark.parametrize(("failed", "rate"), [(5, 40), (6, 10)])
def test_the_ramp_halves_over_half_of_what_the_guard_allows(failed: int, rate: float) -> None:
    ramp = Ramp(1, 100, heard(0), 0)
    ramp.rate = 20
    ramp.see(heard(20, failed), Guard(percent=50.0, outcomes=20), 1)
    assert (ramp.rate, ramp.slowed) == (rate, failed == 6)


def driven(total: int, controls: Controls, usual: float) -> float:
    """How long a ramp takes that hears of each hand-over at once, in hundredths of a second."""
    assert controls.floor is not None
    assert controls.rate is not None
    ramp, done, ticks = Ramp(controls.floor, controls.rate, heard(0), 0), 0.0, 0
    while done < total:
        done += min(ramp.rate, usual) / 100
        ticks += 1
        ramp.see(heard(int(done + 1e-6)), controls.guard, ticks / 100)
    return ticks / 100


@pytest.mark.parametrize(
    ("total", "controls", "usual"),
    [
        (10, Controls(rate=100.0, floor=2.0), 20_000.0),
        (1_000, Controls(rate=100.0, floor=2.0), 20_000.0),
        (1_000, Controls(rate=100.0, floor=2.0), 15.0),
        (1_000, Controls(rate=50.0, floor=0.5, guard=Guard(percent=50.0)), 20_000.0),
        (1_000, Controls(rate=50.0, floor=50.0), 20_000.0),
    ],
)
def test_the_time_to_hand_over_is_that_of_a_ramp_where_all_goes_well(
    total: int, controls: Controls, usual: float
) -> None:
    predicted = seconds_to_hand_over(total, controls, usual)
    assert predicted == pytest.approx(driven(total, controls, usual), rel=0.05)


def test_without_a_floor_the_time_is_that_of_the_slower_of_rate_and_usual_pace() -> None:
    assert seconds_to_hand_over(100, NO_CONTROLS, 20.0) == 5
    assert seconds_to_hand_over(100, Controls(rate=4.0), 20.0) == 25
    assert seconds_to_hand_over(100, Controls(rate=40.0), 20.0) == 5
    assert seconds_to_hand_over(0, Controls(rate=40.0, floor=1.0), 20.0) == 0


def test_the_ramp_never_falls_below_its_floor() -> None:
    ramp = Ramp(10, 100, heard(0), 0)
    for number in range(1, 5):
        ramp.see(heard(20 * number, 20 * number), None, number)
    assert ramp.rate == 10


def test_the_ramp_keeps_within_bounds_that_change() -> None:
    ramp = Ramp(10, 100, heard(0), 0)
    ramp.bound(50, 100)
    assert ramp.rate == 50
    ramp.bound(5, 20)
    assert ramp.rate == 20


def test_the_meter_forgets_after_five_seconds() -> None:
    meter = Meter(0)
    for second in range(20):
        meter.note(100, second)
    assert meter.rate(19) == 100
    assert meter.rate(22) == 40
    assert meter.rate(60) == 0


def test_the_meter_does_not_divide_by_the_time_before_it_began() -> None:
    meter = Meter(10)
    meter.note(100, 10.5)
    assert meter.rate(11) == 100
    assert meter.rate(12) == 50
