"""Our requeue script beside the library's own: the same state in, the same state out."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
import redis
from bullmq import Queue
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.domain import TakenBack, from_millis
from redrive.engines.bullmq import open_engine
from redrive.settings import Source
from tests.support.bullmq_batches import batch_of, item, taken, undo_of
from tests.support.bullmq_states import (
    BASE,
    FAILED_AT,
    GeneratedJob,
    GeneratedQueue,
    dump,
    queues,
    write,
)
from tests.support.servers import RedisServer

OURS, THEIRS = 0, 1
ONLY_GOES_ON = {BASE + name for name in ("events", "marker", "pc", "meta")}
"""What a queue does not take back: it has been told, and it has counted."""
OWN_FIELDS = ("redrive",)


async def run_ours(url: str, queue: GeneratedQueue, take_finished: bool) -> None:
    engine = open_engine(Source(rescan_key=""), url, 0)
    asked = [queue.jobs[number] for number in queue.requests]
    await engine.requeue(
        batch_of(
            "q",
            [item(job.job_id, from_millis(FAILED_AT)) for job in asked],
            take_finished=take_finished,
        )
    )
    await engine.close()


async def run_theirs(url: str, queue: GeneratedQueue, take_finished: bool) -> None:
    """The library's reprocessJob for each job that a batch is to move, in its order."""
    library = Queue("q", {"connection": url})
    for number in queue.requests:
        job = queue.jobs[number]
        if job.is_finished and (take_finished or _is_asked_for(job)):
            await library.scripts.reprocessJob(
                SimpleNamespace(id=job.job_id, opts=job.options),
                job.place,
                {"resetAttemptsMade": True, "resetAttemptsStarted": True},
            )
    await library.close()


def _is_asked_for(job: GeneratedJob) -> bool:
    return job.place == "failed" and job.finished_at == FAILED_AT


def without_our_marks(state: dict[str, object]) -> dict[str, object]:
    for value in state.values():
        if isinstance(value, dict):
            for field in OWN_FIELDS:
                value.pop(field, None)
    return state


async def move_and_take_back(
    url: str, queue: GeneratedQueue, take_finished: bool, low_priority: bool
) -> set[TakenBack]:
    engine = open_engine(Source(), url, 0)
    asked = [queue.jobs[number] for number in queue.requests]
    batch = batch_of(
        "q",
        [item(job.job_id, from_millis(FAILED_AT)) for job in asked if job.is_finished],
        take_finished=take_finished,
        low_priority=low_priority,
    )
    await engine.requeue(batch)
    answers = taken(await engine.take_back(undo_of(batch)))
    await engine.close()
    return set(answers.values())


@pytest.fixture(scope="session")
def databases(shared_redis: RedisServer) -> tuple[redis.Redis, redis.Redis]:
    return (
        redis.Redis(port=shared_redis.port, db=OURS, decode_responses=True),
        redis.Redis(port=shared_redis.port, db=THEIRS, decode_responses=True),
    )


@settings(deadline=None)
@given(queue=queues(), take_finished=st.booleans())
def test_requeue_leaves_the_queue_as_the_librarys_own_script_does(
    shared_redis: RedisServer,
    databases: tuple[redis.Redis, redis.Redis],
    queue: GeneratedQueue,
    take_finished: bool,
) -> None:
    ours, theirs = databases
    for client in databases:
        client.flushdb()
        write(client, queue)
    asyncio.run(run_ours(shared_redis.url, queue, take_finished))
    asyncio.run(run_theirs(shared_redis.url.removesuffix("0") + "1", queue, take_finished))
    assert without_our_marks(dump(ours)) == dump(theirs)


@settings(deadline=None)
@given(queue=queues(), take_finished=st.booleans(), low_priority=st.booleans())
def test_what_is_moved_and_taken_back_leaves_the_queue_as_it_was(
    shared_redis: RedisServer,
    databases: tuple[redis.Redis, redis.Redis],
    queue: GeneratedQueue,
    take_finished: bool,
    low_priority: bool,
) -> None:
    client, _ = databases
    client.flushdb()
    write(client, queue)
    before = dump(client)
    answers = asyncio.run(move_and_take_back(shared_redis.url, queue, take_finished, low_priority))
    assert answers <= {TakenBack.TAKEN_BACK, TakenBack.CHANGED}
    after = dump(client)
    for state in (before, after):
        for key in ONLY_GOES_ON:
            state.pop(key, None)
    assert after == before
