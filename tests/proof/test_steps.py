"""Every step of the protocol is come to when everything is done that Redrive does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from redrive import faultpoints
from redrive.dispatch import BullMQOperationQueue
from redrive.domain import (
    Actor,
    Answer,
    AppId,
    Canary,
    Controls,
    EntryFilter,
    EntryState,
    JobId,
    JobState,
    OperationId,
    OperationKind,
    OperationState,
    Payload,
    PlanRequest,
    PlanStart,
    Scope,
)
from redrive.engines.bullmq import moving
from redrive.errors import EngineUnavailable, HandOverPending, LedgerUnavailable
from redrive.faultpoints import Step
from redrive.fingerprint import VERSION, Fingerprint, fingerprint
from redrive.ledger import Database, SqlRegroupingLedger
from redrive.ledger.grouping import Fingerprints
from redrive.regrouping import Regrouper
from redrive.sweeping import sweep
from redrive.testing import Faults
from redrive.wiring import connect_redis
from tests.support.bullmq_batches import batch_of, item
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import OPERATOR, QUEUE, Rig
from tests.support.servers import RedisServer
from tests.support.waiting import eventually
from tests.support.working import fail_some, run_all


@pytest.fixture
def reached() -> Iterator[set[Step]]:
    steps: set[Step] = set()
    faultpoints.arm(steps.add)
    yield steps
    faultpoints.arm(None)


@pytest.fixture
async def rig(
    database: Database, world: BullMQWorld, redis_server: RedisServer
) -> AsyncIterator[Rig]:
    rig = Rig(database, world.engine, redis_server.url)
    yield rig
    await rig.close()


async def test_a_run_of_everything_comes_to_every_step(
    reached: set[Step],
    rig: Rig,
    world: BullMQWorld,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moving, "CALL_JOBS", 1)
    names = await fail_some(world, 6)
    (forgotten,) = await fail_some(world, 1, app="forgetful", forgets=True)
    await take_in(rig, 7)
    await world.remove(QUEUE, forgotten)
    await hear_of_what_another_follower_took_in(world, database)

    await rig.act(names[0])
    await retry_one_without_an_end(rig, world, database, names[3])
    await retry_one_without_its_queue(rig, world, database, names[1])
    await cancel_what_was_to_be_rebuilt(rig, world, database)
    await retry_what_completed_elsewhere(rig, world)
    await carry_out_by_the_runners_queue(rig, world, Scope.of_app(AppId("forgetful")))
    await rebuild_what_is_there(world, names[2])
    await cancel_what_another_runner_left(rig)
    await undo_a_retry(rig)
    await carry_out_by_the_runners_queue(rig, world, Scope.everything())
    await steer_an_operation(rig, world)
    await plan_and_approve(rig, world, database)
    await dismiss_and_restore(rig, world)
    await sweep_an_open_operation(rig, world)
    await run_all(world)
    await rig.hear()
    await retry_elsewhere(rig, world)
    await regroup(database)

    assert reached == set(Step)


async def hear_of_what_another_follower_took_in(world: BullMQWorld, database: Database) -> None:
    another = Rig(database, world.engine, world.server.url)
    await another.hear()
    await another.close()


async def retry_one_without_an_end(
    rig: Rig, world: BullMQWorld, database: Database, name: str
) -> None:
    """The ledger goes away once the job was handed over: the runners end it."""
    faults = Faults("ledger", "settle", error=LedgerUnavailable)
    away = Rig(database, world.engine, world.server.url, faults=faults)
    with pytest.raises(HandOverPending) as pending:
        await away.act(name)
    await away.close()
    await rig.runner.run(OperationId(str(pending.value.fields["operation_id"])))


async def retry_one_without_its_queue(
    rig: Rig, world: BullMQWorld, database: Database, name: str
) -> None:
    away = without_its_queue(world, database, "requeue")
    with pytest.raises(EngineUnavailable):
        await away.act(name)
    await away.close()


def without_its_queue(world: BullMQWorld, database: Database, method: str) -> Rig:
    def nothing_sent() -> EngineUnavailable:
        return EngineUnavailable(source="default", sent=False)

    faults = Faults("engine", method, error=nothing_sent)
    return Rig(database, world.engine, world.server.url, faults=faults)


async def carry_out_by_the_runners_queue(rig: Rig, world: BullMQWorld, scope: Scope) -> None:
    """An operation from the runners' queue to its end."""
    operation = await rig.start(scope)
    queue = BullMQOperationQueue(lambda: connect_redis(world.server.url))
    stop = asyncio.Event()

    async def run(operation_id: OperationId) -> bool:
        over = await rig.runner.run(operation_id)
        stop.set()
        return over

    await queue.put(operation.operation_id)
    await asyncio.wait_for(queue.work(run, stop), 30)
    await queue.close()


async def cancel_what_another_runner_left(rig: Rig) -> None:
    operation = await rig.start()
    taken = await rig.operations.take_over(operation.operation_id)
    assert taken is not None
    assert await rig.operations.claim(taken, 2) is not None
    await rig.recovery.cancel(operation.operation_id, OPERATOR)
    await rig.runner.run(operation.operation_id)


