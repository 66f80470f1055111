"""The harness can fail: with one thing wrong in Redrive it says what that breaks."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from proof.campaign import play_safely
from proof.plan import Act, Action, Fault, JobPlan, Meanwhile, Part, Scenario
from proof.processes import Forker
from proof.stores import Ledgers
from proof.world import RETRY_ALL, forgotten, world
from redrive.faultpoints import Step

pytestmark = pytest.mark.timeout(240)


def jobs(*, removed: bool = True) -> tuple[JobPlan, ...]:
    """Jobs that complete when they are handed over, and are removed then."""
    plain = [plan for plan in world(random.Random(7), 64) if not plan.dropped][:40]
    return tuple(
        replace(plan, fails_through=0, options={"removeOnComplete": removed}) for plan in plain
    )


def scenario(
    *faults: Fault,
    acts: tuple[Act, ...] = (RETRY_ALL,),
    eaten: int = 0,
    removed: bool = True,
    backend: str = "sqlite",
) -> Scenario:
    return Scenario(
        name="sabotaged",
        backend=backend,
        jobs=jobs(removed=removed),
        acts=acts,
        faults=faults,
        eaten=eaten,
        strict=True,
        patience=12,
    )


CASES = {
    "settle_before_requeue": (
        scenario(Fault(part=Part.RUNNER, step=Step.MOVE_WANTED, nth=2)),
        {"lost"},
    ),
    "no_receipt": (
        scenario(eaten=2, removed=False, acts=(Act(action=Action.RESYNC_APP, target="app-1"),)),
        {"doubled"},
    ),
    "no_epoch": (
        scenario(
            Fault(part=Part.RUNNER, step=Step.CLAIM_WANTED, nth=1, meanwhile=Meanwhile.OTHER_STOPS),
            Fault(
                part=Part.RUNNER,
                step=Step.SETTLE_WANTED,
                nth=5,
                life=2,
                meanwhile=Meanwhile.THE_END,
            ),
            # Who is stopped within a transaction keeps SQLite from the sleeper, which then has to
            # wait with its damage.
            backend="postgresql",
        ),
        {"unbalanced"},
    ),
    "no_occurrence_check": (
        scenario(
            Fault(part=Part.RUNNER, step=Step.MOVE_WANTED, nth=2, meanwhile=Meanwhile.OTHER_TOOL)
        ),
        {"unexpected"},
    ),
    "no_look_for_completions": (
        replace(
            scenario(
                Fault(part=Part.RUNNER, step=Step.CLAIMED, meanwhile=Meanwhile.DONE_ELSEWHERE)
            ),
            jobs=forgotten(jobs()),
        ),
        {"unexpected"},
    ),
    "cursor_before_batch": (
        scenario(
            Fault(part=Part.FOLLOWER, step=Step.OUTCOMES_RECORDED, nth=3, meanwhile=Meanwhile.WORK),
            Fault(part=Part.FOLLOWER, step=Step.OUTCOMES_WRITTEN, nth=4),
        ),
        {"misjudged"},
    ),
}


@pytest.mark.parametrize("sabotage", CASES)
async def test_the_proof_reports_what_a_fault_in_redrive_breaks(
    sabotage: str, tmp_path: Path
) -> None:
    """Where it strikes depends on timing too, so that it gets three tries."""
    played, expected = CASES[sabotage]
    spoiler = f"tests.proof.sabotage:{sabotage}"
    async with Forker() as forker, Ledgers(tmp_path) as ledgers:

        async def spoilt() -> set[str]:
            found: set[str] = set()
            for number in range(3):
                folder = tmp_path / f"spoilt-{number}"
                found |= (await play_safely(played, forker, ledgers, folder, spoiler)).found
                if expected <= found:
                    break
            return found

        found, sound = await asyncio.gather(
            spoilt(),
            play_safely(replace(played, patience=60), forker, ledgers, tmp_path / "sound"),
        )
    assert expected <= found
    assert sound.clean, (sound.problems, sound.missed, sound.verdict.problems)
