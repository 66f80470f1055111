"""What other tools do to failed jobs before a retry or a resync comes to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta

import pytest

from redrive.domain import Answer, EntryState, JobId, OperationKind, Outcome, Reason
from redrive.testing import Crash, Faults
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import QUEUE, MakeRig, Rig, check_adds_up
from tests.support.working import fail_some, run_all


async def removed(world: BullMQWorld, name: str) -> None:
    await world.remove(QUEUE, name)


async def retried(world: BullMQWorld, name: str) -> None:
    await world.retry_elsewhere(QUEUE, name)


async def completed(world: BullMQWorld, name: str) -> None:
    await world.retry_elsewhere(QUEUE, name)
    await world.complete(QUEUE, name)


async def failed_anew(world: BullMQWorld, name: str) -> None:
    await world.retry_elsewhere(QUEUE, name)
    await world.fail(QUEUE, name, "anew")


DONE_ELSEWHERE = [
    (removed, Reason.MISSING, EntryState.VANISHED),
    (retried, Reason.ALREADY_LIVE, EntryState.QUEUED),
    (completed, Reason.NOT_FAILED, EntryState.RECOVERED),
    (failed_anew, Reason.SUPERSEDED, EntryState.FAILED),
]


@pytest.mark.parametrize(("elsewhere", "reason", "state"), DONE_ELSEWHERE)
async def test_what_was_done_elsewhere_between_listing_and_retrying_is_the_items_reason(
    rig: Rig,
    world: BullMQWorld,
    elsewhere: Callable[[BullMQWorld, str], Awaitable[None]],
    reason: Reason,
    state: EntryState,
) -> None:
    names = await fail_some(world, 3)
    await rig.follower.scan()
    operation = await rig.start()

    await elsewhere(world, names[1])
    await rig.runner.run(operation.operation_id)

    items = {item.job_id: item for item in await rig.items(operation.operation_id)}
    assert items[JobId(names[1])].reason is reason
    assert (await rig.entry(names[1])).state is state
    finished = await rig.operation(operation.operation_id)
    assert (finished.requeued, finished.skipped) == (2, 1)
    check_adds_up(finished, list(items.values()))


@pytest.mark.parametrize(
    ("elsewhere", "state"), [(elsewhere, state) for elsewhere, _, state in DONE_ELSEWHERE]
)
async def test_the_drift_check_notices_what_was_done_elsewhere(
    rig: Rig,
    world: BullMQWorld,
    elsewhere: Callable[[BullMQWorld, str], Awaitable[None]],
    state: EntryState,
) -> None:
    names = await fail_some(world, 3)
    await rig.follower.scan()
    operation = await rig.start()

    await elsewhere(world, names[1])
    await rig.follower.check()

    entry = await rig.entry(names[1])
    assert entry.state is state
    await rig.runner.run(operation.operation_id)
    finished = await rig.operation(operation.operation_id)
    check_adds_up(finished, await rig.items(operation.operation_id))
    assert (finished.requeued, finished.skipped) == (2, 1)
    await rig.check_counts()


@pytest.mark.parametrize("forgets", [True, False])
async def test_a_job_that_completed_elsewhere_and_was_removed_then_is_not_run_again(
    rig: Rig, world: BullMQWorld, forgets: bool
) -> None:
    names = await fail_some(world, 3, forgets=forgets)
    await rig.follower.scan()
    operation = await rig.start()
    await world.retry_elsewhere(QUEUE, names[1])
    assert await run_all(world) == {names[1]: 1}

    await rig.hear()
    await rig.follower.check()

    entry = await rig.entry(names[1])
    assert (entry.state, entry.state_reason) == (EntryState.RECOVERED, "completed elsewhere")
    await rig.runner.run(operation.operation_id)
    assert await run_all(world) == {names[0]: 1, names[2]: 1}
    items = {item.job_id: item for item in await rig.items(operation.operation_id)}
    assert items[JobId(names[1])].reason is Reason.RESOLVED_ELSEWHERE
    await rig.check_counts()


async def test_a_follower_that_dies_before_it_has_judged_a_completion_hears_of_it_again(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    doomed = make_rig(faults=Faults("following", "record_drift"))
    survivor = make_rig()
    (name,) = await fail_some(world, 1, forgets=True)
    await survivor.follower.scan()
    await world.retry_elsewhere(QUEUE, name)
    await run_all(world)

    with pytest.raises(Crash):
        await doomed.hear()
    await survivor.hear()

    assert (await survivor.entry(name)).state is EntryState.RECOVERED


async def test_a_completion_from_before_a_failure_does_not_take_it_back(
    rig: Rig, world: BullMQWorld
) -> None:
    name = "acme-0"
    await world.add(QUEUE, name, forgets=True)
    await world.complete(QUEUE, name, keep=False)
    await fail_some(world, 1, forgets=True)
    await rig.follower.scan()
    await world.remove(QUEUE, name)

    await rig.follower._check.find_completed(QUEUE, [JobId(name)])

    assert await rig.states() == {EntryState.FAILED: 1}


async def test_a_completion_is_one_also_if_the_clock_of_the_worker_that_failed_is_ahead(
    rig: Rig, world: BullMQWorld
) -> None:
    ahead = rig.clock.now() + timedelta(hours=1)
    await world.add(QUEUE, "1", {"app_id": "acme"}, forgets=True)
    await world.fail(QUEUE, "1", at=ahead)
    await rig.hear()
    assert (await rig.entry("1")).failed_at > rig.clock.now()
    await world.retry_elsewhere(QUEUE, "1")
    assert await run_all(world) == {"1": 1}

    await rig.hear()

    assert (await rig.entry("1")).state is EntryState.RECOVERED


@pytest.mark.parametrize("heard", [True, False], ids=["heard of", "not heard of yet"])
@pytest.mark.parametrize("dies", [True, False], ids=["the runner dies", "nothing happens"])
async def test_a_claimed_job_that_completes_elsewhere_and_is_removed_then_is_not_run_again(
    make_rig: MakeRig, world: BullMQWorld, heard: bool, dies: bool
) -> None:
    rig = make_rig()
    doomed = make_rig(faults=Faults("engine", "decline", when="after")) if dies else rig
    names = await fail_some(world, 3, forgets=True)
    await rig.follower.scan()
    operation = await rig.start()
    await doomed.claim(operation.operation_id, 3)
    await world.retry_elsewhere(QUEUE, names[1])
    assert await run_all(world) == {names[1]: 1}
    if heard:
        await rig.hear()

    with pytest.raises(Crash) if dies else nullcontext():
        await doomed.runner.run(operation.operation_id)
    if dies:
        world.redis.delete(world.key(QUEUE, "events"))
        await rig.runner.run(operation.operation_id)

    assert await run_all(world) == {names[0]: 1, names[2]: 1}
    items = {item.job_id: item for item in await rig.items(operation.operation_id)}
    assert items[JobId(names[1])].reason is Reason.NOT_FAILED
    entry = await rig.entry(names[1])
    assert (entry.state, entry.state_reason) == (EntryState.RECOVERED, "completed elsewhere")
    check_adds_up(await rig.operation(operation.operation_id), list(items.values()))
    await rig.check_counts()


async def test_a_job_that_this_operation_rebuilt_and_that_completed_counts_as_rebuilt(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    doomed, survivor = make_rig(faults=Faults("engine", "rebuild", when="after")), make_rig()
    (name,) = await fail_some(world, 1, forgets=True)
    await survivor.follower.scan()
    await world.remove(QUEUE, name)
    operation = await survivor.start()
    await doomed.claim(operation.operation_id, 1)

    with pytest.raises(Crash):
        await doomed.runner.run(operation.operation_id)
    assert await run_all(world) == {name: 1}
    await survivor.runner.run(operation.operation_id)
    await survivor.hear()

    (item,) = await survivor.items(operation.operation_id)
    assert (item.reason, item.outcome) == (Reason.RECREATED, Outcome.RECOVERED)
    assert await run_all(world) == {}


async def test_a_job_that_completed_elsewhere_unheard_of_is_not_retried_by_hand_but_resynced(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    await world.retry_elsewhere(QUEUE, name)
    await run_all(world)

    retried = await rig.act(name)

    assert retried.answer is Answer.NOT_FAILED
    assert await run_all(world) == {}
    assert (await rig.entry(name)).state is EntryState.RECOVERED
    assert (await rig.act(name, OperationKind.RESYNC)).answer is Answer.RECREATED
    assert await run_all(world) == {name: 1}


async def test_an_error_in_looking_for_completions_is_that_of_the_missing_jobs(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    rig = make_rig(faults=Faults("engine", "completed", error=lambda: ValueError("odd")))
    names = await fail_some(world, 3, forgets=True)
    await rig.follower.scan()
    await world.remove(QUEUE, names[1])
    operation = await rig.start()

    await rig.runner.run(operation.operation_id)

    items = {item.job_id: item for item in await rig.items(operation.operation_id)}
    assert (items[JobId(names[1])].reason, items[JobId(names[1])].detail) == (Reason.ERROR, "odd")
    assert await run_all(world) == {names[0]: 1, names[2]: 1}
    check_adds_up(await rig.operation(operation.operation_id), list(items.values()))


async def test_a_forgotten_job_is_rebuilt_by_a_bulk_retry_where_forgetting_was_the_plan(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1, forgets=True)
    await rig.follower.scan()
    await world.remove(QUEUE, name)
    await rig.follower.check()
    operation = await rig.start()

    await rig.runner.run(operation.operation_id)

    (item,) = await rig.items(operation.operation_id)
    assert item.reason is Reason.RECREATED
    assert await run_all(world) == {name: 1}


async def test_a_removed_job_is_rebuilt_by_hand_one_by_one(rig: Rig, world: BullMQWorld) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    await world.remove(QUEUE, name)
    await rig.follower.check()

    result = await rig.act(name, OperationKind.RESYNC)

    assert result.answer is Answer.RECREATED
    assert await world.data(QUEUE, name) == {"app_id": "acme", "name": name, "isRescan": False}