async def cancel_what_was_to_be_rebuilt(rig: Rig, world: BullMQWorld, database: Database) -> None:
    """What a runner had found missing when its queue went away."""
    away = without_its_queue(world, database, "rebuild")
    operation = await rig.start(Scope.of_app(AppId("forgetful")))
    running, batch = await rig.claim(operation.operation_id, 1)
    with pytest.raises(EngineUnavailable):
        await away.recovery.move(running, batch)
    await away.close()
    await rig.recovery.cancel(operation.operation_id, OPERATOR)
    await rig.runner.run(operation.operation_id)


async def retry_what_completed_elsewhere(rig: Rig, world: BullMQWorld) -> None:
    """Its queue has dropped it when it had completed, and nobody has heard of that yet."""
    (name,) = await fail_some(world, 1, app="done")
    await take_in(rig)
    await world.retry_elsewhere(QUEUE, name)
    await world.complete(QUEUE, name, keep=False)
    assert (await rig.act(name, app="done")).answer is Answer.NOT_FAILED


async def rebuild_what_is_there(world: BullMQWorld, name: str) -> None:
    """As where a producer adds a forgotten job again right before it is rebuilt; of that failure
    nothing is known."""
    payload = Payload(data=b"{}", options=b"{}")
    batch = batch_of(QUEUE, [item(name)])
    result = await world.engine.rebuild(batch, JobId(name), "deliver", payload)
    assert result.answer is Answer.SUPERSEDED


async def undo_a_retry(rig: Rig) -> None:
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    await rig.recovery.cancel(operation.operation_id, OPERATOR, undo=True)
    await rig.runner.run(operation.operation_id)


async def sweep_an_open_operation(rig: Rig, world: BullMQWorld) -> None:
    await fail_some(world, 1, app="late")
    await take_in(rig)
    operation = await rig.start()
    await sweep(rig.operations, rig.recovery, rig.clock.now() + timedelta(minutes=1))
    await rig.runner.run(operation.operation_id)


async def steer_an_operation(rig: Rig, world: BullMQWorld) -> None:
    """Paused by its canary, resumed, its canary taken away."""
    await fail_some(world, 2, app="steered")
    await take_in(rig, 2)
    operation = await rig.start(controls=Controls(canary=Canary(entries=1, seconds=1)))
    name = operation.operation_id
    await rig.runner.run(name)
    await rig.recovery.resume(name, OPERATOR)
    await rig.recovery.pause(name, OPERATOR)
    await rig.recovery.change_controls(name, OPERATOR, {"canary": None})
    await rig.recovery.resume(name, OPERATOR)
    await rig.runner.run(name)


async def plan_and_approve(rig: Rig, world: BullMQWorld, database: Database) -> None:
    """What a plan selects, started by one and approved by another."""
    await fail_some(world, 2, app="planned")
    await take_in(rig, 2)
    careful = Rig(database, world.engine, world.server.url, approval_over=1)
    wanted = EntryFilter(app_id=AppId("planned"))
    forecast = await careful.planning.plan(
        PlanRequest(kind=OperationKind.RETRY, entry_filter=wanted, actor=OPERATOR)
    )
    token = forecast.plan.plan_token
    assert token is not None
    operation, _ = await careful.planning.start(PlanStart(plan_token=token, actor=OPERATOR))
    assert operation.state is OperationState.PAUSED
    await careful.recovery.resume(operation.operation_id, Actor(name="grace", origin="test"))
    await careful.runner.run(operation.operation_id)
    await careful.close()


async def dismiss_and_restore(rig: Rig, world: BullMQWorld) -> None:
    (name,) = await fail_some(world, 1, app="dismissed")
    await take_in(rig)
    await rig.act(name, OperationKind.DISMISS, app="dismissed")
    scope = rig.scope_of(name, app="dismissed")
    await rig.planning.restore(rig.request(scope, OperationKind.DISMISS))


async def retry_elsewhere(rig: Rig, world: BullMQWorld) -> None:
    (name,) = await fail_some(world, 1, app="elsewhere")
    await take_in(rig)
    await world.retry_elsewhere(QUEUE, name)
    assert await world.state(QUEUE, name) is JobState.WAITING
    await rig.follower.check()
    assert (await rig.entry(name)).state is EntryState.QUEUED


async def regroup(database: Database) -> None:
    """By a version of the fingerprint that is newer than this one."""

    def newer(*told: str) -> Fingerprint:
        found = fingerprint(*told)
        return replace(found, version=VERSION + 1, key=f"newer_{found.key}")

    fingerprints = Fingerprints(VERSION + 1, newer)
    await Regrouper(ledger=SqlRegroupingLedger(database, fingerprints)).regroup()


async def take_in(rig: Rig, jobs: int = 1) -> None:
    """Scan until so many new failures are known: the library rounds its times up, so that by the
    server's clock a failure may be yet to come."""
    known = sum((await rig.reading.totals()).values())

    async def all_known() -> bool:
        await rig.follower.scan()
        return sum((await rig.reading.totals()).values()) == known + jobs

    await eventually(all_known, "the scan takes the failures in")
