"""Scenarios that kill while an operation waits, rests or observes, or where it stops by itself, and
one that loses a reply of a resync."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from proof.plan import Act, Action, Fault, JobPlan, Kill, Moment, Part, Scenario
from proof.world import world
from redrive.faultpoints import Step

_SLOW_MILLIS = 300
_CANARY_MOVES = {"waits": 2, "passed": 3}
"""Which move of a canary says so; the first one says that it begins."""

_CAREFUL = Act(
    action=Action.RETRY_ALL,
    controls={"canary": {"entries": 6, "percent": 1, "seconds": 10}, "low_priority": True},
)
_TOO_CAREFUL = Act(
    action=Action.RETRY_ALL,
    controls={"canary": {"entries": 12, "percent": 100, "seconds": 10}},
)
_GUARDED = Act(
    action=Action.RETRY_ALL,
    controls={"rate": 20, "guard": {"percent": 30, "outcomes": 8}},
)
_STEERED = Act(action=Action.RETRY_ALL, controls={"rate": 20}, steered=True)
_PLAIN = Act(action=Action.RETRY_ALL)
_RESYNC = Act(action=Action.RESYNC_APP, target="app-1")

_LEADING_TO = {
    Moment.CANARY_WAITS: _CAREFUL,
    Moment.PAUSED: _STEERED,
    Moment.OBSERVED: _PLAIN,
}


def moments(backend: str) -> Iterator[Scenario]:
    """All of them; each surely comes to its moment."""
    for moment in Moment:
        for part in (Part.RUNNER, Part.FOLLOWER):
            yield _killed_while(moment, part, backend)
    for step in (Step.CANARY_WRITTEN, Step.CANARY_MOVED):
        for state, nth in _CANARY_MOVES.items():
            fault = Fault(part=Part.RUNNER, step=step, nth=nth)
            yield _scenario(f"{step}-{state}", backend, _CAREFUL, fault)
    for step in (Step.HALT_WANTED, Step.HALT_WRITTEN, Step.HALTED):
        fault = Fault(part=Part.RUNNER, step=step)
        yield _scenario(f"{step}-by-canary", backend, _TOO_CAREFUL, fault, fails=1)
        yield _scenario(f"{step}-by-guard", backend, _GUARDED, fault, fails=2)
    resynced = _scenario("resync-unanswered", backend, _PLAIN)
    yield replace(resynced, acts=(_PLAIN, _RESYNC), eaten=1, eaten_in_act=1)


def _killed_while(moment: Moment, part: Part, backend: str) -> Scenario:
    """Slow jobs, so that something is still waited for whatever else is done."""
    scenario = _scenario(f"{part}-while-{moment.name.lower()}", backend, _LEADING_TO[moment])
    return replace(
        scenario,
        jobs=tuple(replace(job, work_millis=_SLOW_MILLIS) for job in scenario.jobs),
        kills=(Kill(what=part, at=moment),),
    )


def _scenario(
    name: str, backend: str, act: Act, *faults: Fault, fails: int | None = None
) -> Scenario:
    """``fails``: each so-manieth job fails again after its first hand-over; None: none does."""
    jobs = tuple(
        _failing(job, 1 if fails is not None and number % fails == 0 else 0)
        for number, job in enumerate(world(random.Random(name)))
    )
    return Scenario(
        name=f"moment-{name}",
        backend=backend,
        jobs=jobs,
        acts=(act,),
        faults=faults,
        strict=True,
    )


def _failing(job: JobPlan, fails_through: int) -> JobPlan:
    return replace(job, fails_through=fails_through)
