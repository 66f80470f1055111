"""Scenarios in which two operators act at the same time."""

from __future__ import annotations

import random

from proof.plan import Act, Action, Fault, JobPlan, Kill, Part, Scenario
from proof.steps import part_of
from proof.world import RETRY_ALL
from redrive.faultpoints import Step

_DEADLY = (
    Step.START_WRITTEN,
    Step.START_COMMITTED,
    Step.SINGLE_WRITTEN,
    Step.SINGLE_CLAIMED,
    Step.SINGLE_MOVED,
    Step.CLAIM_WRITTEN,
    Step.CLAIMED,
    Step.MOVED,
    Step.SETTLE_WRITTEN,
    Step.SETTLED,
    Step.FINISH_WRITTEN,
)
_RATE = 40.0
_SINGLES = 8
_LATEST_SECONDS = 1.0


def together(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Operations on apps side by side in two runners, the same app twice, everything beside them,
    double clicks and single retries of what they take, and a death in it."""
    limits = {"rate": _RATE}
    bulk = [
        Act(action=Action.RETRY_APP, target="app-1", controls=limits, twice=True),
        Act(action=Action.RETRY_APP, target="app-1"),
        Act(action=Action.RETRY_APP, target="app-2", controls=limits),
        Act(action=Action.RETRY_PLANNED, where={"app_id": "app-3"}),
        RETRY_ALL,
    ]
    rng.shuffle(bulk)
    singles = [
        Act(
            action=Action.RETRY_ONE,
            target=rng.choice(jobs).job_id,
            after=rng.uniform(0, _LATEST_SECONDS),
        )
        for _ in range(_SINGLES)
    ]
    step = rng.choice(_DEADLY)
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(*bulk, *singles),
        together=True,
        faults=(Fault(part=part_of(step), step=step, nth=rng.randint(1, 3)),),
        kills=tuple(
            Kill(what=rng.choice((Part.RUNNER, Part.WEB)), after=rng.uniform(0, 1.5))
            for _ in range(rng.randint(0, 1))
        ),
        runners=2,
        batch_size=rng.choice((2, 4, 8)),
    )
