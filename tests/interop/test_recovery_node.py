"""The whole path with Node.js on the other side: fail, see, retry all, recover, be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redrive.domain import EntryState, OperationState, Scope
from redrive.engines.bullmq import open_engine
from redrive.ledger import Database
from redrive.settings import Source
from tests.interop.test_bullmq_node import add_and_fail, various_jobs
from tests.support.bullmq_node import NodeSide, need_node, node_side, recorded, until_counts
from tests.support.rig import OPERATOR, QUEUE, Rig
from tests.support.servers import RedisServer

pytestmark = pytest.mark.node


@pytest.fixture(scope="session", autouse=True)
def node_packages() -> None:
    need_node()


@pytest.fixture
async def node(redis_server: RedisServer) -> AsyncIterator[NodeSide]:
    async with node_side(redis_server.url) as running:
        yield running


@pytest.fixture
async def rig(database: Database, redis_server: RedisServer) -> AsyncIterator[Rig]:
    engine = open_engine(Source(), redis_server.url, 256 * 1024)
    rig = Rig(database, engine, redis_server.url, batch_size=128)
    yield rig
    await rig.close()
    await engine.close()


async def test_a_thousand_jobs_that_node_failed_are_listed_retried_and_seen_to_recover(
    node: NodeSide, rig: Rig, tmp_path: Path
) -> None:
    ids = await add_and_fail(node, various_jobs(1000))
    await rig.follower.scan()
    assert await rig.reading.totals() == {
        state: 1000 if state is EntryState.FAILED else 0 for state in EntryState
    }
    assert {app.failed for app in (await rig.overview.apps(None, 500)).items} == {200}
    await rig.follower.hear()

    operation = await rig.start(Scope.everything())
    await rig.runner.run(operation.operation_id)
    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record))
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0, failed=0)
    await rig.hear()
    await rig.follower.check()

    assert Counter(job["id"] for job in recorded(record)) == Counter(ids)
    finished = await rig.operation(operation.operation_id)
    assert (finished.state, finished.requeued) == (OperationState.COMPLETED, 1000)
    assert finished.recovered == 1000
    await rig.check_counts()


async def test_an_undo_leaves_what_node_has_taken_and_each_job_runs_as_often_as_it_should(
    node: NodeSide, rig: Rig, tmp_path: Path
) -> None:
    ids = await add_and_fail(node, various_jobs(600))
    await rig.follower.scan()
    await rig.follower.hear()
    operation = await rig.start(Scope.everything())
    await rig.runner.run(operation.operation_id)
    record = tmp_path / "record"
    await node.tell("work", queue=QUEUE, record=str(record), concurrency=2)
    await rig.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    await rig.runner.run(operation.operation_id)
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0)
    ran = Counter(job["id"] for job in recorded(record))
    await rig.follower.scan()
    await rig.hear()
    await rig.follower.check()

    undone = await rig.operation(operation.operation_id)
    assert undone.state is OperationState.CANCELLED
    assert undone.released > 0
    assert (undone.requeued, undone.released) == (len(ran), 600 - len(ran))
    assert (undone.recovered, undone.failed_again, undone.vanished) == (len(ran), 0, 0)
    assert (await rig.reading.totals())[EntryState.FAILED] == 600 - len(ran)
    again = await rig.start(Scope.everything())
    assert again.total == undone.released
    await rig.runner.run(again.operation_id)
    await until_counts(node, QUEUE, waiting=0, prioritized=0, active=0, failed=0)
    assert Counter(job["id"] for job in recorded(record)) == Counter(ids)
    await rig.check_counts()
