"""What a resync takes, and what a cancel leaves."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from redrive.domain import AppId, EntryState, OperationKind, OperationState, Outcome, Scope
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import OPERATOR, QUEUE, Rig, check_adds_up
from tests.support.working import fail_some, run_all, waiting


async def test_a_resync_of_an_app_runs_failed_and_recovered_entries_once_more(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 4)
    await rig.follower.scan()
    first = await rig.start()
    await rig.runner.run(first.operation_id)
    await run_all(world, keep=True, fail=set(names[:2]))
    await rig.follower.scan()
    await rig.hear()

    second = await rig.start(Scope.of_app(AppId("acme")), OperationKind.RESYNC)
    await rig.runner.run(second.operation_id)

    finished = await rig.operation(second.operation_id)
    assert (finished.total, finished.requeued) == (4, 4)
    assert await run_all(world) == Counter(names)
    await rig.hear()
    assert await rig.states() == {EntryState.RECOVERED: 4}


async def test_cancel_counts_what_was_moved_and_leaves_the_rest_failed(
    rig: Rig, world: BullMQWorld
) -> None:
    await fail_some(world, 12)
    await rig.follower.scan()
    operation = await rig.start()
    current, batch = await rig.claim(operation.operation_id, 4)
    await rig.operations.settle(current, batch, await rig.recovery.move(current, batch))
    left = await rig.operations.claim(current, 4)
    assert left is not None

    answer = await rig.recovery.cancel(operation.operation_id, OPERATOR)
    await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    assert answer.state is OperationState.CANCELLING
    assert finished.state is OperationState.CANCELLED
    assert (finished.requeued, finished.released) == (4, 4)
    check_adds_up(finished, await rig.items(operation.operation_id))
    assert sum(waiting(world).values()) == 4
    assert await rig.states() == {EntryState.QUEUED: 4, EntryState.FAILED: 8}
    assert (await rig.entry("acme-5")).error_message == "boom"


async def test_an_entry_that_recovers_during_a_resync_was_not_counted_and_is_not_taken(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 3)
    await rig.follower.scan()
    await rig.act(names[1])
    operation = await rig.start(Scope.of_app(AppId("acme")), OperationKind.RESYNC)

    await run_all(world, keep=True)
    await rig.hear()
    await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    assert (finished.total, finished.requeued) == (2, 2)
    assert (await rig.entry(names[1])).state is EntryState.RECOVERED


async def test_a_resync_of_what_failed_anew_by_a_clock_ahead_runs_it_once(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1, forgets=True)
    await rig.follower.scan()
    operation = await rig.start(Scope.of_app(AppId("acme")), OperationKind.RESYNC)
    await rig.claim(operation.operation_id, 1)
    await world.retry_elsewhere(QUEUE, name)
    await world.fail(QUEUE, name, "anew", at=rig.clock.now() + timedelta(seconds=30))
    await rig.follower.check()

    await rig.runner.run(operation.operation_id)
    assert (await rig.entry(name)).state is EntryState.QUEUED
    assert await run_all(world) == {name: 1}
    await rig.hear()

    assert await rig.states() == {EntryState.RECOVERED: 1}
    (item,) = await rig.items(operation.operation_id)
    assert item.outcome is Outcome.RECOVERED
    await rig.check_counts()
