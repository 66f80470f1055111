"""Scenarios in which a process is stopped while others do its work, and wakes up."""

from __future__ import annotations

import random
from collections.abc import Iterator

from proof.plan import Act, Action, Fault, JobPlan, Meanwhile, Part, Scenario
from proof.world import RETRY_ALL, acts, slowed, world
from redrive.faultpoints import Step

RUNNER_SLEEPS_AT = (
    Step.OPERATION_GIVEN,
    Step.TAKEN_OVER,
    Step.CLAIM_WANTED,
    Step.CLAIMED,
    Step.MOVE_WANTED,
    Step.MOVED,
    Step.REBUILD_WANTED,
    Step.REBUILT,
    Step.SETTLE_WANTED,
    Step.SETTLED,
    Step.TOLD,
    Step.FINISH_WANTED,
)
LEASE_RUNS_OUT_AT = {
    "postgresql": (Step.CLAIMED, Step.MOVED, Step.SETTLE_WANTED, Step.FINISH_WANTED),
    # At the others the sleeper may be about to claim its next batch, and keeps SQLite to itself.
    "sqlite": (Step.FINISH_WANTED,),
}
"""Where a sleeper surely has something in hand, and another runner surely takes it over."""

UNDO_SLEEPS_AT = (Step.UNDO_CLAIMED, Step.UNDO_WANTED, Step.UNDO_TAKEN, Step.UNDO_SETTLED)
CONSOLE_SLEEPS_AT = (Step.SINGLE_CLAIMED, Step.SINGLE_MOVED, Step.SINGLE_SETTLED)
FOLLOWER_SLEEPS_AT = (Step.FAILURES_LOOKED_UP, Step.OUTCOMES_READ, Step.OUTCOMES_RECORDED)
"""Never in a transaction: SQLite would keep the others out until the sleeper wakes up."""

_SLOW_MILLIS = 600


def sleeper(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """A runner, a console in a single retry or a follower sleeps for longer than it is waited
    for."""
    kind = rng.choices((_runner, _undoing_runner, _console, _follower), (4, 2, 2, 2))[0]
    return kind(rng, name, backend, jobs)


def leases(backend: str) -> Iterator[Scenario]:
    """A runner that sleeps with something in hand until another one has taken its operation over,
    and then wakes up; each surely does."""
    for step in LEASE_RUNS_OUT_AT[backend]:
        name = f"lease-{step}"
        yield Scenario(
            name=name,
            backend=backend,
            jobs=world(random.Random(name)),
            acts=(RETRY_ALL, Act(action=Action.RESYNC_APP, target="app-1")),
            faults=(Fault(part=Part.RUNNER, step=step, meanwhile=Meanwhile.LEASE),),
            strict=True,
        )


def _runner(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    fault = Fault(
        part=Part.RUNNER,
        step=rng.choice(RUNNER_SLEEPS_AT),
        nth=rng.randint(1, 3),
        meanwhile=Meanwhile.LEASE,
    )
    return Scenario(
        name=name, backend=backend, jobs=jobs, acts=acts(rng), faults=(fault,), runners=2
    )


def _undoing_runner(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """Slow jobs, moved all at once: much of what is to be undone still waits for a worker."""
    return Scenario(
        name=name,
        backend=backend,
        jobs=slowed(jobs, _SLOW_MILLIS),
        acts=(RETRY_ALL, *acts(rng)),
        faults=(
            Fault(part=Part.RUNNER, step=Step.SETTLED, meanwhile=Meanwhile.UNDO),
            Fault(part=Part.RUNNER, step=rng.choice(UNDO_SLEEPS_AT), meanwhile=Meanwhile.LEASE),
        ),
        batch_size=len(jobs),
    )


def _console(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    single = Act(action=Action.RETRY_ONE, target=rng.choice(jobs).job_id)
    step = rng.choice(CONSOLE_SLEEPS_AT)
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(single, *acts(rng)),
        faults=(Fault(part=Part.WEB, step=step, meanwhile=Meanwhile.SWEPT),),
        strict=True,
    )


def _follower(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """The other follower hears of everything meanwhile."""
    fault = Fault(
        part=Part.FOLLOWER,
        step=rng.choice(FOLLOWER_SLEEPS_AT),
        nth=rng.randint(1, 3),
        meanwhile=Meanwhile.WORK,
    )
    return Scenario(
        name=name, backend=backend, jobs=jobs, acts=acts(rng), faults=(fault,), followers=2
    )
