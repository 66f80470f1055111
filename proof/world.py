"""The jobs of a scenario, and what its operator does with them."""

from __future__ import annotations

import random
from dataclasses import replace

from proof.plan import FOR_EVER, Act, Action, JobPlan

RETRY_ALL = Act(action=Action.RETRY_ALL)

_FORGETS = {"age": 86400}
_LOW_PRIORITY_SHARE = 0.25


def world(rng: random.Random, count: int = 48) -> tuple[JobPlan, ...]:
    """Jobs of several apps and queues, with the options that make a difference."""
    return tuple(_job(rng, number) for number in range(count))


def slowed(jobs: tuple[JobPlan, ...], millis: int) -> tuple[JobPlan, ...]:
    """The jobs, each taking so long."""
    return tuple(replace(job, work_millis=millis) for job in jobs)


def forgotten(jobs: tuple[JobPlan, ...]) -> tuple[JobPlan, ...]:
    """The jobs, all forgotten by their queues."""
    options = {"removeOnFail": _FORGETS}
    return tuple(replace(job, dropped=True, options={**job.options, **options}) for job in jobs)


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
        options["removeOnFail"] = _FORGETS
    return JobPlan(
        queue=rng.choice(("mail", "mail", "invoices")),
        app_id=f"app-{rng.randint(1, 3)}",
        job_id=f"job-{number}",
        fails_through=rng.choices((0, 1, FOR_EVER), (85, 8, 7))[0],
        options=options,
        dropped=dropped,
        work_millis=rng.choices((rng.randint(1, 4), rng.randint(50, 400)), (9, 1))[0],
    )


def acts(rng: random.Random) -> tuple[Act, ...]:
    """What the operator does, one after the other."""
    app = f"app-{rng.randint(1, 3)}"
    cancel_after = rng.uniform(0, 0.2) if rng.random() < 0.25 else None
    first = Act(
        action=rng.choice(
            (Action.RETRY_ALL, Action.RETRY_ALL, Action.RETRY_APP, Action.RETRY_PLANNED)
        ),
        target=app,
        where={"app_id": app},
        cancel_after=cancel_after,
    )
    second = Act(action=rng.choice((Action.RETRY_ALL, Action.RESYNC_APP)), target=app)
    return (maybe_behind(rng, first), second)


def maybe_behind(rng: random.Random, act: Act) -> Act:
    """The act, for some behind live traffic."""
    low = rng.random() < _LOW_PRIORITY_SHARE
    return replace(act, controls={**act.controls, "low_priority": True}) if low else act
