"""Scenarios follow from their seeds, and together they leave nothing out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proof.checker import Verdict
from proof.moments import moments
from proof.plan import BACKENDS, Action, Meanwhile, Moment, Outage, Part
from proof.play import Played
from proof.report import again
from proof.scenarios import KINDS, from_seed
from proof.steps import REGROUPING, at_step, part_of
from redrive.faultpoints import Step


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_gives_the_same_scenario_again(seed: int) -> None:
    assert from_seed(seed, "sqlite") == from_seed(seed, "sqlite")
    assert from_seed(seed, "sqlite") != from_seed(seed + 1, "sqlite")


def test_some_seeds_in_a_row_hold_everything_that_can_go_wrong() -> None:
    scenarios = [from_seed(seed, backend) for seed in range(60) for backend in BACKENDS]
    assert {kill.what for one in scenarios for kill in one.kills} == {*Part, *Outage}
    stops = {fault.meanwhile for one in scenarios for fault in one.faults}
    of_one_step = {Meanwhile.OTHER_STOPS, Meanwhile.THE_END, Meanwhile.ADDED_AGAIN}
    assert stops == {None, *Meanwhile} - of_one_step
    asleep = {fault.part for one in scenarios for fault in one.faults if fault.meanwhile}
    assert asleep == {Part.RUNNER, Part.WEB, Part.FOLLOWER}
    steps = {fault.step for one in scenarios for fault in one.faults if fault.meanwhile}
    assert not any(step.endswith("_written") for step in steps)
    assert {one.together for one in scenarios} == {True, False}
    assert any(act.twice for one in scenarios for act in one.acts if one.together)
    assert {one.eaten_from for one in scenarios if one.eaten} == {Part.RUNNER, Part.WEB}
    assert {one.node for one in scenarios} == {True, False}
    assert {one.runners for one in scenarios} == {1, 2}
    acts = [act for one in scenarios for act in one.acts]
    assert {act.action for act in acts} == {*Action} - {Action.RETRY_ELSEWHERE}
    assert any(act.controls.get("low_priority") for act in acts)
    assert any(one.approval_over for one in scenarios)
    assert {one.regroups for one in scenarios} == {True, False}
    jobs = [job for one in scenarios for job in one.jobs]
    assert any(job.poison for job in jobs)
    assert any(job.dropped for job in jobs)
    options = {name for job in jobs for name in job.options}
    assert options >= {"priority", "lifo", "attempts", "delay", "removeOnComplete", "removeOnFail"}


@pytest.mark.parametrize("step", Step)
def test_the_scenario_of_a_step_ends_with_a_death_at_it(step: Step) -> None:
    scenario = at_step(step, "sqlite", 1)
    *before, last = scenario.faults
    assert (last.part, last.step, last.meanwhile) == (part_of(step), step, None)
    deaths = sum(fault.meanwhile is None for fault in before)
    assert last.life == 1 + deaths + scenario.regroups
    assert scenario.regroups == (step in REGROUPING)
    assert scenario.strict


def test_something_dies_at_every_moment_of_an_operation() -> None:
    scenarios = list(moments("sqlite"))
    assert len({one.name for one in scenarios}) == len(scenarios)
    assert all(
        one.strict and len(one.faults) + len(one.kills) + one.eaten == 1 for one in scenarios
    )
    assert {(kill.what, kill.at) for one in scenarios for kill in one.kills} == {
        (part, moment) for part in (Part.RUNNER, Part.FOLLOWER) for moment in Moment
    }


def test_a_reply_that_was_not_eaten_is_missed() -> None:
    kinds = [from_seed(seed, "sqlite") for seed in range(len(KINDS))]
    eaten = next(one for one in kinds if one.eaten)
    served = Played(scenario=eaten, verdict=Verdict(), problems=[], seconds=0)
    assert (served.missed, served.clean) == ([], True)
    left = replace(served, uneaten=2)
    assert (left.missed, left.clean) == (["a reply eaten"] * 2, False)


def test_a_failure_names_the_command_that_plays_it_again() -> None:
    from_a_seed = Played(
        scenario=from_seed(7, "postgresql"), verdict=Verdict(), problems=[], seconds=0
    )
    assert again(from_a_seed) == (
        ".venv/bin/python -m proof --backend postgresql --no-steps --seeds 1 --first-seed 7"
    )
    of_a_step = Played(
        scenario=at_step(Step.MOVED, "sqlite", 1), verdict=Verdict(), problems=[], seconds=0
    )
    assert again(of_a_step) == (
        ".venv/bin/python -m proof --backend sqlite --seeds 0 --only step-moved-1"
    )
