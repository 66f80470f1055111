"""A crash before and after each step of the protocol, and what the next runner makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from redrive.domain import SOURCE_AWAY, EntryState, OperationKind, OperationState, Scope
from redrive.testing import Crash, Faults, When
from tests.faults.turns import in_turn
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import MakeRig, check_adds_up
from tests.support.working import fail_some, run_all, waiting

STEPS = [
    ("ledger", "take_over", 1),
    ("ledger", "unsettled", 1),
    ("ledger", "claim", 1),
    ("ledger", "claim", 2),
    ("ledger", "claim", 4),
    ("ledger", "operation", 2),
    ("engine", "requeue", 1),
    ("engine", "requeue", 2),
    ("engine", "requeue", 3),
    ("ledger", "settle", 1),
    ("ledger", "settle", 3),
    ("progress", "write", 2),
    ("ledger", "finish", 1),
]


async def crash(action: Callable[[], Awaitable[object]]) -> None:
    """Run until the fault; a crash inside the pipeline comes in a group."""
    crashed = False
    try:
        await action()
    except* Crash:
        crashed = True
    assert crashed, "the fault never happened"


@in_turn(step=STEPS, when=("before", "after"), completes_between=(False, True))
async def test_a_crash_at_any_step_loses_nothing_and_moves_nothing_twice(
    make_rig: MakeRig,
    world: BullMQWorld,
    step: tuple[str, str, int],
    when: When,
    completes_between: bool,
) -> None:
    names = await fail_some(world, 10)
    target, method, nth = step
    doomed = make_rig(faults=Faults(target, method, nth, when))
    survivor = make_rig()
    await survivor.follower.scan()
    operation = await survivor.start()

    await crash(lambda: doomed.runner.run(operation.operation_id))
    ran = await run_all(world) if completes_between else Counter[str]()
    assert await survivor.runner.run(operation.operation_id)
    finished = await survivor.operation(operation.operation_id)

    assert finished.state is OperationState.COMPLETED
    assert finished.requeued == 10
    ran += await run_all(world)
    assert ran == Counter(names)
    await survivor.hear()
    check_adds_up(
        await survivor.operation(operation.operation_id),
        await survivor.items(operation.operation_id),
    )
    assert await survivor.states() == {EntryState.RECOVERED: 10}
    await survivor.check_counts()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step",
    [
        ("ledger", "start_single", 1),
        ("engine", "check", 1),
        ("engine", "requeue", 1),
        ("ledger", "settle", 1),
        ("ledger", "finish", 1),
        ("progress", "write", 1),
    ],
    ids=lambda step: "-".join(map(str, step)),
)
async def test_a_crash_in_a_single_retry_is_finished_by_the_sweep(
    make_rig: MakeRig, world: BullMQWorld, step: tuple[str, str, int], when: When
) -> None:
    await fail_some(world, 1)
    doomed = make_rig(faults=Faults(*step, when))
    survivor = make_rig()
    await survivor.follower.scan()

    await crash(lambda: doomed.act("acme-0"))
    ran = await run_all(world)
    for operation in await survivor.operations.open_operations():
        assert await survivor.runner.run(operation.operation_id)
    ran += await run_all(world)
    await survivor.hear()

    started = when == "after" or step[1] != "start_single"
    assert ran == Counter({"acme-0": 1} if started else {})
    expected = EntryState.RECOVERED if started else EntryState.FAILED
    assert await survivor.states() == {expected: 1}
    await survivor.check_counts()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step",
    [
        ("engine", "withhold", 1),
        ("ledger", "settle", 1),
        ("ledger", "finish", 1),
    ],
    ids=lambda step: "-".join(map(str, step)),
)
async def test_a_crash_while_cancelling_gives_back_what_was_not_moved(
    make_rig: MakeRig, world: BullMQWorld, step: tuple[str, str, int], when: When
) -> None:
    await fail_some(world, 8)
    first = make_rig(faults=Faults("engine", "requeue", 2, "before"))
    second = make_rig(faults=Faults(*step, when))
    survivor = make_rig()
    await survivor.follower.scan()
    operation = await survivor.start()
    await crash(lambda: first.runner.run(operation.operation_id))
    await survivor.recovery.cancel(
        operation.operation_id, survivor.request(Scope.everything()).actor
    )

    await crash(lambda: second.runner.run(operation.operation_id))
    assert await survivor.runner.run(operation.operation_id)

    finished = await survivor.operation(operation.operation_id)
    assert finished.state is OperationState.CANCELLED
    check_adds_up(finished, await survivor.items(operation.operation_id))
    assert sum(waiting(world).values()) == finished.requeued
    assert await survivor.states() == Counter(
        {EntryState.QUEUED: finished.requeued, EntryState.FAILED: 8 - finished.requeued}
    )
    await survivor.check_counts()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("target", "method"),
    [("following", "record_failures"), ("engine", "failures"), ("following", "record_outcomes")],
)
async def test_a_follower_killed_anywhere_loses_nothing_and_counts_nothing_twice(
    make_rig: MakeRig, world: BullMQWorld, target: str, method: str, when: When
) -> None:
    await fail_some(world, 5)
    doomed = make_rig(faults=Faults(target, method, 1, when))
    survivor = make_rig()

    with suppress(Crash):
        await doomed.follower.scan()
        await doomed.follower.hear()
    await survivor.follower.scan()
    operation = await survivor.start()
    await survivor.runner.run(operation.operation_id)
    await run_all(world, fail={"acme-1"})
    await survivor.follower.scan()
    await survivor.hear()

    finished = await survivor.operation(operation.operation_id)
    assert (finished.recovered, finished.failed_again) == (4, 1)
    assert await survivor.states() == {EntryState.RECOVERED: 4, EntryState.FAILED: 1}
    assert (await survivor.entry("acme-1")).failures == 2
    await survivor.check_counts()


async def test_a_runner_that_was_only_asleep_changes_nothing(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    await fail_some(world, 4)
    sleeper, survivor = make_rig(), make_rig()
    await sleeper.follower.scan()
    started = await sleeper.start(kind=OperationKind.RETRY)
    asleep, batch = await sleeper.claim(started.operation_id, 4)
    await survivor.runner.run(started.operation_id)
    ran = await run_all(world)

    late = await sleeper.recovery.move(asleep, batch)
    with pytest.raises(Exception, match="taken over"):
        await sleeper.operations.settle(asleep, batch, late)

    assert await run_all(world) == Counter()
    assert sum(ran.values()) == 4
    finished = await survivor.operation(started.operation_id)
    assert (finished.requeued, finished.total) == (4, 4)


async def test_a_single_retry_that_was_given_back_ends_with_its_reason(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    rig = make_rig()
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    request = rig.request(rig.scope_of(name))
    operation, batch = await rig.operations.start_single(request)
    await rig.operations.release(operation, batch, engine_away=True)
    await rig.runner.run(operation.operation_id)
    ended = await rig.operation(operation.operation_id)
    assert (ended.state, ended.error) == (OperationState.FAILED, SOURCE_AWAY)
    check_adds_up(ended, await rig.items(operation.operation_id))
