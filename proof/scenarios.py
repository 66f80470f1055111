"""Scenarios from seeds, as many as wanted."""

from __future__ import annotations

import random
from dataclasses import replace

from proof.plan import (
    Act,
    Action,
    Fault,
    JobPlan,
    Kill,
    Meanwhile,
    Outage,
    Part,
    Scenario,
)
from proof.sleepers import sleeper
from proof.steps import (
    APPROVING,
    DISMISSED,
    HALTING,
    PLANNED,
    PLANNING,
    REGROUPING,
    RELEASING,
    RESTORED,
    RESTORING,
    STEERING,
    UNDOING,
    WEB_SINGLE,
    part_of,
)
from proof.together import together
from proof.world import RETRY_ALL, acts, forgotten, maybe_behind, world
from redrive.faultpoints import Step

_NODE_SHARE = 0.3
_REGROUPED_SHARE = 0.1
_DONE_SHARE = 0.5
_ACTS = 2
"""How many acts there are at least."""


def from_seed(seed: int, backend: str) -> Scenario:
    """A scenario whose every detail follows from the seed; all but the timing is replayed."""
    rng = random.Random(seed)
    jobs = world(rng, rng.choice((24, 48, 96)))
    kind = KINDS[seed % len(KINDS)]
    scenario = kind(rng, f"seed-{seed}", backend, jobs)
    node = rng.random() < _NODE_SHARE
    return replace(scenario, seed=seed, node=node, regroups=rng.random() < _REGROUPED_SHARE)


def _killed_at_steps(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """Two or three processes in a row die at steps, one after the other."""
    elsewhere = (*WEB_SINGLE, *RELEASING, *APPROVING, *RESTORING, *REGROUPING)
    steps = [step for step in Step if step not in elsewhere]
    faults: list[Fault] = []
    for step in rng.sample(steps, rng.randint(1, 3)):
        part = part_of(step)
        life = 1 + sum(fault.part is part for fault in faults)
        faults.append(Fault(part=part, step=step, nth=rng.randint(1, 4), life=life))
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=acts(rng),
        faults=tuple(faults),
        runners=rng.choice((1, 2)),
        followers=rng.choice((1, 1, 2)),
        batch_size=rng.choice((4, 8, 16)),
    )


def _killed_at_random(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """Processes die at any moment, workers too."""
    parts = rng.choices(
        (Part.RUNNER, Part.FOLLOWER, Part.WEB, Part.WORKER), (5, 2, 1, 2), k=rng.randint(1, 4)
    )
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=acts(rng),
        kills=tuple(
            Kill(what=part, after=rng.uniform(0, 0.6), act=rng.randrange(_ACTS)) for part in parts
        ),
        runners=rng.choice((1, 2)),
        batch_size=rng.choice((2, 4, 8)),
    )


