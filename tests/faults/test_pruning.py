"""Pruning beside queues that still hold what it would remove, and beside what people do."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis

from redrive.domain import EntryState, Operation, OperationKind, Prunable
from redrive.errors import EngineUnavailable, OperationNotFound
from redrive.ledger import Database, SqlOperationLedger, SqlRetentionLedger, forgetting
from redrive.retention import Pruner
from redrive.wiring import SystemClock
from tests.support.bullmq_world import BullMQWorld
from tests.support.pruning import MONTH, nothing_held
from tests.support.rig import OPERATOR, Rig
from tests.support.working import fail_some, run_all


class InAMonth:
    """The clock of somebody who comes 31 days later."""

    def now(self) -> datetime:
        return SystemClock().now() + timedelta(days=31)


def pruner(rig: Rig, stop: asyncio.Event | None = None) -> Pruner:
    return Pruner(
        ledger=SqlRetentionLedger(rig.database),
        engines={rig.engine.source: rig.engine},
        retention=MONTH,
        clock=InAMonth(),
        stop=stop,
    )


async def prune_in_a_month(rig: Rig) -> dict[Prunable, int]:
    return dict(await pruner(rig).prune())


async def retry_all(rig: Rig) -> Operation:
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    return await rig.operation(operation.operation_id)


async def test_what_was_dismissed_stays_dismissed_while_its_queue_holds_the_failure(
    rig: Rig, world: BullMQWorld
) -> None:
    dismissed, again, failed = await fail_some(world, 3)
    await rig.follower.scan()
    for name in (dismissed, again):
        await rig.act(name, OperationKind.DISMISS)
    await prune_in_a_month(rig)
    await rig.follower.check()
    assert (await rig.entry(dismissed)).state is EntryState.DISMISSED
    assert (await retry_all(rig)).total == 1
    assert await run_all(world) == {failed: 1}
    await rig.hear()
    await world.remove("mail", dismissed)
    assert (await prune_in_a_month(rig))[Prunable.ENTRIES] == 2
    assert await rig.states() == {EntryState.DISMISSED: 1}
    await rig.check_counts()


async def test_work_that_is_done_is_not_done_again_where_its_queue_forgot_that_it_is(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    plain = redis.Redis(port=world.server.port)
    before: dict[Any, Any] = {key: plain.dump(key) for key in plain.keys("bull:*")}
    await retry_all(rig)
    await run_all(world)
    await rig.hear()
    plain.flushall()
    for key, value in before.items():
        plain.restore(key, 0, value)
    plain.close()
    await prune_in_a_month(rig)
    await rig.follower.check()
    assert (await rig.entry(name)).state is EntryState.RECOVERED


async def test_pruning_waits_for_a_queue_system_that_is_away(
    rig: Rig, world: BullMQWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    await rig.act(name, OperationKind.DISMISS)

    async def away(*_: Any) -> None:
        asked.set()
        raise EngineUnavailable(source=rig.engine.source)

    asked, stop = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(rig.engine, "statuses", away)
    running = asyncio.create_task(pruner(rig, stop).run())
    await asked.wait()
    stop.set()
    await running
    assert (await rig.entry(name)).state is EntryState.DISMISSED


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has one writer
async def test_an_operation_is_not_opened_again_while_it_is_removed(
    rig: Rig,
    world: BullMQWorld,
    database: Database,
    ledger_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fail_some(world, 3)
    await rig.follower.scan()
    operation = await retry_all(rig)
    other = Database(ledger_url)
    undoing: list[asyncio.Task[Operation]] = []
    real = forgetting._rows_of

    async def while_undone(*given: Any) -> int:
        if not undoing:
            ledger = SqlOperationLedger(other, SystemClock())
            undo = ledger.request_cancel(operation.operation_id, OPERATOR, undo=True)
            undoing.append(asyncio.create_task(undo))
            await asyncio.wait(undoing, timeout=0.5)
        return await real(*given)

    monkeypatch.setattr(forgetting, "_rows_of", while_undone)
    ledger = SqlRetentionLedger(database)
    batch = await ledger.prune(Prunable.OPERATIONS, InAMonth().now(), 9, None, nothing_held)
    assert batch is not None
    assert batch.removed == {Prunable.OPERATIONS: 1, Prunable.ITEMS: 3}
    with pytest.raises(OperationNotFound):
        await undoing[0]
    await other.close()
