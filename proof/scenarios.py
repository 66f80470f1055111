"""Scenarios: one for every step of the protocol, and as many as wanted from seeds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from proof.plan import (
    FOR_EVER,
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
from redrive.faultpoints import Step

BACKENDS = ("sqlite", "postgresql")

_WEB_BULK = (
    Step.START_WRITTEN,
    Step.START_COMMITTED,
    Step.START_ENQUEUED,
)
_CANCELLING = (Step.CANCEL_WRITTEN, Step.CANCEL_COMMITTED)
_STEERING = (
    Step.PAUSE_WRITTEN,
    Step.PAUSE_COMMITTED,
    Step.RESUME_WRITTEN,
    Step.RESUME_COMMITTED,
    Step.RESUME_ENQUEUED,
    Step.CONTROLS_WRITTEN,
    Step.CONTROLS_COMMITTED,
)
_HALTING = (
    Step.CANARY_WRITTEN,
    Step.CANARY_MOVED,
    Step.HALT_WANTED,
    Step.HALT_WRITTEN,
    Step.HALTED,
)
_WEB_SINGLE = (
    Step.SINGLE_WRITTEN,
    Step.SINGLE_CLAIMED,
    Step.SINGLE_MOVED,
    Step.SINGLE_SETTLED,
    Step.SINGLE_FINISHED,
)
_RELEASING = (Step.RELEASE_WRITTEN, Step.RELEASED)
_UNDOING = tuple(step for step in Step if step.value.startswith("undo_"))
_WITHHOLDING = (Step.WITHHOLD_WANTED, Step.WITHHELD)
_FOLLOWING = tuple(
    step for step in Step if step.value.startswith(("failures_", "outcomes_", "drift_"))
)

_NODE_SHARE = 0.3
_SLOW_MILLIS = 150

RETRY_ALL = Act(action=Action.RETRY_ALL)
STEERED = Act(
    action=Action.RETRY_ALL,
    controls={"rate": 20, "canary": {"entries": 3, "percent": 1, "seconds": 2}},
    steered=True,
)


def world(rng: random.Random, count: int = 48) -> tuple[JobPlan, ...]:
    """Jobs of several apps and queues, with the options that make a difference."""
    return tuple(_job(rng, number) for number in range(count))


def _job(rng: random.Random, number: int) -> JobPlan:
    options: dict[str, object] = {"removeOnComplete": rng.random() < 0.6}
    if rng.random() < 0.15:
        options["priority"] = rng.randint(1, 5)
    elif rng.random() < 0.15:
        options["lifo"] = True
    if rng.random() < 0.15:
        options["attempts"] = 2
    if rng.random() < 0.1:
        options["delay"] = 20
    dropped = rng.random() < 0.1
    if dropped or rng.random() < 0.1:
        options["removeOnFail"] = {"age": 86400}
    return JobPlan(
        queue=rng.choice(("mail", "mail", "invoices")),
        app_id=f"app-{rng.randint(1, 3)}",
        job_id=f"job-{number}",
        fails_through=rng.choices((0, 1, FOR_EVER), (85, 8, 7))[0],
        options=options,
        dropped=dropped,
        work_millis=rng.choices((rng.randint(1, 4), rng.randint(50, 400)), (9, 1))[0],
    )


def at_step(step: Step, backend: str, seed: int) -> Scenario:
    """A scenario in which a process surely comes to ``step``, and is killed there."""
    rng = random.Random(f"{seed} {step}")
    jobs = world(rng)
    if step in _UNDOING:
        jobs = tuple(replace(job, work_millis=_SLOW_MILLIS) for job in jobs)
    before = _leading_to(step)
    life = 1 + sum(fault.meanwhile is None for fault in before)
    scenario = Scenario(
        name=f"step-{step}-{seed}",
        backend=backend,
        jobs=jobs,
        acts=_acts_coming_to(step, jobs),
        faults=(*before, Fault(part=part_of(step), step=step, life=life)),
        unreachable=step in _RELEASING,
        strict=True,
    )
    # Slow jobs, moved all at once: much of what is to be undone still waits for a worker.
    return replace(scenario, batch_size=len(jobs)) if step in _UNDOING else scenario


def part_of(step: Step) -> Part:
    """The part that comes to a step."""
    if step in (*_WEB_BULK, *_CANCELLING, *_STEERING, *_WEB_SINGLE, *_RELEASING):
        return Part.WEB
    return Part.FOLLOWER if step in _FOLLOWING else Part.RUNNER


def _leading_to(step: Step) -> tuple[Fault, ...]:
    """The faults without which no process comes to the step."""
    if step in (*_CANCELLING, *_WITHHOLDING):
        return (Fault(part=Part.RUNNER, step=Step.CLAIMED, meanwhile=Meanwhile.CANCEL),)
    if step in _UNDOING:
        return (Fault(part=Part.RUNNER, step=Step.MOVED, meanwhile=Meanwhile.UNDO),)
    if step in (Step.UNSETTLED_FOUND, Step.SWEEP_RELEASED, Step.SWEEP_ENQUEUED):
        return (Fault(part=Part.RUNNER, step=Step.MOVED, nth=2),)
    return ()


def _acts_coming_to(step: Step, jobs: Sequence[JobPlan]) -> tuple[Act, ...]:
    if step in (*_WEB_SINGLE, *_RELEASING):
        return (Act(action=Action.RETRY_ONE, target=_first_lasting(jobs)), RETRY_ALL)
    if step in (*_STEERING, *_HALTING):
        return (STEERED,)
    if step in _FOLLOWING:
        return (Act(action=Action.RETRY_ELSEWHERE), RETRY_ALL)
    return (RETRY_ALL, Act(action=Action.RETRY_APP, target="app-1"))


def _first_lasting(jobs: Sequence[JobPlan]) -> str:
    return next(job.job_id for job in jobs if not job.dropped and not job.poison)


def from_seed(seed: int, backend: str) -> Scenario:
    """A scenario whose every detail follows from the seed; all but the timing is replayed."""
    rng = random.Random(seed)
    jobs = world(rng, rng.choice((24, 48, 96)))
    kind = KINDS[seed % len(KINDS)]
    scenario = kind(rng, f"seed-{seed}", backend, jobs)
    return replace(scenario, seed=seed, node=rng.random() < _NODE_SHARE)


def _killed_at_steps(
    rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]
) -> Scenario:
    """Two or three processes in a row die at steps, one after the other."""
    steps = [step for step in Step if step not in (*_WEB_SINGLE, *_RELEASING)]
    faults: list[Fault] = []
    for step in rng.sample(steps, rng.randint(1, 3)):
        part = part_of(step)
        life = 1 + sum(fault.part is part for fault in faults)
        faults.append(Fault(part=part, step=step, nth=rng.randint(1, 4), life=life))
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=_acts(rng),
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
        acts=_acts(rng),
        kills=tuple(Kill(what=part, after=rng.uniform(0, 0.6)) for part in parts),
        runners=rng.choice((1, 2)),
        batch_size=rng.choice((2, 4, 8)),
    )


def _sleeper(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """A runner is stopped for longer than its lease, and wakes up."""
    steps = (
        Step.OPERATION_GIVEN,
        Step.TAKEN_OVER,
        Step.CLAIM_WANTED,
        Step.CLAIMED,
        Step.MOVE_WANTED,
        Step.MOVED,
        Step.SETTLE_WANTED,
        Step.SETTLED,
        Step.TOLD,
        Step.FINISH_WANTED,
    )
    fault = Fault(
        part=Part.RUNNER,
        step=rng.choice(steps),
        nth=rng.randint(1, 3),
        meanwhile=Meanwhile.LEASE,
    )
    return Scenario(
        name=name, backend=backend, jobs=jobs, acts=_acts(rng), faults=(fault,), runners=2
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
        acts=_acts(rng),
        kills=(Kill(what=outage, after=rng.uniform(0, 0.5)),),
        runners=rng.choice((1, 2)),
        batch_size=rng.choice((2, 4, 8)),
    )


def _eaten(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Hand-overs are carried out, their replies are lost, and the jobs finish before the repeat."""
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(*_acts(rng), Act(action=Action.RESYNC_APP, target="app-2")),
        eaten=rng.randint(1, 3),
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
        acts=(RETRY_ALL, *_acts(rng)),
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
    death = Fault(part=Part.RUNNER, step=rng.choice(_UNDOING), nth=rng.randint(1, 2))
    return Scenario(
        name=name,
        backend=backend,
        jobs=jobs,
        acts=(RETRY_ALL, *_acts(rng)),
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
    steps = (*_STEERING, *_HALTING, Step.CLAIMED, Step.MOVED, Step.SETTLED, Step.TOLD)
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


def _other_tool(rng: random.Random, name: str, backend: str, jobs: tuple[JobPlan, ...]) -> Scenario:
    """Another tool retries what the runner has claimed, and it fails again."""
    stop = Fault(
        part=Part.RUNNER,
        step=rng.choice((Step.CLAIMED, Step.MOVE_WANTED)),
        nth=rng.randint(1, 2),
        meanwhile=Meanwhile.OTHER_TOOL,
    )
    return Scenario(name=name, backend=backend, jobs=jobs, acts=_acts(rng), faults=(stop,))


def _acts(rng: random.Random) -> tuple[Act, ...]:
    app = f"app-{rng.randint(1, 3)}"
    cancel_after = rng.uniform(0, 0.2) if rng.random() < 0.25 else None
    first = Act(
        action=rng.choice((Action.RETRY_ALL, Action.RETRY_ALL, Action.RETRY_APP)),
        target=app,
        cancel_after=cancel_after,
    )
    second = Act(action=rng.choice((Action.RETRY_ALL, Action.RESYNC_APP)), target=app)
    return (first, second)


KINDS = (
    _killed_at_steps,
    _killed_at_random,
    _killed_at_random,
    _sleeper,
    _redis_killed,
    _redis_lost,
    _postgres_killed,
    _eaten,
    _cancelled,
    _other_tool,
    _undone,
    _steered,
)
