"""Jobs that Node.js workers failed come back to Node.js workers, each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from redrive.domain import Answer, Failure, JobId, JobState, OutcomeKind, TakenBack
from redrive.engines.bullmq import BullMQEngine, open_engine
from redrive.settings import Source
from tests.support.bullmq_batches import (
    all_failures,
    answers,
    batch_of,
    failure_of,
    taken,
    undo_of,
)
from tests.support.bullmq_node import NodeSide, need_node, node_side, recorded, until_counts
from tests.support.servers import RedisServer

pytestmark = pytest.mark.node

QUEUE = "mail"


@pytest.fixture(scope="session", autouse=True)
def node_packages() -> None:
    need_node()


@pytest.fixture(params=["bullmq", "bullmq5"])
async def node(
    redis_server: RedisServer, request: pytest.FixtureRequest
) -> AsyncIterator[NodeSide]:
    async with node_side(redis_server.url, library=request.param) as running:
        yield running


@pytest.fixture
async def engine(redis_server: RedisServer) -> AsyncIterator[BullMQEngine]:
    made = open_engine(Source(), redis_server.url, 256 * 1024)
    yield made
    await made.close()


def various_jobs(count: int) -> list[dict[str, Any]]:
    """Plain ones, priorities, LIFO, several attempts, and ids of every kind."""
    kinds: list[dict[str, Any]] = [
        {},
        {"priority": 3},
        {"lifo": True},
        {"attempts": 2, "backoff": {"type": "fixed", "delay": 1}},
        {"jobId": "with-dash-{}"},
        {"jobId": "with space {}"},
        {"jobId": "ünï-🎉-{}"},
        {"removeOnFail": {"count": 5000}, "removeOnComplete": True},
    ]
    jobs = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        options = {
            key: value.format(number) if key == "jobId" else value for key, value in kind.items()
        }
        data = {"app_id": f"app-{number % 5}", "n": number, "empty": [{}, []]}
        jobs.append({"name": f"job-{number}", "data": data, "opts": options})
    return jobs


async def add_and_fail(node: NodeSide, jobs: list[dict[str, Any]]) -> list[str]:
    added = await node.tell("add", queue=QUEUE, jobs=jobs)
    await node.tell("work", queue=QUEUE, fail=True)
    await until_counts(node, QUEUE, failed=len(jobs), waiting=0, active=0, delayed=0)
    await node.tell("rest", queue=QUEUE)
    ids: list[str] = added["ids"]
    return ids


async def requeue_all(engine: BullMQEngine, failures: list[Failure]) -> Counter[Answer]:
    counted: Counter[Answer] = Counter()
    for number in range(0, len(failures), 250):
        batch = batch_of(QUEUE, failures[number : number + 250], number=number + 1)
        counted.update(result.answer for result in await engine.requeue(batch))
    return counted


async def test_a_thousand_failed_jobs_of_every_kind_are_each_completed_exactly_once(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    ids = await add_and_fail(node, various_jobs(1000))
    failures = await all_failures(engine, QUEUE, page=300)
    assert sorted(failure.job_id for failure in failures) == sorted(ids)
    assert {failure.error_type for failure in failures} == {"TypeError"}
    assert {failure.defect for failure in failures} == {None}
    assert await requeue_all(engine, failures) == {Answer.REQUEUED: 1000}

    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record))
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0, failed=0)
    await node.tell("rest", queue=QUEUE)
    done = recorded(record)
    assert Counter(job["id"] for job in done) == Counter(ids)
    assert all(job["data"]["isRescan"] is True for job in done)
    assert sorted(job["data"]["n"] for job in done) == list(range(1000))


async def test_children_of_flows_recover_and_their_parents_run(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    for number in range(20):
        options = {"failParentOnFailure": True} if number % 2 else {}
        parent = {"name": "parent", "queueName": "parents", "data": {}}
        child = {"name": "child", "queueName": QUEUE, "data": {"n": number}, "opts": options}
        await node.tell("flow", parent=parent, child=child)
    await node.tell("work", queue=QUEUE, fail=True)
    await until_counts(node, QUEUE, failed=20, waiting=0, active=0)
    await node.tell("rest", queue=QUEUE)
    failures = await all_failures(engine, QUEUE)
    assert await requeue_all(engine, failures) == {Answer.REQUEUED: 20}

    children, parents = tmp_path / "children", tmp_path / "parents"
    await node.tell("work", queue=QUEUE, record=str(children))
    await until_counts(node, QUEUE, waiting=0, active=0, failed=0)
    await node.tell("work", queue="parents", record=str(parents))
    await until_counts(node, "parents", waiting=0, active=0, waiting_children=0)
    assert sorted(job["data"]["n"] for job in recorded(children)) == list(range(20))
    counts = await node.tell("counts", queue="parents")
    assert counts["completed"] == len(recorded(parents))
    assert counts["completed"] + counts["failed"] == 20


async def test_a_job_that_node_retried_by_hand_in_between_is_already_live(
    node: NodeSide, engine: BullMQEngine
) -> None:
    [job_id] = await add_and_fail(node, [{"name": "job", "data": {}}])
    failures = await all_failures(engine, QUEUE)
    await node.tell("retry", queue=QUEUE, id=job_id)
    results = await engine.requeue(batch_of(QUEUE, failures))
    assert answers(results) == {job_id: Answer.ALREADY_LIVE}
    assert (await node.tell("counts", queue=QUEUE))["waiting"] == 1


async def test_a_job_that_node_completed_or_removed_in_between_is_told_so(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    jobs = [{"name": "job", "data": {}}, {"name": "job", "data": {}}]
    completed, removed = await add_and_fail(node, jobs)
    failures = await all_failures(engine, QUEUE)
    await node.tell("remove", queue=QUEUE, id=removed)
    await node.tell("retry", queue=QUEUE, id=completed)
    await node.tell("work", queue=QUEUE, record=str(tmp_path / "record"))
    await until_counts(node, QUEUE, completed=1, waiting=0, active=0)
    results = await engine.requeue(batch_of(QUEUE, failures))
    assert answers(results) == {completed: Answer.NOT_FAILED, removed: Answer.MISSING}
    statuses = await engine.statuses(QUEUE, [JobId(completed), JobId(removed)])
    assert [status.state for status in statuses] == [JobState.COMPLETED, JobState.MISSING]


async def test_a_job_that_failed_again_in_node_in_between_is_superseded(
    node: NodeSide, engine: BullMQEngine
) -> None:
    [job_id] = await add_and_fail(node, [{"name": "job", "data": {}}])
    seen = await all_failures(engine, QUEUE)
    await node.tell("retry", queue=QUEUE, id=job_id)
    await node.tell("work", queue=QUEUE, fail=True)
    await until_counts(node, QUEUE, failed=1, waiting=0, active=0)
    results = await engine.requeue(batch_of(QUEUE, seen))
    assert answers(results) == {job_id: Answer.SUPERSEDED}
    assert (await node.tell("state", queue=QUEUE, id=job_id))["state"] == "failed"


async def test_a_retried_job_has_all_its_attempts_again_and_outcomes_tell_how_it_went(
    node: NodeSide, engine: BullMQEngine
) -> None:
    job = {"name": "job", "data": {}, "opts": {"attempts": 3}}
    [job_id] = await add_and_fail(node, [job])
    failures = await all_failures(engine, QUEUE)
    assert failures[0].attempts_made == 3
    [result] = await engine.requeue(batch_of(QUEUE, failures))
    await node.tell("work", queue=QUEUE, fail=True)
    await until_counts(node, QUEUE, failed=1, waiting=0, active=0)
    again = await failure_of(engine, QUEUE, job_id)
    assert again.attempts_made == 3
    told, _ = (await engine.outcomes({QUEUE: ""}, 1000, 0))[QUEUE]
    after = [outcome.kind for outcome in told if outcome.at >= result.at]
    assert after == [OutcomeKind.ACTIVE] * 3 + [OutcomeKind.FAILED]


async def test_jobs_that_node_forgot_by_plan_are_rebuilt_and_run(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    kinds: list[dict[str, Any]] = [{}, {"priority": 2}, {"lifo": True}, {"delay": 1}]
    jobs = [
        {"name": f"job-{number}", "data": {"n": number}, "opts": {"removeOnFail": 100, **kind}}
        for number, kind in enumerate(kinds)
    ]
    ids = await add_and_fail(node, jobs)
    failures = await all_failures(engine, QUEUE)
    for job_id in ids:
        await node.tell("remove", queue=QUEUE, id=job_id)
    batch = batch_of(QUEUE, failures)
    assert set(answers(await engine.requeue(batch)).values()) == {Answer.MISSING}
    for failure in failures:
        assert failure.forgets
        assert failure.payload is not None
        result = await engine.rebuild(batch, failure.job_id, failure.job_name, failure.payload)
        assert result.answer is Answer.RECREATED
    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record))
    await until_counts(node, QUEUE, completed=4, waiting=0, prioritized=0, active=0)
    assert Counter(job["id"] for job in recorded(record)) == Counter(ids)
    assert sorted(job["data"]["n"] for job in recorded(record)) == [0, 1, 2, 3]


async def test_nothing_is_lost_when_a_paused_queue_gets_jobs_from_all_sides_and_is_resumed(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    ids = await add_and_fail(node, various_jobs(24))
    failures = await all_failures(engine, QUEUE)
    await node.tell("pause", queue=QUEUE)
    before = await node.tell("add", queue=QUEUE, jobs=[{"name": "before", "data": {"n": 100}}])
    assert await requeue_all(engine, failures) == {Answer.REQUEUED: 24}
    after = await node.tell("add", queue=QUEUE, jobs=[{"name": "after", "data": {"n": 101}}])
    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record))
    assert recorded(record) == []
    await node.tell("resume", queue=QUEUE)
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0, failed=0)
    expected = Counter([*ids, *before["ids"], *after["ids"]])
    assert Counter(job["id"] for job in recorded(record)) == expected


async def test_live_jobs_of_node_are_worked_before_retried_ones_of_low_priority(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    kinds: list[dict[str, Any]] = [{}, {"priority": 3}, {"lifo": True}]
    jobs = [{"name": "job", "data": {"n": n}, "opts": kinds[n % 3]} for n in range(30)]
    await add_and_fail(node, jobs)
    failures = sorted(await all_failures(engine, QUEUE), key=lambda failure: int(failure.job_id))
    await node.tell("pause", queue=QUEUE)
    batch = batch_of(QUEUE, failures, low_priority=True)
    assert set(answers(await engine.requeue(batch)).values()) == {Answer.REQUEUED}
    live = [
        {"name": "live", "data": {"n": 100 + n}, "opts": {"priority": 9} if n % 2 else {}}
        for n in range(20)
    ]
    await node.tell("add", queue=QUEUE, jobs=live)
    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record), concurrency=1)
    await node.tell("resume", queue=QUEUE)
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0, failed=0)
    ran = [job["data"]["n"] for job in recorded(record)]
    assert sorted(ran[:20]) == list(range(100, 120))
    assert ran[20:] == list(range(30))


async def test_jobs_that_node_has_taken_are_left_to_it_and_the_others_are_failed_as_before(
    node: NodeSide, engine: BullMQEngine, tmp_path: Path
) -> None:
    ids = await add_and_fail(node, various_jobs(400))
    failures = await all_failures(engine, QUEUE)
    before = {failure.job_id: failure for failure in failures}
    batches = [
        batch_of(QUEUE, failures[n : n + 100], number=1 + n // 100) for n in (0, 100, 200, 300)
    ]
    for batch in batches:
        await engine.requeue(batch)
    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record), concurrency=1)
    found: dict[str, TakenBack] = {}
    for batch in reversed(batches):
        found |= taken(await engine.take_back(undo_of(batch, number=100 + batch.number)))
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0)
    await node.tell("rest", queue=QUEUE)

    back = {job_id for job_id, answer in found.items() if answer is TakenBack.TAKEN_BACK}
    assert len(back) > 0
    assert Counter(job["id"] for job in recorded(record)) == Counter(set(ids) - back)
    now = {failure.job_id: failure for failure in await all_failures(engine, QUEUE)}
    assert now == {job_id: before[JobId(job_id)] for job_id in back}


async def test_counts_agree_with_what_the_library_counts(
    node: NodeSide, engine: BullMQEngine
) -> None:
    await add_and_fail(node, various_jobs(16))
    await node.tell("add", queue=QUEUE, jobs=various_jobs(40)[16:])
    theirs = await node.tell("counts", queue=QUEUE)
    ours = await engine.counts(QUEUE)
    assert {state.value: count for state, count in ours.counts.items()} == {
        "paused": 0,
        **theirs,
    }
    assert ours.library.startswith(("bullmq:5.", "bullmq:6."))
    assert await engine.queues() == [QUEUE]
