"""A stage on which time passes when a runner waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redrive.domain import Operation, OperationState
from redrive.ledger import Database
from redrive.testing import Faults
from tests.support.bullmq_world import BullMQWorld
from tests.support.manual_time import ManualTime
from tests.support.rig import OPERATOR, Rig, check_adds_up
from tests.support.servers import RedisServer
from tests.support.working import fail_some, run_all, waiting

RUNNING, PAUSED = OperationState.RUNNING, OperationState.PAUSED
COMPLETED = OperationState.COMPLETED


class Scene:
    """Rigs whose time passes when a runner waits."""

    def __init__(self, database: Database, world: BullMQWorld, server: RedisServer) -> None:
        self.world = world
        self.time = ManualTime()
        self.names: list[str] = []
        self._made: list[Rig] = []
        self._parts = (database, world.engine, server.url)
        self.rig = self.make()

    def make(self, faults: Faults | None = None) -> Rig:
        self._made.append(Rig(*self._parts, faults=faults, batch_size=2, time=self.time))
        return self._made[-1]

    async def close(self) -> None:
        for rig in self._made:
            await rig.close()

    async def fail(self, count: int = 10) -> list[str]:
        self.names = await fail_some(self.world, count)
        await self.rig.follower.scan()
        return self.names

    async def work(self, *, fail: bool = False) -> None:
        """Workers run what is waiting, and the follower hears of it."""
        if not waiting(self.world):
            return
        await run_all(self.world, fail=self.names if fail else ())
        await self.rig.follower.scan()
        await self.rig.hear()

    def while_waiting(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do this once, at the next wait, and nothing at those after it."""

        async def once() -> None:
            self.time.meanwhile = self.rest
            await act()

        self.time.meanwhile = once

    def at_each_wait(self, act: Callable[[], Awaitable[None]]) -> None:
        self.time.meanwhile = act

    async def rest(self) -> None:
        """Nothing happens."""

    async def run(self, operation: Operation) -> Operation:
        assert await self.rig.runner.run(operation.operation_id)
        return await self.rig.operation(operation.operation_id)

    async def end(self, operation: Operation) -> Operation:
        """Resume it until it ends, with everything recovering, and check that it adds up."""
        self.at_each_wait(self.work)
        current = await self.run(operation)
        while current.state is PAUSED:
            await self.rig.recovery.resume(operation.operation_id, OPERATOR)
            current = await self.run(operation)
        await self.work()
        current = await self.rig.operation(operation.operation_id)
        check_adds_up(current, await self.rig.items(operation.operation_id))
        await self.rig.check_counts()
        return current
