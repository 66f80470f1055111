"""A pause that is taken back while its runner is between two steps."""

from __future__ import annotations

import asyncio
from typing import Any

from redrive.domain import Batch, Canary, Controls, Operation, RequeueBatch
from redrive.pacing import Course
from redrive.testing import Faults
from tests.faults.replaced import Replaced
from tests.faults.scene import COMPLETED, Scene
from tests.support.rig import OPERATOR, Rig


class Slow(Faults):
    """Holds the second hand-over until the third claim has met a pause and that is taken back."""

    rig: Rig

    def __init__(self) -> None:
        super().__init__("nothing", "nothing")
        self._taken_back = asyncio.Event()
        self._claims = 0

    def wrap(self, name: str, real: Any) -> Any:
        if name == "ledger":
            return Replaced(real, "claim", self._claim)
        return Replaced(real, "requeue", self._requeue) if name == "engine" else real

    async def _claim(self, claim: Any, operation: Operation, limit: int) -> Batch | None:
        self._claims += 1
        if self._claims != 3:
            found: Batch | None = await claim(operation, limit)
            return found
        await self.rig.recovery.pause(operation.operation_id, OPERATOR)
        assert await claim(operation, limit) is None
        await self.rig.recovery.resume(operation.operation_id, OPERATOR)
        self._taken_back.set()
        return None

    async def _requeue(self, requeue: Any, batch: RequeueBatch) -> Any:
        if batch.number == 2:
            await self._taken_back.wait()
        return await requeue(batch)


async def test_a_pause_taken_back_while_a_batch_is_in_hand_lets_the_run_go_on(
    scene: Scene,
) -> None:
    await scene.fail()
    operation = await scene.rig.start()
    slow = Slow()
    slow.rig = scene.rig
    assert await scene.make(slow).runner.run(operation.operation_id)
    finished = await scene.rig.operation(operation.operation_id)
    assert (finished.state, finished.requeued, finished.error) == (COMPLETED, 10, None)


async def test_nothing_is_claimed_by_who_has_seen_a_pause(scene: Scene) -> None:
    """It may be taken back before the claim, for which no limit was looked at."""
    await scene.fail()
    started = await scene.rig.start(controls=Controls(canary=Canary(entries=3)))
    operation = await scene.rig.operations.take_over(started.operation_id)
    assert operation is not None
    course = Course(
        operation, ledger=scene.rig.operations, clock=scene.time, time=scene.time, batch_size=9
    )
    assert await course.next_claim(lambda: False, scene.rest) == 3
    await scene.rig.recovery.pause(operation.operation_id, OPERATOR)
    course.see(await scene.rig.operation(operation.operation_id))
    assert await course.next_claim(lambda: False, scene.rest) == 0
