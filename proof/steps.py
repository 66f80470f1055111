"""A scenario for every step of the protocol, in which a process is killed at it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from proof.plan import Act, Action, Fault, JobPlan, Meanwhile, Part, Scenario
from proof.world import RETRY_ALL, forgotten, slowed, world
from redrive.faultpoints import Step

WEB_BULK = (
    Step.START_WRITTEN,
    Step.START_COMMITTED,
    Step.START_ENQUEUED,
)
PLANNING = (
    Step.PLAN_WRITTEN,
    Step.PLAN_COMMITTED,
    Step.PLAN_APPS_WRITTEN,
    Step.PLAN_APPS_COMMITTED,
    Step.PLANNED_START_WRITTEN,
    Step.PLANNED_START_COMMITTED,
)
APPROVING = (Step.APPROVAL_WRITTEN, Step.APPROVAL_COMMITTED)
RESTORING = (Step.RESTORE_WRITTEN, Step.RESTORED)
CANCELLING = (Step.CANCEL_WRITTEN, Step.CANCEL_COMMITTED)
STEERING = (
    Step.PAUSE_WRITTEN,
    Step.PAUSE_COMMITTED,
    Step.RESUME_WRITTEN,
    Step.RESUME_COMMITTED,
    Step.RESUME_ENQUEUED,
    Step.CONTROLS_WRITTEN,
    Step.CONTROLS_COMMITTED,
)
HALTING = (
    Step.CANARY_WRITTEN,
    Step.CANARY_MOVED,
    Step.HALT_WANTED,
    Step.HALT_WRITTEN,
    Step.HALTED,
)
WEB_SINGLE = (
    Step.SINGLE_WRITTEN,
    Step.SINGLE_CLAIMED,
    Step.SINGLE_MOVED,
    Step.SINGLE_SETTLED,
    Step.SINGLE_FINISHED,
    Step.SINGLE_ENQUEUED,
)
RELEASING = (Step.RELEASE_WRITTEN, Step.RELEASED)
UNDOING = tuple(step for step in Step if step.value.startswith("undo_"))
OF_AN_UNDO = (Step.CANCEL_ENQUEUED, *UNDOING)
WITHHOLDING = (Step.WITHHOLD_WANTED, Step.BATCH_WITHHELD, Step.WITHHELD)
SWEEPING = (Step.LOOSE_WRITTEN, Step.SWEEP_RELEASED, Step.SWEEP_ENQUEUED)
OF_FORGOTTEN_JOBS = (Step.BATCH_WITHHELD, Step.REBUILD_REFUSED, Step.REBUILD_DECLINED)
REGROUPING = (Step.REGROUP_WRITTEN, Step.REGROUPED, Step.MERGE_WRITTEN, Step.MERGED)
FOLLOWING = tuple(
    step for step in Step if step.value.startswith(("failures_", "outcomes_", "drift_"))
)

BY_CONSOLE = (
    *WEB_BULK,
    *PLANNING,
    *APPROVING,
    *RESTORING,
    *CANCELLING,
    Step.CANCEL_ENQUEUED,
    *STEERING,
    *WEB_SINGLE,
    *RELEASING,
)
"""The steps that the console comes to."""

_SLOW_MILLIS = 800
_MORE_THAN_A_CALL = 600
_EACH_TRY_OF_A_SINGLE = 3

STEERED = Act(
    action=Action.RETRY_ALL,
    controls={"rate": 20, "canary": {"entries": 3, "percent": 1, "seconds": 2}},
    steered=True,
)
PLANNED = Act(action=Action.RETRY_PLANNED, where={"app_id": "app-1", "queue": "mail"})
DISMISSED = Act(action=Action.DISMISS_PLANNED, where={"app_id": "app-1"})
RESTORED = Act(action=Action.RESTORE)


def at_step(step: Step, backend: str, seed: int) -> Scenario:
    """A scenario in which a process surely comes to ``step``, and is killed there."""
    rng = random.Random(f"{seed} {step}")
    jobs = world(rng, _MORE_THAN_A_CALL) if step is Step.PART_MOVED else world(rng)
    if step in OF_AN_UNDO:
        jobs = slowed(jobs, _SLOW_MILLIS)
    if step in OF_FORGOTTEN_JOBS:
        jobs = forgotten(jobs)
    before = _leading_to(step)
    regroups = step in REGROUPING
    life = 1 + sum(fault.meanwhile is None for fault in before) + regroups
    scenario = Scenario(
        name=f"step-{step}-{seed}",
        backend=backend,
        jobs=jobs,
        acts=_acts_coming_to(step, jobs),
        faults=(*before, Fault(part=part_of(step), step=step, life=life)),
        eaten=_EACH_TRY_OF_A_SINGLE if step is Step.SINGLE_ENQUEUED else 0,
        eaten_from=Part.WEB,
        unreachable=step in RELEASING,
        approval_over=1 if step in APPROVING else 0,
        regroups=regroups,
        strict=True,
    )
    # Slow jobs, moved all at once: much of what is to be undone still waits for a worker.
    at_once = step in OF_AN_UNDO or step is Step.PART_MOVED
    return replace(scenario, batch_size=len(jobs)) if at_once else scenario


def part_of(step: Step) -> Part:
    """The part that comes to a step."""
    if step in BY_CONSOLE:
        return Part.WEB
    return Part.FOLLOWER if step in (*FOLLOWING, *REGROUPING) else Part.RUNNER


def _leading_to(step: Step) -> tuple[Fault, ...]:
    """The faults without which no process comes to the step."""
    if step is Step.BATCH_WITHHELD:
        # So late in its batch that nothing is claimed meanwhile: a sleeper in a transaction would
        # keep the cancel from SQLite.
        late = Fault(part=Part.RUNNER, step=Step.REBUILD_WANTED, nth=6, meanwhile=Meanwhile.CANCEL)
        return (late, Fault(part=Part.RUNNER, step=Step.REBUILT, nth=6))
    if step in (*CANCELLING, *WITHHOLDING):
        return (Fault(part=Part.RUNNER, step=Step.CLAIMED, meanwhile=Meanwhile.CANCEL),)
    if step in OF_AN_UNDO:
        # Where it has no transaction open: the undo could not be written to SQLite.
        return (Fault(part=Part.RUNNER, step=Step.SETTLED, meanwhile=Meanwhile.UNDO),)
    if step is Step.REBUILD_REFUSED:
        return (Fault(part=Part.RUNNER, step=Step.REBUILD_WANTED, meanwhile=Meanwhile.ADDED_AGAIN),)
    if step is Step.REBUILD_DECLINED:
        return (Fault(part=Part.RUNNER, step=Step.CLAIMED, meanwhile=Meanwhile.DONE_ELSEWHERE),)
    if step in (Step.UNSETTLED_FOUND, *SWEEPING):
        return (Fault(part=Part.RUNNER, step=Step.MOVED, nth=2),)
    if step is Step.FAILURES_LOOKED_UP:
        # The next one hears of failures that it has not recorded itself.
        return (Fault(part=Part.FOLLOWER, step=Step.FAILURES_RECORDED),)
    return ()


def _acts_coming_to(step: Step, jobs: Sequence[JobPlan]) -> tuple[Act, ...]:
    if step in (*WEB_SINGLE, *RELEASING):
        return (Act(action=Action.RETRY_ONE, target=_first_lasting(jobs)), RETRY_ALL)
    if step in (*PLANNING, *APPROVING):
        return (PLANNED, RETRY_ALL)
    if step in RESTORING:
        return (DISMISSED, RESTORED)
    if step in (*STEERING, *HALTING):
        return (STEERED,)
    if step in FOLLOWING:
        return (Act(action=Action.RETRY_ELSEWHERE), RETRY_ALL)
    return (RETRY_ALL, Act(action=Action.RETRY_APP, target="app-1"))


def _first_lasting(jobs: Sequence[JobPlan]) -> str:
    return next(job.job_id for job in jobs if not job.dropped and not job.poison)
