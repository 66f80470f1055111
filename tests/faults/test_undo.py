"""Cancel with undo: what was moved and has not started is taken back, through any crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from redrive.domain import (
    AppId,
    EntryState,
    ItemState,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Reason,
)
from redrive.errors import NothingToTakeBack, OperationNotFound
from redrive.sweeping import sweep
from redrive.testing import Crash, Faults
from redrive.testing.faults import When
from tests.faults.turns import in_turn
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import OPERATOR, QUEUE, Rig, check_adds_up
from tests.support.working import fail_some, run_all, waiting

MakeRig = Callable[..., Rig]


async def crash(action: Callable[[], Awaitable[object]]) -> None:
    crashed = False
    try:
        await action()
    except* Crash:
        crashed = True
    assert crashed, "the fault never happened"


async def retried(rig: Rig, world: BullMQWorld, count: int) -> Operation:
    """An operation over so many failures that has moved them all and is over."""
    await fail_some(world, count)
    await rig.follower.scan()
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    finished = await rig.operation(operation.operation_id)
    assert (finished.state, finished.requeued) == (OperationState.COMPLETED, count)
    return finished


async def undo(rig: Rig, operation: Operation) -> Operation:
    """Ask for the undo and carry it out."""
    asked = await rig.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    assert asked.state is OperationState.CANCELLING
    assert await rig.runner.run(operation.operation_id)
    return await rig.operation(operation.operation_id)


def failed_in_queue(world: BullMQWorld) -> dict[str, float]:
    found: Any = world.redis.zrange(world.key(QUEUE, "failed"), 0, -1, withscores=True)
    return dict(found)


async def test_everything_that_waits_is_failed_again_and_counted_exactly(
    rig: Rig, world: BullMQWorld
) -> None:
    await fail_some(world, 10)
    before = failed_in_queue(world)
    records = {name: world.hash(QUEUE, name) for name in before}
    await rig.follower.scan()
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)

    undone = await undo(rig, operation)

    assert (undone.state, undone.requeued, undone.released) == (OperationState.CANCELLED, 0, 10)
    items = await rig.items(operation.operation_id)
    check_adds_up(undone, items)
    assert {(item.state, item.reason, item.outcome) for item in items} == {
        (ItemState.RELEASED, Reason.TAKEN_BACK, None)
    }
    assert await rig.states() == {EntryState.FAILED: 10}
    await rig.check_counts()
    assert failed_in_queue(world) == before
    assert {name: world.hash(QUEUE, name) for name in before} == records
    assert waiting(world) == Counter()


async def test_the_follower_sees_the_same_occurrences_and_none_anew(
    rig: Rig, world: BullMQWorld
) -> None:
    await undo(rig, await retried(rig, world, 6))
    await rig.follower.scan()
    await rig.hear()
    await rig.follower.check()
    assert await rig.states() == {EntryState.FAILED: 6}
    entry = await rig.entry("acme-0")
    assert (entry.failures, entry.error_message) == (1, "boom")
    await rig.check_counts()


async def test_what_was_taken_back_is_retried_by_the_next_operation_and_runs_once(
    rig: Rig, world: BullMQWorld
) -> None:
    first = await undo(rig, await retried(rig, world, 6))
    second = await rig.start()
    assert second.total == 6
    await rig.runner.run(second.operation_id)
    assert await run_all(world) == Counter(f"acme-{number}" for number in range(6))
    await rig.hear()
    after = await rig.operation(second.operation_id)
    assert (after.requeued, after.recovered) == (6, 6)
    assert (await rig.operation(first.operation_id)).requeued == 0
    await rig.check_counts()


async def test_what_a_worker_has_taken_is_left_to_it(rig: Rig, world: BullMQWorld) -> None:
    operation = await retried(rig, world, 9)
    done, failed, active = [str(await world.take(QUEUE)) for _ in range(3)]
    await world.complete(QUEUE, done)
    await world.fail(QUEUE, failed, "other")

    undone = await undo(rig, operation)
    await world.complete(QUEUE, active)
    await rig.follower.scan()
    await rig.hear()
    await rig.follower.check()

    assert (undone.requeued, undone.released) == (3, 6)
    after = await rig.operation(operation.operation_id)
    assert (after.recovered, after.failed_again, after.vanished) == (2, 1, 0)
    check_adds_up(after, await rig.items(operation.operation_id))
    assert await rig.states() == {EntryState.RECOVERED: 2, EntryState.FAILED: 7}
    assert (await rig.entry(failed)).error_message == "other"
    assert await run_all(world) == Counter()
    await rig.check_counts()


async def test_an_outcome_that_is_heard_while_the_undo_has_the_entry_in_hand_is_kept(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    first = make_rig(faults=Faults("undo", "claim_moved", 1, "after"))
    survivor = make_rig()
    operation = await retried(survivor, world, 4)
    done, failed = [str(await world.take(QUEUE)) for _ in range(2)]
    await survivor.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    await crash(lambda: first.runner.run(operation.operation_id))
    assert (await survivor.states())[EntryState.CLAIMED] == 4
    await world.complete(QUEUE, done)
    await world.fail(QUEUE, failed, "other")
    await survivor.follower.scan()
    await survivor.hear()

    assert await survivor.runner.run(operation.operation_id)

    after = await survivor.operation(operation.operation_id)
    assert (after.requeued, after.released) == (2, 2)
    assert (after.recovered, after.failed_again) == (1, 1)
    check_adds_up(after, await survivor.items(operation.operation_id))
    assert await survivor.states() == {EntryState.RECOVERED: 1, EntryState.FAILED: 3}
    await survivor.check_counts()


async def test_an_undo_of_a_running_operation_first_drains_what_is_in_hand(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    await fail_some(world, 10)
    first = make_rig(faults=Faults("engine", "requeue", 2, "after"))
    survivor = make_rig()
    await survivor.follower.scan()
    operation = await survivor.start()
    await crash(lambda: first.runner.run(operation.operation_id))

    undone = await undo(survivor, operation)

    check_adds_up(undone, await survivor.items(operation.operation_id))
    assert (undone.state, undone.requeued) == (OperationState.CANCELLED, 0)
    assert await survivor.states() == {EntryState.FAILED: 10}
    assert waiting(world) == Counter()
    assert len(failed_in_queue(world)) == 10
    await survivor.check_counts()


STEPS = [
    ("ledger", "take_over", 1),
    ("ledger", "operation", 1),
    ("undo", "claim_moved", 1),
    ("undo", "claim_moved", 2),
    ("undo", "claim_moved", 4),
    ("engine", "take_back", 1),
    ("engine", "take_back", 2),
    ("undo", "settle_moved", 1),
    ("undo", "settle_moved", 3),
    ("ledger", "finish", 1),
]


@in_turn(step=STEPS, when=("before", "after"), completes_between=(False, True))
async def test_a_crash_at_any_step_of_an_undo_loses_nothing_and_runs_nothing_twice(
    make_rig: MakeRig,
    world: BullMQWorld,
    step: tuple[str, str, int],
    when: When,
    completes_between: bool,
) -> None:
    target, method, nth = step
    doomed = make_rig(faults=Faults(target, method, nth, when))
    survivor = make_rig()
    operation = await retried(survivor, world, 10)
    await survivor.recovery.cancel(operation.operation_id, OPERATOR, undo=True)

    await crash(lambda: doomed.runner.run(operation.operation_id))
    ran = await run_all(world) if completes_between else Counter[str]()
    await survivor.follower.check()
    survivor.queue.waiting.clear()
    await sweep(survivor.operations, survivor.recovery, survivor.clock.now())
    for operation_id in list(survivor.queue.waiting):
        assert await survivor.runner.run(operation_id)
    await survivor.hear()
    await survivor.follower.check()

    after = await survivor.operation(operation.operation_id)
    assert after.state is OperationState.CANCELLED
    assert (after.requeued, after.released) == (len(ran), 10 - len(ran))
    assert after.recovered == len(ran)
    check_adds_up(after, await survivor.items(operation.operation_id))
    names = {f"acme-{number}" for number in range(10)}
    assert set(failed_in_queue(world)) == names - set(ran)
    assert (
        await survivor.states()
        == Counter({EntryState.RECOVERED: len(ran), EntryState.FAILED: 10 - len(ran)}) - Counter()
    )
    await survivor.check_counts()
    again = await survivor.start() if len(ran) < 10 else None
    if again is not None:
        await survivor.runner.run(again.operation_id)
    ran += await run_all(world)
    assert ran == Counter(dict.fromkeys(names, 1))


async def test_an_undo_asked_for_as_the_operation_finishes_is_carried_out(
    rig: Rig, world: BullMQWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fail_some(world, 4)
    await rig.follower.scan()
    operation = await rig.start()
    finish = rig.operations.finish

    async def ask_first(*arguments: Any) -> Operation:
        monkeypatch.setattr(rig.operations, "finish", finish)
        await rig.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
        return await finish(*arguments)

    monkeypatch.setattr(rig.operations, "finish", ask_first)
    assert await rig.runner.run(operation.operation_id)

    undone = await rig.operation(operation.operation_id)
    assert (undone.state, undone.released) == (OperationState.CANCELLED, 4)
    assert await rig.states() == {EntryState.FAILED: 4}


async def test_what_was_rebuilt_is_removed_again_and_can_be_rebuilt_once_more(
    rig: Rig, world: BullMQWorld
) -> None:
    await fail_some(world, 3, forgets=True)
    await rig.follower.scan()
    for number in range(3):
        await world.remove(QUEUE, f"acme-{number}")
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    assert len(waiting(world)) == 3

    undone = await undo(rig, operation)
    await rig.follower.check()

    assert (undone.requeued, undone.released) == (0, 3)
    assert await rig.states() == {EntryState.FAILED: 3}
    assert waiting(world) == Counter()
    again = await rig.start()
    await rig.runner.run(again.operation_id)
    assert await run_all(world) == Counter(f"acme-{number}" for number in range(3))


async def test_a_resync_is_undone_to_what_was_before(rig: Rig, world: BullMQWorld) -> None:
    await fail_some(world, 4)
    await rig.follower.scan()
    await rig.act("acme-0")
    await world.complete(QUEUE, "acme-0")
    await rig.hear()
    operation = await rig.start(rig.scope_of("acme-0").of_app(AppId("acme")), OperationKind.RESYNC)
    await rig.runner.run(operation.operation_id)
    undone = await undo(rig, operation)
    assert (undone.requeued, undone.released) == (0, 4)
    assert await rig.states() == {EntryState.RECOVERED: 1, EntryState.FAILED: 3}
    await rig.follower.check()
    assert await rig.states() == {EntryState.RECOVERED: 1, EntryState.FAILED: 3}
    await rig.check_counts()


async def test_a_single_retry_can_be_undone(rig: Rig, world: BullMQWorld) -> None:
    await fail_some(world, 1)
    await rig.follower.scan()
    result = await rig.act("acme-0")
    undone = await undo(rig, result.operation)
    assert (undone.requeued, undone.released) == (0, 1)
    assert await rig.states() == {EntryState.FAILED: 1}


async def test_an_operation_of_which_everything_is_known_is_not_opened_again(
    rig: Rig, world: BullMQWorld
) -> None:
    operation = await retried(rig, world, 2)
    await run_all(world)
    await rig.hear()
    before = await rig.operation(operation.operation_id)
    with pytest.raises(NothingToTakeBack, match="nothing is left to take back"):
        await rig.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    assert await rig.operation(operation.operation_id) == before
    with pytest.raises(OperationNotFound):
        await rig.recovery.cancel(OperationId("op_unknown"), OPERATOR, undo=True)


async def test_an_undo_can_be_asked_for_a_second_time(rig: Rig, world: BullMQWorld) -> None:
    operation = await retried(rig, world, 6)
    taken = str(await world.take(QUEUE))
    first = await undo(rig, operation)
    assert (first.requeued, first.released) == (1, 5)
    second = await undo(rig, first)
    assert (second.requeued, second.released) == (1, 5)
    await world.complete(QUEUE, taken)
    await rig.hear()
    check_adds_up(
        await rig.operation(operation.operation_id), await rig.items(operation.operation_id)
    )
    assert await rig.states() == {EntryState.RECOVERED: 1, EntryState.FAILED: 5}


async def test_a_runner_that_was_only_asleep_takes_nothing_back_twice(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    sleeper, survivor = make_rig(), make_rig()
    operation = await retried(survivor, world, 4)
    await survivor.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    asleep = await sleeper.operations.take_over(operation.operation_id)
    assert asleep is not None
    batch = await sleeper.undo_ledger.claim_moved(asleep, None, 10)
    assert batch is not None
    await survivor.runner.run(operation.operation_id)
    again = await survivor.start()
    await survivor.runner.run(again.operation_id)

    late = await sleeper.recovery.take_back(asleep, batch)
    with pytest.raises(Exception, match="taken over"):
        await sleeper.undo_ledger.settle_moved(asleep, batch, late)

    assert await run_all(world) == Counter(f"acme-{number}" for number in range(4))


async def test_the_request_and_the_end_of_an_undo_are_audited_with_their_counts(
    rig: Rig, world: BullMQWorld
) -> None:
    await undo(rig, await retried(rig, world, 5))
    end, request = (await rig.accounts.audit_trail(None, 2)).items
    assert (request.action, request.result) == ("operation.undo", "cancelling")
    assert request.counts == {"requeued": 5, "released": 0, "waiting": 5}
    assert (end.action, end.result) == ("retry.end", "cancelled")
    assert (end.counts["requeued"], end.counts["released"]) == (0, 5)


async def test_progress_is_told_of_an_operation_that_is_opened_again(
    rig: Rig, world: BullMQWorld
) -> None:
    operation = await retried(rig, world, 3)
    await rig.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    asked = await rig.progress.read(operation.operation_id)
    assert asked is not None
    assert (asked.state, asked.undo_wanted) == (OperationState.CANCELLING, True)
    await rig.runner.run(operation.operation_id)
    ended = await rig.progress.read(operation.operation_id)
    assert ended is not None
    assert (ended.state, ended.succeeded, ended.released) == (OperationState.CANCELLED, 0, 3)
