"""Failures that a queue only announces, and announcements that later events take back."""

from __future__ import annotations

from contextlib import suppress

import pytest

from redrive.domain import EntryState, JobState
from redrive.testing import Crash, Faults, When
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import QUEUE, MakeRig, Rig
from tests.support.working import fail_some, run_all


async def fail_and_drop(world: BullMQWorld, count: int) -> list[str]:
    """Jobs of a queue that drops failed jobs at once."""
    names = [f"dropped-{number}" for number in range(count)]
    for name in names:
        await world.add(QUEUE, name, {"app_id": "acme"}, removeOnFail=True)
        await world.fail(QUEUE, name, "the provider is down")
        assert await world.state(QUEUE, name) is JobState.MISSING
    return names


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["record_failures", "record_outcomes"])
async def test_failures_that_were_only_announced_survive_a_killed_follower(
    make_rig: MakeRig, world: BullMQWorld, method: str, when: When
) -> None:
    names = await fail_and_drop(world, 3)
    doomed = make_rig(faults=Faults("following", method, 1, when))
    survivor = make_rig()

    with suppress(Crash):
        await doomed.hear()
    await survivor.hear()

    assert await survivor.states() == {EntryState.FAILED: 3}
    entry = await survivor.entry(names[0])
    assert (entry.error_message, entry.failures) == ("the provider is down", 1)
    assert entry.defect is not None
    await survivor.check_counts()


async def test_work_that_was_retried_elsewhere_and_completed_is_not_shown_as_failed(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 4)
    for name in names:
        await world.retry_elsewhere(QUEUE, name)
    await run_all(world)

    await rig.hear()
    await rig.follower.scan()
    await rig.follower.check()

    assert await rig.states() == {}


async def test_failed_jobs_that_were_removed_or_cleaned_are_not_shown_as_failed(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 4)
    await world.remove(QUEUE, names[0])
    await world.queue(QUEUE).clean(0, 100, "failed")

    await rig.hear()
    await rig.follower.scan()

    assert await rig.states() == {}


async def test_a_dropped_job_that_completes_after_all_is_recovered(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_and_drop(world, 1)
    await rig.hear()
    await world.add(QUEUE, name, {"app_id": "acme"})
    await world.complete(QUEUE, name, keep=False)

    await rig.hear()

    assert (await rig.entry(name)).state is EntryState.RECOVERED
    await rig.check_counts()
