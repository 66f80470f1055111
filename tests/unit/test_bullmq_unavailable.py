"""What callers learn when the queues' Redis does not answer as it should."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from redrive.domain import Answer, JobId, JobState, Payload
from redrive.engines.bullmq import BullMQEngine, open_engine
from redrive.engines.bullmq.calls import Calls
from redrive.errors import EngineUnavailable, RedriveError
from redrive.settings import Source
from tests.support.bullmq_batches import AT, answers, batch_of, item
from tests.support.bullmq_proxy import CuttingProxy
from tests.support.bullmq_world import BullMQWorld
from tests.support.servers import RedisServer, free_port

QUEUE = "mail"
BATCH = batch_of(QUEUE, [item("1")])
PAYLOAD = Payload(data=b"{}", options=b"{}")
CALLS: dict[str, Callable[[BullMQEngine], Awaitable[object]]] = {
    "check": lambda engine: engine.check(),
    "queues": lambda engine: engine.queues(),
    "failures": lambda engine: engine.failures(QUEUE, "", 10),
    "failures_of": lambda engine: engine.failures_of(QUEUE, [JobId("1")]),
    "failed_ids": lambda engine: engine.failed_ids(QUEUE, "", 10),
    "outcomes": lambda engine: engine.outcomes({QUEUE: ""}, 10, 0),
    "statuses": lambda engine: engine.statuses(QUEUE, [JobId("1")]),
    "requeue": lambda engine: engine.requeue(BATCH),
    "withhold": lambda engine: engine.withhold(BATCH),
    "rebuild": lambda engine: engine.rebuild(BATCH, JobId("1"), "job", PAYLOAD),
    "counts": lambda engine: engine.counts(QUEUE),
    "jobs": lambda engine: engine.jobs(QUEUE, JobState.FAILED, "", 10),
}


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(redis_server.port) as running:
        yield running


@pytest.fixture
async def cut_off(proxy: CuttingProxy) -> AsyncIterator[BullMQEngine]:
    """An engine whose connection can be cut."""
    engine = open_engine(Source(), proxy.url, 1024)
    yield engine
    await engine.close()


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_says_that_nothing_was_sent_where_nobody_listens(name: str) -> None:
    engine = open_engine(Source(name="eu"), f"redis://127.0.0.1:{free_port()}/0", 0)
    with pytest.raises(EngineUnavailable, match="The queue system eu cannot be reached") as caught:
        await CALLS[name](engine)
    assert caught.value.fields["sent"] is False
    await engine.close()


async def test_a_lost_reply_says_that_the_move_may_have_happened_and_the_repeat_tells(
    world: BullMQWorld, proxy: CuttingProxy, cut_off: BullMQEngine
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await cut_off.check()
    proxy.lose_next_reply()
    with pytest.raises(EngineUnavailable) as caught:
        await cut_off.requeue(BATCH)
    assert caught.value.fields["sent"] is True
    assert await world.state(QUEUE, "1") is JobState.WAITING
    await world.complete(QUEUE, "1", keep=False)
    assert answers(await cut_off.requeue(BATCH)) == {"1": Answer.REQUEUED}
    assert await world.state(QUEUE, "1") is JobState.MISSING


async def test_a_request_that_did_not_arrive_is_done_by_the_repeat(
    world: BullMQWorld, proxy: CuttingProxy, cut_off: BullMQEngine
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await cut_off.check()
    proxy.lose_next_request()
    with pytest.raises(EngineUnavailable) as caught:
        await cut_off.requeue(BATCH)
    assert caught.value.fields["sent"] is True
    assert await world.state(QUEUE, "1") is JobState.FAILED
    assert answers(await cut_off.requeue(BATCH)) == {"1": Answer.REQUEUED}


async def test_a_cancelled_call_does_not_leave_its_answer_to_the_next_one(
    world: BullMQWorld, proxy: CuttingProxy, cut_off: BullMQEngine
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    await cut_off.check()
    proxy.hold_replies()
    moving = asyncio.create_task(cut_off.requeue(BATCH))
    await proxy.reply_held.wait()
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    proxy.let_go()
    assert (await cut_off.counts(QUEUE)).counts[JobState.WAITING] == 1
    assert answers(await cut_off.requeue(BATCH)) == {"1": Answer.REQUEUED}


async def test_a_server_that_refuses_writes_has_done_nothing(
    world: BullMQWorld, redis_server: RedisServer
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    world.redis.replicaof("127.0.0.1", str(free_port()))
    try:
        with pytest.raises(EngineUnavailable) as caught:
            await world.engine.requeue(BATCH)
        assert caught.value.fields["sent"] is False
        assert "READONLY" in str(caught.value.fields["detail"])
    finally:
        world.redis.replicaof("NO", "ONE")
    assert await world.state(QUEUE, "1") is JobState.FAILED


async def test_a_replica_without_its_master_has_done_nothing(world: BullMQWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    world.redis.config_set("replica-serve-stale-data", "no")
    world.redis.replicaof("127.0.0.1", str(free_port()))
    try:
        with pytest.raises(EngineUnavailable) as caught:
            await world.engine.requeue(BATCH)
        assert caught.value.fields["sent"] is False
    finally:
        world.redis.replicaof("NO", "ONE")
        world.redis.config_set("replica-serve-stale-data", "yes")
    assert answers(await world.engine.requeue(BATCH)) == {"1": Answer.REQUEUED}


async def test_a_user_who_may_not_run_scripts_has_done_nothing(
    world: BullMQWorld, redis_server: RedisServer
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    world.redis.execute_command("ACL", "SETUSER", "default", "-evalsha")  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(EngineUnavailable) as caught:
            await world.engine.requeue(BATCH)
        assert caught.value.fields["sent"] is False
    finally:
        world.redis.execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]
    assert answers(await world.engine.requeue(BATCH)) == {"1": Answer.REQUEUED}


@pytest.mark.parametrize(
    "refusal",
    [
        "READONLY You can't write against a read only replica. script: 1, on @user_script:1.",
        "OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:1.",
        "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.",
        "CLUSTERDOWN The cluster is down",
    ],
)
async def test_a_refusal_that_begins_with_its_code_is_one(
    redis_server: RedisServer, refusal: str
) -> None:
    """As servers answer a script from version 7 on; the client takes some of the codes away."""
    client = Redis.from_url(redis_server.url)
    text = f"return redis.error_reply({json.dumps(refusal)})"
    with pytest.raises(EngineUnavailable) as caught:
        await Calls(client, "default").one("EVAL", text, 0)
    assert caught.value.fields["sent"] is False
    with pytest.raises(EngineUnavailable):
        await Calls(client, "default").many([("PING",), ("EVAL", text, 0), ("PING",)])
    await client.aclose()


async def test_a_server_without_memory_refuses_the_whole_batch_or_moves_it_whole(
    world: BullMQWorld,
) -> None:
    await world.fail(QUEUE, "1", at=AT)
    world.redis.config_set("maxmemory", "1")
    try:
        await world.engine.requeue(BATCH)
    except EngineUnavailable as refusal:
        refused = refusal.fields["sent"] is False
    else:
        refused = False
    finally:
        world.redis.config_set("maxmemory", "0")
    receipts = world.redis.exists("bull:mail:redrive:op_1:1@0/1")
    waiting = world.redis.llen("bull:mail:wait")
    assert (receipts, waiting) == ((0, 0) if refused else (1, 1))


async def test_a_server_that_forgot_the_scripts_learns_them_again(world: BullMQWorld) -> None:
    await world.fail(QUEUE, "1", at=AT)
    assert await world.state(QUEUE, "1") is JobState.FAILED
    world.redis.script_flush()
    assert answers(await world.engine.requeue(BATCH)) == {"1": Answer.REQUEUED}


async def test_a_restarted_server_is_reached_again(own_redis: RedisServer) -> None:
    world = BullMQWorld(own_redis)
    await world.fail(QUEUE, "1", at=AT)
    await world.engine.requeue(BATCH)
    await world.close()
    engine = open_engine(Source(), own_redis.url, 0)
    await engine.check()
    own_redis.stop()
    with pytest.raises(EngineUnavailable):
        await engine.requeue(BATCH)
    own_redis.start()
    assert answers(await engine.requeue(BATCH)) == {"1": Answer.REQUEUED}
    await engine.close()


async def test_any_other_error_answer_is_an_error_of_its_own(world: BullMQWorld) -> None:
    await world.fail(QUEUE, "1")
    with pytest.raises(RedriveError, match="The queue system default answered: invalid cursor"):
        await world.engine.failed_ids(QUEUE, "not a number", 10)
