"""Stores and queue systems that go away, come back, or come back empty."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import Answer, EntryState, ItemState, OperationState, Outcome
from redrive.errors import EngineUnavailable, HandOverPending, LedgerUnavailable
from redrive.ledger import Database
from redrive.sweeping import sweep
from redrive.testing import Faults
from tests.support.bullmq_world import BullMQWorld
from tests.support.ledgers import migrate_now
from tests.support.rig import QUEUE, MakeRig, Rig, check_adds_up
from tests.support.servers import PostgresServer, RedisServer
from tests.support.waiting import eventually, until
from tests.support.working import fail_some, run_all, waiting


@pytest.fixture
def redis_server(own_redis: RedisServer) -> RedisServer:
    """The queues' Redis, which these tests stop."""
    return own_redis


def reply_lost() -> EngineUnavailable:
    return EngineUnavailable(source="default", sent=True)


async def test_a_single_retry_while_the_queue_system_is_down_changes_nothing(
    rig: Rig, world: BullMQWorld, own_redis: RedisServer
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    before = await rig.entry(name)
    own_redis.kill()

    with pytest.raises(EngineUnavailable):
        await rig.act(name)

    after = await rig.entry(name)
    assert after.state is EntryState.FAILED
    assert (after.error_message, after.failed_at) == (before.error_message, before.failed_at)
    assert await rig.operations.open_operations() == []
    await rig.check_counts()
    own_redis.start()
    assert (await rig.act(name)).answer is Answer.REQUEUED


async def test_a_lost_reply_to_a_single_retry_is_answered_from_the_receipt(
    make_rig: MakeRig, world: BullMQWorld
) -> None:
    faults = Faults("engine", "requeue", when="after", error=reply_lost)
    rig = make_rig(faults=faults)
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()

    result = await rig.act(name)

    assert result.answer is Answer.REQUEUED
    assert waiting(world) == {name: 1}


async def test_a_single_retry_whose_queue_system_dies_in_the_middle_is_settled_later(
    make_rig: MakeRig, world: BullMQWorld, own_redis: RedisServer
) -> None:
    class DiesAfterMoving(Faults):
        def _hit(self, target: str, method: str) -> bool:
            hit = super()._hit(target, method)
            if hit:
                asyncio.get_running_loop().call_soon(own_redis.stop)
            return hit

    faults = DiesAfterMoving("engine", "requeue", when="after", error=reply_lost)
    rig = make_rig(faults=faults)
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()

    with pytest.raises(HandOverPending) as pending:
        await rig.act(name)
    assert (await rig.entry(name)).state is EntryState.CLAIMED
    own_redis.start()
    (operation,) = await rig.operations.open_operations()
    assert pending.value.fields["operation_id"] == operation.operation_id
    assert await rig.runner.run(operation.operation_id)

    assert waiting(world) == {name: 1}
    assert (await rig.entry(name)).state is EntryState.QUEUED


async def test_an_operation_waits_for_the_queue_system_and_then_goes_on(
    rig: Rig, world: BullMQWorld, own_redis: RedisServer
) -> None:
    names = await fail_some(world, 10)
    await rig.follower.scan()
    operation = await rig.start()
    own_redis.stop()
    running = asyncio.create_task(rig.runner.run(operation.operation_id))

    async def claimed() -> bool:
        return (await rig.states())[EntryState.CLAIMED] > 0

    await eventually(claimed, "a batch is claimed")
    own_redis.start()
    assert await asyncio.wait_for(running, 30)

    finished = await rig.operation(operation.operation_id)
    assert (finished.state, finished.requeued) == (OperationState.COMPLETED, 10)
    assert waiting(world) == Counter(names)


async def test_a_redis_that_comes_back_empty_leaves_a_reason_on_every_item(
    rig: Rig, world: BullMQWorld, own_redis: RedisServer
) -> None:
    await fail_some(world, 3)
    await fail_some(world, 3, app="forgetful", forgets=True)
    await rig.follower.scan()
    operation = await rig.start()
    own_redis.kill()
    own_redis.forget_everything()
    own_redis.start()

    rig.queue.waiting.clear()
    await sweep(rig.operations, rig.recovery, rig.clock.now())
    assert rig.queue.waiting == [operation.operation_id]
    assert await rig.runner.run(operation.operation_id)

    finished = await rig.operation(operation.operation_id)
    items = await rig.items(operation.operation_id)
    check_adds_up(finished, items)
    assert (finished.requeued, finished.skipped) == (3, 3)
    assert {item.detail for item in items if item.state is ItemState.SKIPPED} == {
        "the job was removed from its queue"
    }
    assert await rig.states() == {EntryState.QUEUED: 3, EntryState.VANISHED: 3}
    assert sum(waiting(world).values()) == 3


async def test_a_hand_over_that_redis_lost_is_noticed_and_can_be_retried(
    rig: Rig, world: BullMQWorld, own_redis: RedisServer
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    held = world.redis.dump(world.key(QUEUE, name))
    assert isinstance(held, bytes)
    failed = world.redis.zscore(world.key(QUEUE, "failed"), name)
    assert isinstance(failed, float)
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    # The state of a second ago: the hash and the place of before the hand-over.
    world.redis.delete(world.key(QUEUE, "wait"))
    world.redis.restore(world.key(QUEUE, name), 0, held, replace=True)
    world.redis.zadd(world.key(QUEUE, "failed"), {name: failed})

    await rig.follower.check()

    entry = await rig.entry(name)
    assert (entry.state, entry.state_reason) == (EntryState.FAILED, "its queue lost the hand-over")
    (item,) = await rig.items(operation.operation_id)
    assert item.outcome is Outcome.VANISHED
    assert (await rig.act(name)).answer is Answer.REQUEUED
    assert await run_all(world) == {name: 1}


async def test_no_item_waits_for_one_of_two_hand_overs_that_redis_lost(
    rig: Rig, world: BullMQWorld
) -> None:
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()
    held = world.redis.dump(world.key(QUEUE, name))
    assert isinstance(held, bytes)
    failed = world.redis.zscore(world.key(QUEUE, "failed"), name)
    assert isinstance(failed, float)
    first = await rig.start()
    await rig.runner.run(first.operation_id)
    await run_all(world, fail={name})
    await rig.follower.scan()
    second = await rig.start()
    await rig.runner.run(second.operation_id)
    # The state of a second ago: before both.
    world.redis.delete(world.key(QUEUE, "wait"))
    world.redis.restore(world.key(QUEUE, name), 0, held, replace=True)
    world.redis.zadd(world.key(QUEUE, "failed"), {name: failed})

    await rig.follower.check()
    await rig.follower.check()

    entry = await rig.entry(name)
    assert (entry.state, entry.state_reason) == (EntryState.FAILED, "its queue lost the hand-over")
    outcomes = [(await rig.items(one.operation_id))[0].outcome for one in (first, second)]
    assert outcomes == [Outcome.FAILED_AGAIN, Outcome.VANISHED]
    assert (await rig.act(name)).answer is Answer.REQUEUED
    assert await run_all(world) == {name: 1}
    await rig.check_counts()


async def test_a_postgresql_restart_in_the_middle_only_delays_an_operation(
    world: BullMQWorld, own_redis: RedisServer
) -> None:
    server = PostgresServer()
    url = server.create_database()
    await asyncio.to_thread(migrate_now, url)
    database = Database(url)
    rig = Rig(database, world.engine, own_redis.url, batch_size=1)
    names = await fail_some(world, 20)
    await rig.follower.scan()
    operation = await rig.start()

    running = asyncio.create_task(rig.runner.run(operation.operation_id))

    async def begun() -> bool:
        return sum(waiting(world).values()) >= 3

    await eventually(begun, "some are moved")
    await asyncio.to_thread(server.stop_at_once)
    await asyncio.to_thread(server.start)
    assert await asyncio.wait_for(running, 60)

    finished = await rig.operation(operation.operation_id)
    check_adds_up(finished, await rig.items(operation.operation_id))
    assert finished.requeued == 20
    assert waiting(world) == Counter(names)
    await rig.close()
    await database.close()
    server.stop()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=False)
async def test_a_locked_sqlite_file_delays_an_operation_and_refuses_a_single_retry(
    rig: Rig, world: BullMQWorld, ledger_url: str
) -> None:
    names = await fail_some(world, 3)
    await rig.follower.scan()
    operation = await rig.start()
    intruder = sqlite3.connect(ledger_url.removeprefix("sqlite:///"), isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")

    running = asyncio.create_task(rig.runner.run(operation.operation_id))
    with pytest.raises(LedgerUnavailable):
        await rig.act(names[0])
    intruder.execute("ROLLBACK")
    intruder.close()
    assert await asyncio.wait_for(running, 60)

    finished = await rig.operation(operation.operation_id)
    assert finished.requeued == 3
    assert waiting(world) == Counter(names)


async def test_who_sleeps_in_a_transaction_loses_it_with_its_locks_and_is_told(
    postgres: PostgresServer,
) -> None:
    database = Database(postgres.create_database())

    async def one(connection: AsyncConnection, statement: str) -> Any:
        return (await connection.execute(text(statement))).scalar()

    async def sleep(connection: AsyncConnection) -> None:
        assert await one(connection, "SHOW idle_in_transaction_session_timeout") == "15s"
        await connection.execute(text("SET idle_in_transaction_session_timeout = '20ms'"))
        pid = await one(connection, "SELECT pg_backend_pid()")
        count = f"SELECT 'left', count(*) FROM pg_stat_activity WHERE pid = {pid};"
        # Waiting without the event loop: a process that is stopped does not hear of the end.
        until(lambda: "left | 0" in " ".join(postgres.psql(count).split()), "the session ends")
        await one(connection, "SELECT 1")

    with pytest.raises(LedgerUnavailable):
        await database.write(sleep)
    await database.close()
