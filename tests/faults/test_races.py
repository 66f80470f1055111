"""Two of everything at once, and workers that are faster than the settle."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from redrive.domain import Answer, EntryState, Reason
from redrive.errors import OperationOverlap, WrongState
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import QUEUE, MakeRig, Rig, check_adds_up
from tests.support.working import fail_some, run_all, waiting


async def test_two_runners_on_one_operation_move_every_entry_once(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 24)
    one, other = make_rig(batch_size=2), make_rig(batch_size=3)
    await one.follower.scan()
    operation = await one.start()

    await asyncio.gather(
        one.runner.run(operation.operation_id), other.runner.run(operation.operation_id)
    )
    if not (await one.operation(operation.operation_id)).state.terminal:
        await one.runner.run(operation.operation_id)

    finished = await one.operation(operation.operation_id)
    check_adds_up(finished, await one.items(operation.operation_id))
    assert finished.requeued == 24
    assert waiting(world) == Counter(names)


async def test_two_operators_starting_the_same_bulk_meet_one_operation(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    await fail_some(world, 3)
    one, other = make_rig(), make_rig()
    await one.follower.scan()

    answers = await asyncio.gather(one.start(), other.start(), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, OperationOverlap)]
    started = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert (len(refused), len(started)) == (1, 1)
    assert refused[0].fields["operation_id"] == started[0].operation_id


async def test_a_single_retry_racing_a_bulk_moves_the_entry_once(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 12)
    one, other = make_rig(batch_size=2), make_rig()
    await one.follower.scan()
    operation = await one.start()

    results = await asyncio.gather(
        one.runner.run(operation.operation_id),
        *(other.act(name) for name in names[6:9]),
        return_exceptions=True,
    )

    refused = [result for result in results[1:] if isinstance(result, BaseException)]
    assert all(isinstance(result, WrongState) for result in refused), refused
    won = 3 - len(refused)
    finished = await one.operation(operation.operation_id)
    items = await one.items(operation.operation_id)
    check_adds_up(finished, items)
    assert (finished.total, finished.requeued, finished.skipped) == (12, 12 - won, won)
    assert Counter(item.reason for item in items)[Reason.TAKEN_BY_ANOTHER] == won
    assert waiting(world) == Counter(names)
    await one.check_counts()


async def test_a_single_retry_before_a_frozen_bulk_gets_there_is_its_items_reason(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 3)
    await rig.follower.scan()
    operation = await rig.start()

    result = await rig.act(names[1])
    await rig.runner.run(operation.operation_id)

    assert result.answer is Answer.REQUEUED
    finished = await rig.operation(operation.operation_id)
    assert (finished.total, finished.requeued, finished.skipped) == (3, 2, 1)
    check_adds_up(finished, await rig.items(operation.operation_id))


async def test_an_entry_that_fails_again_is_not_swept_up_by_the_same_operation(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 6)
    await rig.follower.scan()
    operation = await rig.start()
    current, batch = await rig.claim(operation.operation_id, 3)
    await rig.operations.settle(current, batch, await rig.recovery.move(current, batch))

    await run_all(world, fail=set(names))
    await rig.follower.scan()
    await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    assert (finished.requeued, finished.failed_again) == (6, 3)
    assert waiting(world) == Counter(names[3:])


async def test_a_job_that_fails_again_within_the_same_second_is_another_occurrence(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    first = await rig.entry(name)
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)

    await world.start(QUEUE, name)
    await world.fail(QUEUE, name, "again", at=first.failed_at + timedelta(milliseconds=1))
    await rig.follower.scan()

    again = await rig.entry(name)
    assert again.state is EntryState.FAILED
    assert (again.failures, again.error_message) == (2, "again")
    assert again.failure_seq > first.failure_seq
    assert (await rig.operation(operation.operation_id)).failed_again == 1


async def test_a_worker_that_finishes_a_job_before_the_settle_counts_as_recovered(
    rig: Rig, world: BullMQWorld
) -> None:
    await fail_some(world, 2)
    await rig.follower.scan()
    operation = await rig.start()
    current, batch = await rig.claim(operation.operation_id, 5)
    settlements = await rig.recovery.move(current, batch)

    await run_all(world)
    await rig.hear()
    await rig.operations.settle(current, batch, settlements)
    await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    assert (finished.requeued, finished.recovered) == (2, 2)
    assert await rig.states() == {EntryState.RECOVERED: 2}
    await rig.check_counts()


async def test_a_worker_that_fails_a_job_again_before_the_settle_counts_as_failed_again(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 2)
    await rig.follower.scan()
    operation = await rig.start()
    current, batch = await rig.claim(operation.operation_id, 5)
    settlements = await rig.recovery.move(current, batch)

    await run_all(world, fail=set(names))
    await rig.follower.scan()
    await rig.operations.settle(current, batch, settlements)
    await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    assert (finished.requeued, finished.failed_again) == (2, 2)
    assert await rig.states() == {EntryState.FAILED: 2}
    await rig.check_counts()
