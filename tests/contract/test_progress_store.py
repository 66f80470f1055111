"""The fast view of progress (``redrive.ports.ProgressStore``), on a real Redis."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from redrive.domain import TERMINAL_STATES, Limit, OperationId, OperationState, Pace, Progress
from redrive.errors import StoreUnavailable
from redrive.progress import RedisProgressStore, key_of
from redrive.wiring import connect_redis
from tests.support.factories import later, progress
from tests.support.servers import RedisServer

OP = OperationId("op_1")
RUNNING, CANCELLING = OperationState.RUNNING, OperationState.CANCELLING
ORDER = (OperationState.QUEUED, RUNNING, CANCELLING, OperationState.CANCELLED)
BOUND_SECONDS = 20


async def test_what_was_written_is_read(store: RedisProgressStore) -> None:
    written = progress(succeeded=5, failed=2, skipped=1, released=3, recovered=4, failed_again=1)
    await store.write(written)
    assert await store.read(OP) == written
    assert written.completed == 8


@pytest.mark.parametrize("limit", [None, *Limit])
@pytest.mark.parametrize("state", OperationState)
async def test_every_state_and_pace_is_read_as_written(
    store: RedisProgressStore, state: OperationState, limit: Limit | None
) -> None:
    pace = Pace(effective_rate=5.0, measured_rate=0.0, limited_by=limit)
    written = progress(state=state, pace=pace)
    await store.write(written)
    assert await store.read(OP) == written


async def test_the_time_left_is_the_same_whoever_wrote_last(store: RedisProgressStore) -> None:
    pace = Pace(effective_rate=5.0, measured_rate=4.0, limited_by=Limit.RATE)
    await store.write(progress(succeeded=50, rate=0.1, pace=pace))
    await store.write(progress(succeeded=50, recovered=1, rate=0.1))
    read = await store.read(OP)
    assert read is not None
    assert (read.recovered, read.eta_seconds) == (1, 10.0)


async def test_what_is_waited_for_is_read_as_written(store: RedisProgressStore) -> None:
    written = progress(
        state=OperationState.COMPLETED, waiting=3, failed_same=2, finished_at=later(9)
    )
    await store.write(written)
    assert await store.read(written.operation_id) == written


async def test_an_operation_that_was_never_written_is_none(store: RedisProgressStore) -> None:
    assert await store.read(OP) is None


async def test_the_hash_has_a_field_for_every_count(
    store: RedisProgressStore, redis: Redis
) -> None:
    await store.write(progress(succeeded=5, skipped=1))
    fields = await redis.hgetall(key_of(OP))
    wanted = {"total": "100", "completed": "6", "succeeded": "5", "failed": "0", "skipped": "1"}
    assert wanted.items() <= fields.items()
    assert (fields["cancelled"], fields["state"]) == ("0", "running")
    assert key_of(OP) == "redrive:operation:op_1"


async def test_the_hash_lives_for_an_hour_after_every_write(
    store: RedisProgressStore, redis: Redis
) -> None:
    for number in range(3):
        await store.write(progress(succeeded=number))
        assert 3590 < await redis.ttl(key_of(OP)) <= 3600
        await redis.expire(key_of(OP), 100)
    await store.write(progress(state=OperationState.COMPLETED, succeeded=3))
    assert 3590 < await redis.ttl(key_of(OP)) <= 3600


@pytest.mark.parametrize(
    "older",
    [
        progress(succeeded=4, skipped=3),
        progress(succeeded=8, released=1, recovered=9),
        progress(succeeded=9, released=1, recovered=2),
        progress(state=OperationState.QUEUED),
    ],
    ids=["fewer completed", "fewer released", "fewer outcomes", "the start"],
)
async def test_an_older_progress_that_arrives_late_changes_nothing(
    store: RedisProgressStore, older: Progress
) -> None:
    newest = progress(succeeded=9, released=1, recovered=2, failed_again=1)
    await store.write(newest)
    await store.write(older)
    assert await store.read(OP) == newest


async def test_writing_the_same_twice_changes_nothing(store: RedisProgressStore) -> None:
    written = progress(succeeded=4)
    await store.write(written)
    await store.write(written)
    assert await store.read(OP) == written


@pytest.mark.parametrize(
    ("state", "older"),
    [(state, older) for index, state in enumerate(ORDER) for older in ORDER[:index]],
)
async def test_a_state_does_not_go_back(
    store: RedisProgressStore, state: OperationState, older: OperationState
) -> None:
    newest = progress(state=state, succeeded=4)
    await store.write(newest)
    await store.write(progress(state=older, succeeded=4))
    assert await store.read(OP) == newest


@pytest.mark.parametrize("state", TERMINAL_STATES)
async def test_a_finished_progress_is_not_overwritten_by_one_that_runs(
    store: RedisProgressStore, state: OperationState
) -> None:
    finished = progress(state=state, succeeded=9)
    await store.write(finished)
    await store.write(progress(succeeded=9, recovered=5))
    await store.write(progress(succeeded=50))
    assert await store.read(OP) == finished


@pytest.mark.parametrize("state", TERMINAL_STATES)
async def test_outcomes_are_added_to_a_finished_progress(
    store: RedisProgressStore, state: OperationState
) -> None:
    finished = progress(state=state, succeeded=9)
    await store.write(finished)
    heard = replace(finished, recovered=5, failed_again=1)
    await store.write(heard)
    assert await store.read(OP) == heard


async def test_a_vanished_job_that_recovers_after_all_is_shown(store: RedisProgressStore) -> None:
    await store.write(progress(succeeded=9, vanished=2))
    corrected = progress(succeeded=9, vanished=1, recovered=1)
    await store.write(corrected)
    assert await store.read(OP) == corrected


async def test_operations_do_not_meet(store: RedisProgressStore) -> None:
    await store.write(progress("op_1", succeeded=9))
    await store.write(progress("op_2", succeeded=1))
    assert (await store.read(OP)) == progress("op_1", succeeded=9)


async def test_changes_of_an_unknown_operation_end_at_once(store: RedisProgressStore) -> None:
    assert [found async for found in store.changes(OP)] == []


@pytest.mark.parametrize("state", TERMINAL_STATES)
async def test_changes_of_a_finished_operation_are_its_end(
    store: RedisProgressStore, state: OperationState
) -> None:
    finished = progress(state=state, succeeded=9)
    await store.write(finished)
    assert [found async for found in store.changes(OP)] == [finished]


async def test_changes_are_heard_without_polling_until_the_operation_is_over(
    store: RedisProgressStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redrive.progress._POLL_SECONDS", 10 * BOUND_SECONDS)
    told = [progress(succeeded=1), progress(succeeded=2), progress(state=CANCELLING, succeeded=2)]
    told.append(progress(state=OperationState.CANCELLED, succeeded=3, released=1))
    heard: list[Progress] = []
    await store.write(told[0])
    async with asyncio.timeout(BOUND_SECONDS):
        async for found in store.changes(OP):
            heard.append(found)
            if len(heard) < len(told):
                await store.write(told[len(heard)])
    assert heard == told


async def test_every_listener_hears_of_the_end(store: RedisProgressStore) -> None:
    await store.write(progress(succeeded=1))
    listening = [asyncio.Event() for _ in range(3)]

    async def listen(begun: asyncio.Event) -> Progress:
        async for found in store.changes(OP):
            begun.set()
            last = found
        return last

    async with asyncio.timeout(BOUND_SECONDS):
        listeners = [asyncio.create_task(listen(begun)) for begun in listening]
        for begun in listening:
            await begun.wait()
        end = progress(state=OperationState.COMPLETED, succeeded=100)
        await store.write(end)
        assert await asyncio.gather(*listeners) == [end] * 3


async def test_changes_end_when_the_hash_is_gone(store: RedisProgressStore, redis: Redis) -> None:
    await store.write(progress(succeeded=1))
    async with asyncio.timeout(BOUND_SECONDS):
        async for _ in store.changes(OP):
            await redis.delete(key_of(OP))


async def test_without_redis_the_store_says_so(away: Redis) -> None:
    store = RedisProgressStore(away)
    with pytest.raises(StoreUnavailable):
        await store.write(progress())
    with pytest.raises(StoreUnavailable):
        await store.read(OP)
    with pytest.raises(StoreUnavailable):
        await anext(store.changes(OP))


async def test_a_store_works_again_when_redis_is_back(away: Redis, own_redis: RedisServer) -> None:
    store = RedisProgressStore(away)
    with pytest.raises(StoreUnavailable):
        await store.write(progress())
    own_redis.start()
    await store.write(progress(succeeded=1))
    assert await store.read(OP) == progress(succeeded=1)


async def test_a_restart_in_the_middle_of_listening_is_told(own_redis: RedisServer) -> None:
    client = connect_redis(own_redis.url)
    store = RedisProgressStore(client)
    await store.write(progress())

    async def listen() -> None:
        async for _ in store.changes(OP):
            own_redis.kill()

    with pytest.raises(StoreUnavailable):
        await listen()
    await client.aclose()
