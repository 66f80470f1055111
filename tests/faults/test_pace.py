"""The pace of an operation on a real queue: its rate, changes of it, and what is told of it."""

from __future__ import annotations

import pytest

from redrive.domain import Batch, Controls, Limit, Operation, OperationState
from redrive.pacing import Course
from tests.faults.scene import COMPLETED, Scene
from tests.support.rig import OPERATOR


def course_of(scene: Scene, operation: Operation) -> Course:
    """The course of a run that claims nine at a time."""
    return Course(
        operation,
        ledger=scene.rig.operations,
        clock=scene.time,
        time=scene.time,
        batch_size=9,
    )


async def test_a_cancel_is_heard_while_the_pace_lets_nothing_go(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=Controls(rate=0.01))
    scene.while_waiting(lambda: scene.rig.recovery.cancel(operation.operation_id, OPERATOR))
    began = scene.time.waited
    cancelled = await scene.run(operation)
    assert cancelled.state is OperationState.CANCELLED
    assert cancelled.requeued <= 1
    assert scene.time.waited - began <= 0.25


async def test_a_new_rate_takes_effect_with_the_next_batch(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=Controls(rate=0.01))
    scene.while_waiting(
        lambda: scene.rig.recovery.change_controls(operation.operation_id, OPERATOR, {"rate": None})
    )
    began = scene.time.waited
    finished = await scene.run(operation)
    assert finished.state is COMPLETED
    assert scene.time.waited - began <= 0.25


async def test_a_batch_is_not_claimed_long_before_its_hand_over(scene: Scene) -> None:
    await scene.fail()
    started = await scene.rig.start(controls=Controls(rate=1.0))
    operation = await scene.rig.operations.take_over(started.operation_id)
    assert operation is not None
    course = course_of(scene, operation)

    async def next_claim() -> float:
        began = scene.time.waited
        assert await course.next_claim(lambda: False, scene.rest) == 1
        batch = await scene.rig.operations.claim(operation, 1)
        assert batch is not None
        course.claimed(batch)
        waited = scene.time.waited - began
        await course.may_hand_over(batch, lambda: False)
        course.handed_over(await scene.rig.recovery.move(operation, batch))
        return waited

    assert await next_claim() == 0
    assert await next_claim() == pytest.approx(0.9, abs=0.02)
    assert await next_claim() == pytest.approx(0.9, abs=0.02)


async def test_what_is_in_hand_goes_at_its_rate_when_a_lower_one_is_wanted(scene: Scene) -> None:
    await scene.fail(24)
    started = await scene.rig.start(controls=Controls(rate=100.0))
    operation = await scene.rig.operations.take_over(started.operation_id)
    assert operation is not None
    course = course_of(scene, operation)

    async def claimed() -> Batch:
        limit = await course.next_claim(lambda: False, scene.rest)
        batch = await scene.rig.operations.claim(operation, limit)
        assert batch is not None
        course.claimed(batch)
        return batch

    async def hand_over(batch: Batch) -> float:
        began = scene.time.waited
        await course.may_hand_over(batch, lambda: False)
        course.handed_over(await scene.rig.recovery.move(operation, batch))
        return scene.time.waited - began

    for _ in range(3):
        await hand_over(await claimed())
    in_hand = await claimed()
    assert len(in_hand.entries) == 5
    await scene.rig.recovery.change_controls(operation.operation_id, OPERATOR, {"rate": 1.0})
    course.see(await scene.rig.operation(operation.operation_id))
    assert await hand_over(in_hand) <= 0.1
    changed_at = scene.time.waited
    assert len((await claimed()).entries) == 1
    assert scene.time.waited - changed_at >= 0.9


async def test_the_progress_says_how_fast_it_goes_and_why(scene: Scene) -> None:
    await scene.fail(24)
    operation = await scene.rig.start(controls=Controls(rate=5.0, floor=2.5))
    told: list[tuple[float | None, float | None, Limit | None]] = []

    async def look() -> None:
        progress = await scene.rig.overview.progress(operation.operation_id)
        told.append((progress.wanted_rate, progress.effective_rate, progress.limited_by))
        await scene.work()

    scene.at_each_wait(look)
    await scene.run(operation)
    assert (5.0, 2.5, Limit.RAMP) in told
    assert (5.0, 5.0, Limit.RATE) in told
    ended = await scene.rig.overview.progress(operation.operation_id)
    assert (ended.measured_rate, ended.limited_by) == (0.0, None)
