"""Canary, guard and pause on a real queue, and a crash at each of their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

from redrive.domain import (
    Canary,
    CanaryState,
    Controls,
    Guard,
    Limit,
    OperationState,
)
from redrive.sweeping import sweep
from redrive.testing import Faults
from redrive.testing.faults import When
from tests.faults.scene import COMPLETED, PAUSED, Scene
from tests.faults.test_crashes import crash
from tests.faults.turns import in_turn
from tests.support.rig import OPERATOR
from tests.support.working import waiting

CANARY = Controls(canary=Canary(entries=3, percent=60.0, seconds=5.0))
GUARD = Controls(rate=20.0, guard=Guard(percent=50.0, outcomes=4))


async def test_a_canary_that_recovers_lets_the_rest_go(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=CANARY)
    handed_over: list[int] = []

    async def look() -> None:
        current = await scene.rig.operation(operation.operation_id)
        if current.canary is not CanaryState.PASSED:
            handed_over.append(current.requeued)
        await scene.work()

    scene.at_each_wait(look)
    finished = await scene.run(operation)
    assert (finished.state, finished.canary) == (COMPLETED, CanaryState.PASSED)
    assert max(handed_over) == 3
    assert finished.requeued == 10


async def test_a_canary_that_fails_pauses_by_itself_and_leaves_the_rest_alone(
    scene: Scene,
) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=CANARY)
    scene.at_each_wait(lambda: scene.work(fail=True))
    paused = await scene.run(operation)
    assert (paused.state, paused.paused_by) == (PAUSED, "canary")
    assert paused.pause_reason == "canary: 0 of 3 recovered, 3 failed again, 0 without an outcome"
    assert (paused.requeued, paused.completed) == (3, 3)
    untouched = [f"acme-{number}" for number in range(3, 10)]
    for name in untouched:
        assert (await scene.rig.entry(name)).generation == 0
    assert scene.rig.queue.waiting == [operation.operation_id]


async def test_a_canary_without_outcomes_gives_up_after_its_time(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=CANARY)
    began = scene.time.now()
    paused = await scene.run(operation)
    assert paused.pause_reason == ("canary: 0 of 3 recovered, 0 failed again, 3 without an outcome")
    assert scene.time.now() - began >= timedelta(seconds=5)
    assert sum(waiting(scene.world).values()) == 3


async def test_a_resume_runs_another_canary(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=CANARY)
    scene.at_each_wait(lambda: scene.work(fail=True))
    await scene.run(operation)
    await scene.rig.recovery.resume(operation.operation_id, OPERATOR)
    paused = await scene.run(operation)
    assert (paused.paused_by, paused.requeued, paused.failed_again) == ("canary", 6, 6)
    finished = await scene.end(operation)
    assert (finished.state, finished.requeued, finished.recovered) == (COMPLETED, 10, 4)


async def test_a_canary_over_everything_that_is_selected_does_not_wait(scene: Scene) -> None:
    await scene.fail(2)
    operation = await scene.rig.start(controls=CANARY)
    finished = await scene.run(operation)
    assert (finished.state, finished.requeued) == (COMPLETED, 2)


async def test_the_guard_pauses_when_too_many_of_the_last_outcomes_failed_again(
    scene: Scene,
) -> None:
    await scene.fail(30)
    operation = await scene.rig.start(controls=GUARD)
    scene.at_each_wait(lambda: scene.work(fail=True))
    paused = await scene.run(operation)
    assert (paused.state, paused.paused_by) == (PAUSED, "guard")
    assert paused.pause_reason is not None
    assert paused.pause_reason.endswith("outcomes failed again, more than 50 %")
    assert 4 <= paused.requeued < 30


async def test_after_a_resume_the_guard_judges_new_outcomes(scene: Scene) -> None:
    await scene.fail(30)
    operation = await scene.rig.start(controls=GUARD)
    scene.at_each_wait(lambda: scene.work(fail=True))
    paused = await scene.run(operation)
    await scene.work()
    await scene.rig.recovery.resume(operation.operation_id, OPERATOR)
    scene.at_each_wait(scene.work)
    finished = await scene.run(operation)
    assert finished.state is COMPLETED
    assert finished.requeued == 30 > paused.requeued


async def test_a_pause_by_hand_finishes_what_is_in_hand_and_nothing_more(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=Controls(rate=10.0))
    scene.while_waiting(lambda: scene.rig.recovery.pause(operation.operation_id, OPERATOR, "tea"))
    paused = await scene.run(operation)
    assert (paused.state, paused.paused_by, paused.pause_reason) == (PAUSED, "ada", "tea")
    assert paused.requeued == paused.completed < 4
    assert await scene.rig.operations.unsettled(paused) == []
    before = await scene.rig.items(operation.operation_id)
    assert await scene.run(operation) == paused
    await sweep(scene.rig.operations, scene.rig.recovery, scene.rig.clock.now())
    assert scene.rig.queue.waiting == [operation.operation_id]
    assert await scene.rig.items(operation.operation_id) == before
    assert (await scene.end(operation)).recovered == 10


async def test_a_pause_that_is_taken_back_in_time_lets_the_run_go_on(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=Controls(rate=10.0))

    async def pause_and_take_back() -> None:
        await scene.rig.recovery.pause(operation.operation_id, OPERATOR)
        await scene.rig.recovery.resume(operation.operation_id, OPERATOR)

    scene.while_waiting(pause_and_take_back)
    finished = await scene.run(operation)
    assert (finished.state, finished.requeued) == (COMPLETED, 10)


async def test_a_paused_progress_says_by_what(scene: Scene) -> None:
    await scene.fail()
    operation = await scene.rig.start(controls=CANARY)
    await scene.run(operation)
    told = await scene.rig.overview.progress(operation.operation_id)
    assert (told.state, told.limited_by, told.measured_rate) == (PAUSED, Limit.PAUSED, 0.0)
    assert (told.paused_by, told.canary) == ("canary", CanaryState.STOPPED)
    assert told.pause_reason is not None
    await scene.rig.recovery.resume(operation.operation_id, OPERATOR)
    told = await scene.rig.overview.progress(operation.operation_id)
    assert (told.state, told.paused_by) == (OperationState.QUEUED, None)


STEPS = [
    ("ledger", "move_canary", 1),
    ("ledger", "move_canary", 2),
    ("ledger", "tried", 1),
    ("ledger", "tried", 2),
    ("ledger", "tried", 4),
    ("ledger", "claim", 2),
    ("engine", "requeue", 2),
    ("ledger", "settle", 2),
    ("ledger", "pause", 1),
]


@in_turn(step=STEPS, when=("before", "after"))
async def test_a_canary_is_kept_through_a_crash_at_any_step(
    scene: Scene, step: tuple[str, str, int], when: When
) -> None:
    names = await scene.fail()
    operation = await scene.rig.start(controls=CANARY)
    doomed = scene.make(Faults(*step, when))
    await crash(lambda: doomed.runner.run(operation.operation_id))
    paused = await scene.run(operation)
    assert (paused.state, paused.paused_by) == (PAUSED, "canary")
    assert paused.pause_reason == ("canary: 0 of 3 recovered, 0 failed again, 3 without an outcome")
    assert waiting(scene.world) == Counter(names[:3])
    finished = await scene.end(operation)
    assert (finished.state, finished.requeued) == (COMPLETED, 10)


@in_turn(
    step=[("ledger", "pause", 1), ("progress", "write", 1), ("ledger", "settle", 1)],
    when=("before", "after"),
)
async def test_a_guard_pauses_through_a_crash_of_its_runner(
    scene: Scene, step: tuple[str, str, int], when: When
) -> None:
    await scene.fail(30)
    operation = await scene.rig.start(controls=GUARD)
    scene.at_each_wait(lambda: scene.work(fail=True))
    doomed = scene.make(Faults(*step, when))
    await crash(lambda: doomed.runner.run(operation.operation_id))
    paused = await scene.run(operation)
    assert (paused.state, paused.paused_by) == (PAUSED, "guard")
    assert paused.requeued < 30
    finished = await scene.end(operation)
    assert (finished.state, finished.requeued) == (COMPLETED, 30)


@in_turn(method=["request_pause", "resume", "change_controls"], when=("before", "after"))
async def test_who_steers_may_die_before_or_after_it_is_written(
    scene: Scene, method: str, when: When
) -> None:
    await scene.fail()
    operation = await scene.rig.start()
    doomed = scene.make(Faults("ledger", method, 1, when)).recovery
    name = operation.operation_id
    if method == "resume":
        await scene.rig.recovery.pause(name, OPERATOR)
    act: dict[str, Callable[[], Awaitable[object]]] = {
        "request_pause": lambda: doomed.pause(name, OPERATOR),
        "resume": lambda: doomed.resume(name, OPERATOR),
        "change_controls": lambda: doomed.change_controls(name, OPERATOR, {"rate": 100.0}),
    }
    await crash(act[method])
    done = when == "after"
    current = await scene.rig.operation(name)
    expected = (method == "request_pause") == done or (method == "resume" and not done)
    if method != "change_controls":
        assert (current.state is PAUSED) == expected
    else:
        assert (current.controls.rate == 100.0) == done
    await sweep(scene.rig.operations, scene.rig.recovery, scene.rig.clock.now())
    assert (await scene.end(operation)).recovered == 10
