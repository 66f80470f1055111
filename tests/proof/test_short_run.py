"""A short form of ``make proof``: every kind of thing that goes wrong, on either database."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.campaign import play_all
from proof.moments import moments
from proof.plan import BACKENDS, Outage, Scenario
from proof.play import Played
from proof.scenarios import KINDS, from_seed
from proof.sleepers import leases
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
OF_BACKEND = {
    "sqlite": ("moment-canary_written-waits", "moment-resync-unanswered", "lease-finish_wanted"),
    "postgresql": ("moment-follower-while-observed", "lease-moved"),
}
AT_ONCE = 4


def outages_of(scenario: Scenario) -> int:
    """How many stores die in it and replies are lost; a process that dies is neither."""
    return scenario.eaten + sum(isinstance(kill.what, Outage) for kill in scenario.kills)


def of_turn(backend: str) -> list[Scenario]:
    """Half of everything, the other half is the other database's: a long run plays both."""
    turn = BACKENDS.index(backend)
    scenarios = [at_step(step, backend, 1) for step in STEPS[turn :: len(BACKENDS)]]
    kinds = [from_seed(seed, backend) for seed in range(len(KINDS))]
    scenarios += [one for one in kinds if one.seed is not None and one.seed % 2 != turn]
    named = [
        one for one in (*moments(backend), *leases(backend)) if one.name in OF_BACKEND[backend]
    ]
    return scenarios + named


@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", BACKENDS)
async def test_nothing_is_lost_and_nothing_doubled(backend: str, tmp_path: Path) -> None:
    scenarios = of_turn(backend)
    played: list[Played] = []
    await play_all(scenarios, tmp_path, AT_ONCE, played)
    assert len(played) == len(scenarios)
    assert [one.scenario.name for one in played if not one.clean] == []
    assert [one.outages for one in played] == [outages_of(one.scenario) for one in played]
    assert sum(len(one.deaths) for one in played) >= len(STEPS) / len(BACKENDS)


def test_together_the_two_play_every_kind() -> None:
    seeds = [one.seed for backend in BACKENDS for one in of_turn(backend) if one.seed is not None]
    assert sorted(seeds) == list(range(len(KINDS)))
    names = {one.name for backend in BACKENDS for one in of_turn(backend) if one.seed is None}
    assert names == {f"step-{step}-1" for step in STEPS} | {
        *OF_BACKEND["sqlite"],
        *OF_BACKEND["postgresql"],
    }
