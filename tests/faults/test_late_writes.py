"""A claim that gets through after its runner was told that it could not be written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from redrive.domain import Operation, OperationState
from redrive.errors import LedgerUnavailable
from redrive.testing import Faults
from tests.faults.replaced import Replaced
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import MakeRig, check_adds_up
from tests.support.working import fail_some, run_all


class LateClaim(Faults):
    """The first claim of a ledger breaks off, and gets through just before the next call of the
    method that is named."""

    def __init__(self, before: str) -> None:
        super().__init__("nothing", "nothing")
        self._before = before
        self._late: list[Callable[[], Awaitable[object]]] = []
        self._has_broken = False

    def wrap(self, name: str, real: Any) -> Any:
        if name != "ledger":
            return real
        return Replaced(Replaced(real, "claim", self._claim), "finish", self._finish)

    async def _claim(self, claim: Any, operation: Operation, limit: int) -> Any:
        if not self._has_broken:
            self._has_broken = True
            self._late.append(lambda: claim(operation, limit))
            raise LedgerUnavailable
        await self._arrive("claim")
        # What is written and not committed is nobody else's.
        return None if self._late else await claim(operation, limit)

    async def _finish(self, finish: Any, *given: Any) -> Any:
        await self._arrive("finish")
        return await finish(*given)

    async def _arrive(self, method: str) -> None:
        if self._late and self._before == method:
            await self._late.pop()()


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
