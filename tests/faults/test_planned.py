"""A plan's operation through crashes: exactly its selection, each entry once, one reason each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from redrive.domain import (
    Answer,
    EntryFilter,
    EntryState,
    ItemState,
    Operation,
    OperationKind,
    OperationState,
    PlanRequest,
    PlanStart,
)
from redrive.ledger import Database
from redrive.testing import Faults, InMemoryEngine, When
from tests.faults.test_crashes import crash
from tests.faults.turns import in_turn
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import OPERATOR, QUEUE, Rig, check_adds_up
from tests.support.servers import RedisServer
from tests.support.working import fail_some, run_all

MakeRig = Callable[..., Rig]

STEPS = [
    ("ledger", "take_over", 1),
    ("ledger", "claim", 1),
    ("ledger", "claim", 2),
    ("ledger", "claim", 3),
    ("engine", "requeue", 1),
    ("engine", "requeue", 2),
    ("ledger", "settle", 1),
    ("ledger", "settle", 2),
    ("ledger", "finish", 1),
]


async def start_plan(rig: Rig, kind: OperationKind, **narrowed: Any) -> Operation:
    wanted = EntryFilter(**narrowed)
    forecast = await rig.planning.plan(PlanRequest(kind=kind, entry_filter=wanted, actor=OPERATOR))
    assert forecast.plan.plan_token is not None
    operation, new = await rig.planning.start(
        PlanStart(plan_token=forecast.plan.plan_token, actor=OPERATOR)
    )
    assert new
    return operation


@in_turn(step=STEPS, when=("before", "after"))
async def test_a_crash_at_any_step_works_off_the_selection_and_nothing_else(
    make_rig: MakeRig, world: BullMQWorld, step: tuple[str, str, int], when: When
) -> None:
    mine = await fail_some(world, 12)
    await fail_some(world, 3, app="zenith")
    survivor = make_rig()
    await survivor.follower.scan()
    operation = await start_plan(survivor, OperationKind.RETRY, app_id="acme")
    for name in mine[:5]:
        await survivor.act(name)
    by_hand = await run_all(world)
    await survivor.hear()

    doomed = make_rig(faults=Faults(*step, when))
    await crash(lambda: doomed.runner.run(operation.operation_id))
    ran = await run_all(world)
    assert await survivor.runner.run(operation.operation_id)
    ran += await run_all(world)

    assert by_hand == Counter(mine[:5])
    assert ran == Counter(mine[5:])
    finished = await survivor.operation(operation.operation_id)
    assert finished.state is OperationState.COMPLETED
    assert (finished.requeued, finished.skipped) == (7, 5)
    await survivor.hear()
    check_adds_up(
        await survivor.operation(operation.operation_id),
        await survivor.items(operation.operation_id),
    )
    assert await survivor.states() == {EntryState.RECOVERED: 12, EntryState.FAILED: 3}
    await survivor.check_counts()


@in_turn(step=[one for one in STEPS if one[0] == "ledger"], when=("before", "after"))
async def test_a_crash_while_dismissing_dismisses_each_entry_once_and_moves_no_job(
    make_rig: MakeRig, world: BullMQWorld, step: tuple[str, str, int], when: When
) -> None:
    await fail_some(world, 10)
    survivor = make_rig()
    await survivor.follower.scan()
    operation = await start_plan(survivor, OperationKind.DISMISS, queue=QUEUE)

    doomed = make_rig(faults=Faults(*step, when))
    await crash(lambda: doomed.runner.run(operation.operation_id))
    assert await survivor.runner.run(operation.operation_id)

    finished = await survivor.operation(operation.operation_id)
    items = await survivor.items(operation.operation_id)
    check_adds_up(finished, items)
    assert (finished.dismissed, finished.total) == (10, 10)
    assert {item.state for item in items} == {ItemState.DISMISSED}
    assert await survivor.states() == {EntryState.DISMISSED: 10}
    assert await run_all(world) == Counter()
    await survivor.check_counts()


async def test_a_cancelled_dismissal_gives_back_what_it_had_in_hand(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    await fail_some(world, 8)
    survivor = make_rig()
    await survivor.follower.scan()
    operation = await start_plan(survivor, OperationKind.DISMISS, queue=QUEUE)
    doomed = make_rig(faults=Faults("ledger", "settle", 1, "before"))
    await crash(lambda: doomed.runner.run(operation.operation_id))
    await survivor.recovery.cancel(operation.operation_id, OPERATOR)
    assert await survivor.runner.run(operation.operation_id)

    finished = await survivor.operation(operation.operation_id)
    assert finished.state is OperationState.CANCELLED
    check_adds_up(finished, await survivor.items(operation.operation_id))
    assert finished.dismissed == 0
    assert await survivor.states() == {EntryState.FAILED: 8}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_the_start_starts_one_operation_or_none(
    make_rig: MakeRig, world: BullMQWorld, when: When
) -> None:
    await fail_some(world, 2)
    survivor = make_rig()
    await survivor.follower.scan()
    doomed = make_rig(faults=Faults("triage", "start_plan", 1, when))
    forecast = await survivor.planning.plan(
        PlanRequest(kind=OperationKind.RETRY, entry_filter=EntryFilter(), actor=OPERATOR)
    )
    token = forecast.plan.plan_token
    assert token is not None
    start = PlanStart(plan_token=token, actor=OPERATOR, idempotency_key="k")
    await crash(lambda: doomed.planning.start(start))
    operation, new = await survivor.planning.start(start)
    assert new is (when == "before")
    assert await survivor.runner.run(operation.operation_id)
    assert sum((await run_all(world)).values()) == 2
    assert len(await survivor.operations.open_operations()) == 0


async def test_a_dismissal_is_cancelled_without_a_queue_system(
    database: Database, redis_server: RedisServer
) -> None:
    engine = InMemoryEngine()
    engine.fail(QUEUE, "1")
    rig = Rig(database, engine, redis_server.url)
    await rig.follower.scan()
    started = await start_plan(rig, OperationKind.DISMISS, queue=QUEUE)
    operation = await rig.operations.take_over(started.operation_id)
    assert operation is not None
    batch = await rig.operations.claim(operation, 1)
    assert batch is not None
    engine.away = True
    (settlement,) = await rig.recovery.withhold(operation, batch)
    assert settlement.answer is Answer.WITHHELD
    await rig.close()


async def test_a_queue_system_that_is_away_or_not_watched_is_a_warning_and_no_error(
    database: Database, redis_server: RedisServer
) -> None:
    engine = InMemoryEngine()
    engine.fail(QUEUE, "1")
    engine.fail("other", "2")
    rig = Rig(database, engine, redis_server.url)
    await rig.follower.scan()
    wanted = PlanRequest(kind=OperationKind.RETRY, entry_filter=EntryFilter(), actor=OPERATOR)
    assert (await rig.planning.plan(wanted)).plan.warnings == ()
    engine.away = True
    (warning,) = (await rig.planning.plan(wanted)).plan.warnings
    assert (warning.code, "default" in warning.message) == ("engine_away", True)
    elsewhere = Rig(database, InMemoryEngine("another"), redis_server.url)
    told = (await elsewhere.planning.plan(wanted)).plan.warnings
    assert [(one.code, one.entries) for one in told] == [("not_watched", 1), ("not_watched", 1)]
    await rig.close()
    await elsewhere.close()
