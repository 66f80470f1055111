"""What a run of the proof plays first, and what it may leave out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from proof.campaign import chosen, exit_code, left_out, play_all
from proof.checker import Verdict
from proof.crew import Death
from proof.moments import moments
from proof.plan import BACKENDS, Fault, Meanwhile, Part, Scenario
from proof.play import Played
from proof.scenarios import KINDS, from_seed
from proof.sleepers import leases
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


def both(made: Callable[[str], Iterator[Scenario]]) -> list[Scenario]:
    return [one for backend in BACKENDS for one in made(backend)]


def test_a_seed_of_each_kind_comes_first_and_more_seeds_come_last() -> None:
    due, more = chosen(given())
    first = len(KINDS) * len(BACKENDS)
    of_each_kind = range(1, 1 + len(KINDS))
    assert due[:first] == [
        from_seed(seed, backend) for seed in of_each_kind for backend in BACKENDS
    ]
    steps = [one for one in due if one.name.startswith("step-")]
    of_both = {(one.name, one.backend) for made in (moments, leases) for one in both(made)}
    assert len(steps) == len(Step) * len(BACKENDS)
    assert of_both <= {(one.name, one.backend) for one in due}
    assert len(due) == first + len(steps) + len(of_both)
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


async def test_nothing_is_begun_after_the_end(tmp_path: Path) -> None:
    begun: list[Played] = []
    await play_all(both(leases), tmp_path, 2, begun, time.monotonic() - 1)
    assert begun == []


def test_a_kill_that_met_nobody_is_missed() -> None:
    moment = next(one for one in moments("sqlite") if one.kills)
    met_nobody = Played(scenario=moment, verdict=Verdict(), problems=[], seconds=0)
    assert (met_nobody.missed, met_nobody.clean) == (["runner killed"], False)
    (kill,) = moment.kills
    assert kill.what is Part.RUNNER
    died = Death(part=kill.what, at=0.0, fault=None)
    assert replace(met_nobody, deaths=[died]).clean
    assert not replace(met_nobody, deaths=[replace(died, part=Part.FOLLOWER)]).clean


def test_a_sleeper_that_nobody_took_over_from_is_missed() -> None:
    lease = next(leases("sqlite"))
    (fault,) = lease.faults
    assert fault.meanwhile is Meanwhile.LEASE
    slept = Played(scenario=lease, verdict=Verdict(), problems=[], seconds=0, stops=[fault])
    assert slept.clean
    in_vain: list[Fault] = [fault]
    assert not replace(slept, vain=in_vain).clean
