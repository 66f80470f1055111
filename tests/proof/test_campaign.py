"""What a run of the proof plays first, and what it may leave out."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from proof.campaign import chosen, exit_code, left_out
from proof.checker import Verdict
from proof.moments import moments
from proof.plan import BACKENDS, Scenario
from proof.play import Played
from proof.scenarios import KINDS, from_seed
from redrive.faultpoints import Step


def given(**values: Any) -> argparse.Namespace:
    usual = {"backend": None, "seeds": 40, "first_seed": 1, "only": None, "no_steps": False}
    return argparse.Namespace(**usual | values)


def played(scenarios: list[Scenario]) -> list[Played]:
    """All of them as if all had gone well."""
    return [
        Played(scenario=replace(one, strict=False), verdict=Verdict(), problems=[], seconds=0)
        for one in scenarios
    ]


def test_a_seed_of_each_kind_comes_first_and_more_seeds_come_last() -> None:
    due, more = chosen(given())
    first = len(KINDS) * len(BACKENDS)
    of_each_kind = range(1, 1 + len(KINDS))
    assert due[:first] == [
        from_seed(seed, backend) for seed in of_each_kind for backend in BACKENDS
    ]
    steps = [one for one in due if one.name.startswith("step-")]
    names = {one.name for backend in BACKENDS for one in moments(backend)}
    assert len(steps) == len(Step) * len(BACKENDS)
    assert len(due) == first + len(steps) + len(names) * len(BACKENDS)
    assert {one.seed for one in more} == set(range(1 + len(KINDS), 41))
    assert {one.name for one in chosen(given(only="step-moved-1"))[0]} == {"step-moved-1"}
    assert len(chosen(given(no_steps=True))[0]) == first


def test_only_more_seeds_may_be_left_out_for_want_of_time() -> None:
    due, more = chosen(given())
    assert exit_code(due, played(due + more)) == 0
    assert exit_code(due, played(due)) == 0
    assert exit_code(due, played(due[:-1])) == 1
    assert left_out(due, played(due[:-2])) == due[-2:]
    assert left_out(due, played(due[1:])) == due[:1]
    assert exit_code([], []) == 1
    assert exit_code(due, [replace(one, problems=["a problem"]) for one in played(due)]) == 1
