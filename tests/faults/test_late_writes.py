"""A claim that gets through after its runner was told that it could not be written."""

from __future__ import annotations

from typing import Any

import pytest

from redrive.domain import Batch, Operation, OperationState
from redrive.errors import LedgerUnavailable
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import MakeRig, check_adds_up
from tests.support.working import fail_some, run_all


class LateClaim:
    """Wraps a ledger: its first claim breaks off, and gets through just before the next call of
    the method that is named."""

    def __init__(self, before: str) -> None:
        self._before = before
        self._real: Any = None
        self._late: list[tuple[Operation, int]] = []
        self._has_broken = False

    def wrap(self, name: str, real: Any) -> Any:
        if name != "ledger":
            return real
        self._real = real
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def claim(self, operation: Operation, limit: int) -> Batch | None:
        if not self._has_broken:
            self._has_broken = True
            self._late.append((operation, limit))
            raise LedgerUnavailable
        await self._arrive("claim")
        batch: Batch | None = await self._real.claim(operation, limit)
        return batch

    async def finish(
        self, operation: Operation, state: OperationState, error: str | None
    ) -> Operation:
        await self._arrive("finish")
        finished: Operation = await self._real.finish(operation, state, error)
        return finished

    async def _arrive(self, method: str) -> None:
        if self._late and self._before == method:
            await self._real.claim(*self._late.pop())


@pytest.mark.parametrize("before", ["claim", "finish"])
async def test_it_is_handed_over_before_the_operation_ends(
    make_rig: MakeRig, world: BullMQWorld, before: str
) -> None:
    rig = make_rig(faults=LateClaim(before), batch_size=12)
    await fail_some(world, 12)
    await rig.follower.scan()
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    ended = await rig.operation(operation.operation_id)
    assert ended.state is OperationState.COMPLETED
    check_adds_up(ended, await rig.items(operation.operation_id))
    assert sum((await run_all(world)).values()) == 12
    await rig.check_counts()
