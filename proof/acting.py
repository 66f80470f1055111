"""What the operators do: one act after the other, or two people side by side."""

from __future__ import annotations

import asyncio

from proof.console import Operator
from proof.plan import Act, Action
from proof.stage import Stage

_STEERED_RATE = 60.0
FIRST_ACT = "act-0"


async def act_together(stage: Stage) -> None:
    """Do all acts at the same time, in turn by the one and the other operator."""
    people = (stage.operator, stage.approver)
    acting = [
        asyncio.create_task(_perform_later(stage, people[number % 2], act, f"act-{number}"))
        for number, act in enumerate(stage.scenario.acts)
    ]
    try:
        await asyncio.gather(*acting)
    finally:
        for one in acting:
            one.cancel()


async def _perform_later(stage: Stage, person: Operator, act: Act, key: str) -> None:
    await asyncio.sleep(act.after)
    await perform(stage, person, act, key)


async def perform(stage: Stage, person: Operator, act: Act, key: str) -> None:
    """Ask for what an act is, until there is an answer."""
    if act.action is Action.RETRY_ONE:
        job = next(job for job in stage.scenario.jobs if job.job_id == act.target)
        await person.act_on_one("/retry", job.queue, job.job_id, job.app_id)
    elif act.action is Action.RETRY_ELSEWHERE:
        await stage.retry_by_other_tool(unseen=False)
    elif act.action is Action.RESTORE:
        await stage.restore(await stage.ledger.dismissed())
    else:
        await _perform_bulk(stage, person, act, key)


async def _perform_bulk(stage: Stage, person: Operator, act: Act, key: str) -> None:
    clicks = [person.start(act, key) for _ in range(1 + act.twice)]
    started = {name for name in await asyncio.gather(*clicks) if name is not None}
    if len(started) > 1:
        stage.problems.append(f"one key started {sorted(started)}")
    for operation_id in started:
        if (all_failed := _still_failed(stage, act, key)) is not None:
            person.promised[operation_id] = all_failed
        if act.cancel_after is not None:
            await asyncio.sleep(act.cancel_after)
            await person.cancel(operation_id)
        if act.steered:
            await _steer(stage, person, operation_id)


def _still_failed(stage: Stage, act: Act, key: str) -> int | None:
    """How many entries a first operation has to take: nobody has touched what failed; None where
    others may have."""
    first = key == FIRST_ACT and not stage.scenario.together
    jobs = stage.scenario.jobs
    if first and act.action is Action.RETRY_ALL:
        return len(jobs)
    if first and act.action is Action.RETRY_APP:
        return sum(job.app_id == act.target for job in jobs)
    return None


async def _steer(stage: Stage, person: Operator, operation_id: str) -> None:
    async def begun() -> bool:
        return await stage.runs_or_ends(operation_id)

    await stage.until(begun, "a runner takes the operation")
    await person.steer(operation_id, _STEERED_RATE)
