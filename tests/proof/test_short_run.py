"""A short form of ``make proof``: every kind of thing that goes wrong, once, on the two databases
in turn; ``make proof`` itself plays each on both."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.campaign import play_all
from proof.moments import moments
from proof.plan import BACKENDS, Outage, Scenario
from proof.scenarios import KINDS, from_seed
from proof.steps import at_step
from redrive.faultpoints import Step

STEPS = (
    Step.CLAIM_WRITTEN,
    Step.MOVED,
    Step.SETTLE_WRITTEN,
    Step.WITHHELD,
    Step.OUTCOMES_WRITTEN,
    Step.PLANNED_START_WRITTEN,
)
MOMENTS = ("moment-canary_written-waits", "moment-follower-while-observed")
AT_ONCE = 5


def in_turn(number: int) -> str:
    """The database of the so-manieth of several; PostgreSQL for the seed that kills it."""
    return BACKENDS[(number + 1) % len(BACKENDS)]


def short_form() -> list[Scenario]:
    # Those that take longest first.
    scenarios = [from_seed(seed, in_turn(seed)) for seed in range(len(KINDS))]
    scenarios += [at_step(step, in_turn(number), 1) for number, step in enumerate(STEPS)]
    for number, name in enumerate(MOMENTS):
        scenarios += [one for one in moments(in_turn(number)) if one.name == name]
    return scenarios


def test_the_short_form_kills_at_steps_on_both_databases_and_kills_the_databases() -> None:
    scenarios = short_form()
    killed = {one.backend for one in scenarios if one.name.startswith("step-")}
    outages = {kill.what for one in scenarios for kill in one.kills}
    assert killed == set(BACKENDS)
    assert set(Outage) <= outages
    assert len(scenarios) == len(STEPS) + len(KINDS) + len(MOMENTS)


@pytest.mark.timeout(600)
async def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    scenarios = short_form()
    played = await play_all(scenarios, tmp_path, AT_ONCE)
    assert len(played) == len(scenarios)
    assert [one.scenario.name for one in played if not one.clean] == []
    assert sum(len(one.deaths) for one in played) >= len(STEPS) + len(MOMENTS)
