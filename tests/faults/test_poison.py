"""Jobs and errors that nobody thought of: each ends with a reason, and the rest goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from redrive.domain import Answer, EntryState, ItemState, OperationKind, OperationState, Reason
from redrive.errors import EngineUnavailable, HandOverPending, LedgerUnavailable, RedriveError
from redrive.sweeping import sweep
from redrive.testing import Faults
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import QUEUE, MakeRig, Rig, check_adds_up
from tests.support.working import fail_some, run_all


async def test_a_job_that_cannot_be_rebuilt_is_an_error_and_the_others_are_moved(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 3, forgets=True)
    rig = make_rig(faults=Faults("engine", "rebuild", error=lambda: ValueError("too deep")))
    await rig.follower.scan()
    await world.remove(QUEUE, names[1])
    operation = await rig.start()

    assert await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    items = await rig.items(operation.operation_id)
    check_adds_up(finished, items)
    assert (finished.requeued, finished.errored) == (2, 1)
    assert [item.detail for item in items if item.state is ItemState.ERRORED] == ["too deep"]
    assert (await rig.entry(names[1])).state is EntryState.FAILED


async def test_an_answer_that_nobody_expects_fails_its_batch_and_not_the_operation(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    await fail_some(world, 8)
    odd = RedriveError("the server answered something odd")
    rig = make_rig(faults=Faults("engine", "requeue", nth=1, error=lambda: odd))
    await rig.follower.scan()
    operation = await rig.start()

    assert await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    check_adds_up(finished, await rig.items(operation.operation_id))
    assert finished.state is OperationState.COMPLETED
    assert (finished.requeued, finished.errored) == (4, 4)
    assert await rig.states() == {EntryState.QUEUED: 4, EntryState.FAILED: 4}


@pytest.mark.parametrize(("field", "text"), [("data", '{"app_id": "ac'), ("opts", "zzz")])
async def test_a_job_that_no_worker_can_read_is_not_handed_over_by_a_retry(
    rig: Rig, world: BullMQWorld, field: str, text: str
) -> None:
    names = await fail_some(world, 3)
    world.redis.hset(world.key(QUEUE, names[1]), field, text)
    await rig.follower.scan()
    operation = await rig.start()

    await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    items = await rig.items(operation.operation_id)
    check_adds_up(finished, items)
    (errored,) = [item for item in items if item.state is ItemState.ERRORED]
    assert errored.job_id == names[1]
    assert errored.detail.startswith("not handed over: The job's")
    assert (finished.requeued, finished.errored) == (2, 1)


async def test_a_batch_with_an_unreadable_job_is_the_same_batch_when_it_is_repeated(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 3)
    world.redis.hset(world.key(QUEUE, names[1]), "data", "{")
    await rig.follower.scan()
    started = await rig.start()
    current, batch = await rig.claim(started.operation_id, 5)
    await rig.recovery.move(current, batch)
    await run_all(world)

    assert await rig.runner.run(started.operation_id)

    finished = await rig.operation(started.operation_id)
    assert (finished.requeued, finished.errored) == (2, 1)


async def test_a_mended_job_can_be_resynced_by_hand(rig: Rig, world: BullMQWorld) -> None:
    (name,) = await fail_some(world, 1)
    good = world.raw_data(QUEUE, name)
    world.redis.hset(world.key(QUEUE, name), "data", "{")
    await rig.follower.scan()
    app = (await rig.entry(name)).app_id
    world.redis.hset(world.key(QUEUE, name), "data", good)

    assert (await rig.act(name, app=app)).answer is Answer.ERROR
    assert (await rig.act(name, OperationKind.RESYNC, app=app)).answer is Answer.REQUEUED


async def test_the_sweep_leaves_a_single_retry_in_hand_alone(rig: Rig, world: BullMQWorld) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    scope = rig.scope_of(name)
    operation, _ = await rig.operations.start_single(rig.request(scope))

    await sweep(rig.operations, rig.recovery, operation.created_at)
    assert rig.queue.waiting == []

    later = operation.created_at.replace(year=operation.created_at.year + 1)
    await sweep(rig.operations, rig.recovery, later)
    assert rig.queue.waiting == [operation.operation_id]


async def test_with_queue_and_ledger_away_a_single_retry_does_not_claim_that_nothing_changed(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    class BothAway(Faults):
        def _hit(self, target: str, method: str) -> bool:
            return (target, method) in (("engine", "check"), ("ledger", "release"))

    answers = iter([EngineUnavailable(source="default", sent=False)] * 2 + [LedgerUnavailable()])
    rig = make_rig(faults=BothAway("", "", error=lambda: next(answers)))
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()

    with pytest.raises(HandOverPending):
        await rig.act(name)

    (operation,) = await rig.operations.open_operations()
    assert await make_rig().runner.run(operation.operation_id)
    assert await run_all(world) == {name: 1}


async def test_an_entry_whose_job_is_in_no_list_can_be_rescued(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    await rig.act(name)
    world.redis.delete(world.key(QUEUE, "wait"))
    rig.follower._check.heard_until(rig.clock.now().replace(year=3000))

    await rig.follower.check()

    entry = await rig.entry(name)
    assert (entry.state, entry.state_reason) == (
        EntryState.VANISHED,
        "in none of its queue's lists",
    )
    result = await rig.act(name, OperationKind.RESYNC)
    assert result.answer is Answer.REQUEUED
    assert await run_all(world) == {name: 1}


async def test_a_job_id_that_another_app_uses_anew_goes_to_that_app(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    before = await rig.entry(name)
    await world.remove(QUEUE, name)
    await world.add(QUEUE, name, {"app_id": "zenith"})
    await world.fail(QUEUE, name, "anew", at=before.failed_at + timedelta(milliseconds=1))

    await rig.follower.scan()

    entry = await rig.entry(name)
    assert (entry.app_id, entry.failures) == ("zenith", 2)
    await rig.check_counts()
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    (item,) = await rig.items(operation.operation_id)
    assert (item.app_id, item.reason) == ("zenith", Reason.REQUEUED)
