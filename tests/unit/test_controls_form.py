"""The fields of an operation's limits: what is typed becomes limits, or is refused beside them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from redrive.domain import NO_CONTROLS, Canary, Controls, Guard, proposed_controls
from redrive.web.pages.controls_form import ControlsForm, filled
from redrive.web.pages.limits import controls_said

ALL = Controls(
    rate=1500.5,
    floor=0.25,
    canary=Canary(entries=20, percent=33.3, seconds=60),
    guard=Guard(percent=50, outcomes=200),
    low_priority=True,
)


@pytest.mark.parametrize("controls", [NO_CONTROLS, ALL, proposed_controls(5000)])
def test_what_a_form_shows_is_what_it_sends(controls: Controls) -> None:
    limits = filled(controls).limits()
    assert (limits.controls, limits.problems) == (controls, {})


def test_an_empty_field_sets_no_limit() -> None:
    form = ControlsForm(rate="", canary_entries="", canary_percent="", guard_outcomes="")
    assert form.limits().controls == NO_CONTROLS
    assert not form.limits().problems


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate", "5"), ("floor", "x"), ("canary_entries", "1"), ("low_priority", "on")],
)
def test_a_form_is_blank_while_no_limit_is_asked_for(name: str, value: str) -> None:
    assert ControlsForm(canary_percent="", guard_outcomes="7").is_blank
    assert not ControlsForm.model_validate({name: value}).is_blank


def test_low_priority_that_is_said_to_be_off_is_not_taken_for_on() -> None:
    with pytest.raises(ValidationError):
        ControlsForm.model_validate({"low_priority": "false"})


def test_thousands_may_be_separated_as_they_are_shown() -> None:
    assert ControlsForm(rate="1,500", canary_entries=" 2,000 ").limits().controls == Controls(
        rate=1500, canary=Canary(entries=2000)
    )


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"rate": "fast"}, {"rate": "must be a number, such as 50 or 0.5"}),
        ({"rate": "nan"}, {"rate": "must be a number, such as 50 or 0.5"}),
        ({"rate": "1,5"}, {"rate": "must be a number, such as 50 or 0.5"}),
        ({"rate": "0"}, {"rate": "must be from 0.01 to 100,000, and is 0"}),
        ({"rate": "-3"}, {"rate": "must be from 0.01 to 100,000, and is -3"}),
        ({"floor": "3"}, {"floor": "needs a rate to come up to"}),
        ({"rate": "5", "floor": "50"}, {"floor": "50 is over the rate of 5"}),
        ({"canary_entries": "2.5"}, {"canary_entries": "must be a whole number"}),
        ({"canary_entries": "20", "canary_percent": ""}, {"canary_percent": "is needed with this"}),
        (
            {"canary_entries": "20", "canary_percent": "101"},
            {"canary_percent": "must be from 0.1 to 100, and is 101"},
        ),
        (
            {"canary_entries": "20", "canary_seconds": "0"},
            {"canary_seconds": "must be from 1 to 86,400, and is 0"},
        ),
        (
            {"guard_percent": "100", "rate": "x"},
            {
                "rate": "must be a number, such as 50 or 0.5",
                "guard_percent": "must be from 0 to 99.9, and is 100",
            },
        ),
        ({"guard_percent": "9", "guard_outcomes": ""}, {"guard_outcomes": "is needed with this"}),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    fields: dict[str, str], problems: dict[str, str]
) -> None:
    assert ControlsForm.model_validate(fields).limits().problems == problems


def test_a_floor_is_not_blamed_for_a_rate_that_cannot_be_read() -> None:
    assert set(ControlsForm(rate="fast", floor="5").limits().problems) == {"rate"}


def test_limits_are_said_in_words() -> None:
    assert controls_said(ALL) == (
        "1,500.5 entries a second (from 0.25), a canary of 20 (33.3% within 1 min), "
        "a guard at 50% of the last 200 outcomes, behind live traffic"
    )
    assert controls_said(NO_CONTROLS) == "no limits"
