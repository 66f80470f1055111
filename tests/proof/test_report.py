"""What a failure of the proof prints."""

from __future__ import annotations

import shlex

import pytest

from proof.__main__ import parser
from proof.campaign import chosen
from proof.checker import Verdict
from proof.moments import moments
from proof.plan import BACKENDS, Scenario
from proof.play import Played
from proof.report import left_out, line
from proof.scenarios import KINDS, from_seed
from proof.steps import at_step
from redrive.faultpoints import Step


def every(backend: str) -> list[Scenario]:
    """Every step and moment on one of the two databases, and some seeds on each."""
    seeds = [from_seed(seed, backend) for seed in (1, 7, 1000, 1000 + len(KINDS))]
    named = [*(at_step(step, backend, 1) for step in Step), *moments(backend)]
    return [*named[BACKENDS.index(backend) :: len(BACKENDS)], *seeds]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_failure_says_what_was_wrong_and_the_command_that_plays_just_it_again(
    backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for scenario in every(backend):
        verdict = Verdict(lost=["a job that never ran"])
        line(Played(scenario=scenario, verdict=verdict, problems=["a hang"], seconds=1.0), 1)
        said = capsys.readouterr().out
        assert "FAIL" in said
        assert "problem: a hang" in said
        assert "lost: 1" in said
        command = shlex.split(said.partition("again: ")[2])
        assert command[:3] == [".venv/bin/python", "-m", "proof"]
        due, more = chosen(parser().parse_args(command[3:]))
        assert [*due, *more] == [scenario]


def test_what_was_left_out_is_named_as_far_as_somebody_would_read_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = [at_step(step, "sqlite", 1) for step in Step]
    left_out(steps[:2])
    said = capsys.readouterr().out
    assert (
        f"2 that belong to it were not played: {steps[0].name} on sqlite, {steps[1].name}" in said
    )
    left_out(steps)
    said = capsys.readouterr().out
    assert f"{steps[19].name} on sqlite and {len(steps) - 20} more" in said
    left_out([])
    assert capsys.readouterr().out == ""


def test_what_went_well_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = from_seed(3, "sqlite")
    line(Played(scenario=scenario, verdict=Verdict(), problems=[], seconds=1.0), 1)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "again" not in said