def _redis_killed(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """Redis is killed and comes back from its append-only file."""
    return _outage(rng, name, backend, jobs, Outage.REDIS_KILLED)


def _redis_lost(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Redis is killed and comes back without what it had confirmed last."""
    return _outage(rng, name, backend, jobs, Outage.REDIS_LOST)


def _postgres_killed(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """PostgreSQL is killed and recovers; where there is none, processes die."""
    if backend != "postgresql":
        return _killed_at_random(rng, name, backend, jobs)
    return _outage(rng, name, backend, jobs, Outage.POSTGRES_KILLED)


def _outage(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...], outage: Outage
) -> Scenario:
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=acts(rng),
        kills=(Kill(what=outage, after=rng.uniform(0, 0.5), act=rng.randrange(_ACTS)),),
        runners=rng.choice((1, 2)),
        batch_size=rng.choice((2, 4, 8)),
    )


def _eaten(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Hand-overs are carried out, their replies are lost, and the jobs finish before the repeat; of
    a retry, or of a resync, which takes jobs whatever became of them."""
    act = rng.randrange(_ACTS)
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(RETRY_ALL, Act(action=Action.RESYNC_APP, target=jobs[0].app_id)),
        eaten=1 if act else rng.randint(1, 3),
        eaten_in_act=act,
        strict=True,
    )


def _eaten_single(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """The console retries one by one and does not hear that it did: once, so that it asks again,
    or as often as it asks, so that a runner has to finish it."""
    chosen = [job.job_id for job in rng.sample(jobs, 4)]
    singles = [Act(action=Action.RETRY_ONE, target=job_id) for job_id in chosen]
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(*singles, *acts(rng)),
        eaten=rng.randint(1, 3),
        eaten_from=Part.WEB,
        strict=True,
    )


def _cancelled(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """A cancel in the middle of a batch, and a death after it."""
    stop = Fault(
        part=Part.RUNNER,
        step=rng.choice((Step.CLAIMED, Step.MOVE_WANTED, Step.MOVED, Step.SETTLE_WANTED)),
        nth=rng.randint(1, 3),
        meanwhile=Meanwhile.CANCEL,
    )
    after = rng.choice((Step.WITHHOLD_WANTED, Step.WITHHELD, Step.SETTLE_WRITTEN, Step.SETTLED))
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(RETRY_ALL, *acts(rng)),
        faults=(stop, Fault(part=Part.RUNNER, step=after)),
    )


def _undone(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """An undo in the middle of an operation, while workers take what it has moved, and a death."""
    stop = Fault(
        part=Part.RUNNER,
        step=rng.choice((Step.MOVED, Step.SETTLED, Step.CLAIMED, Step.FINISH_WANTED)),
        nth=rng.randint(1, 3),
        meanwhile=Meanwhile.UNDO,
    )
    death = Fault(part=Part.RUNNER, step=rng.choice(UNDOING), nth=rng.randint(1, 2))
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(RETRY_ALL, *acts(rng)),
        faults=(stop, death),
        batch_size=rng.choice((4, 8, 16)),
    )


def _steered(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """A pause by hand, a canary that waits or a guard that pauses, and a death in it."""
    guard = {"percent": rng.choice((1, 20)), "outcomes": rng.randint(2, 6)}
    canary = {"entries": rng.randint(2, 8), "percent": rng.choice((50, 100)), "seconds": 1}
    by_hand, by_canary, by_guard = (
        Act(action=Action.RETRY_ALL, controls={"rate": 60}, steered=True),
        Act(action=Action.RETRY_ALL, controls={"canary": canary}),
        Act(action=Action.RETRY_ALL, controls={"rate": 60, "floor": 20, "guard": guard}),
    )
    steps = (*STEERING, *HALTING, Step.CLAIMED, Step.MOVED, Step.SETTLED, Step.TOLD)
    step = rng.choice(steps)
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(rng.choice((by_hand, by_canary, by_guard)), RETRY_ALL),
        faults=(Fault(part=part_of(step), step=step, nth=rng.randint(1, 3)),),
        kills=tuple(
            Kill(what=Part.RUNNER, after=rng.uniform(0, 1.5)) for _ in range(rng.randint(0, 2))
        ),
        runners=rng.choice((1, 2)),
        batch_size=rng.choice((2, 4, 8)),
    )


def _decided(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Plans, dismissals that are taken back, a second person's approval, and deaths in them."""
    deciding = rng.choice((*PLANNING, *APPROVING, *RESTORING))
    carrying_out = rng.choice(
        (Step.CLAIM_WRITTEN, Step.CLAIMED, Step.SETTLE_WANTED, Step.SETTLE_WRITTEN, Step.FINISHED)
    )
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(DISMISSED, maybe_behind(rng, PLANNED), RESTORED, RETRY_ALL),
        faults=(
            Fault(part=Part.WEB, step=deciding, nth=rng.randint(1, 2)),
            Fault(part=Part.RUNNER, step=carrying_out, nth=rng.randint(1, 3)),
        ),
        kills=tuple(
            Kill(what=rng.choice((Part.RUNNER, Part.FOLLOWER)), after=rng.uniform(0, 1.5))
            for _ in range(rng.randint(0, 2))
        ),
        approval_over=1 if deciding in APPROVING else rng.choice((0, 4)),
        batch_size=rng.choice((2, 4, 8)),
    )


def _other_tool(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Others put back what the runner has claimed: it fails again, or completes and is gone."""
    done = rng.random() < _DONE_SHARE
    stop = Fault(
        part=Part.RUNNER,
        step=rng.choice((Step.CLAIMED, Step.MOVE_WANTED)),
        # Who adds again what was rebuilt before does work twice that was done.
        nth=1 if done else rng.randint(1, 2),
        meanwhile=Meanwhile.DONE_ELSEWHERE if done else Meanwhile.OTHER_TOOL,
    )
    jobs = forgotten(jobs) if done else jobs
    return Scenario(name=name, backend=backend, jobs=jobs, acts=acts(rng), faults=(stop,))


KINDS = (
    _killed_at_steps,
    _killed_at_random,
    _killed_at_random,
    sleeper,
    _redis_killed,
    _redis_lost,
    _postgres_killed,
    _eaten,
    _eaten_single,
    _cancelled,
    _other_tool,
    _undone,
    _steered,
    _decided,
    together,
)
