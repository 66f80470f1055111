"""A follower that falls asleep between reading failures and recording them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import pytest

from redrive.domain import EntryState, Failure, JobId
from redrive.errors import NothingToDo
from redrive.testing import Faults
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import QUEUE, MakeRig, Rig
from tests.support.working import fail_some, run_all

T = TypeVar("T")


class Sleep(Faults):
    """Between the engine's answer and what is done with it, ``meanwhile`` happens, once."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.slept = False

    def wrap(self, name: str, real: T) -> T:
        return cast("T", _SleepyEngine(self, real)) if name == "engine" else real


class _SleepyEngine:
    def __init__(self, sleep: Sleep, real: object) -> None:
        self._sleep = sleep
        self._real = real

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    async def failures_of(self, queue: str, job_ids: Sequence[JobId]) -> list[Failure]:
        found: list[Failure] = await self.__getattr__("failures_of")(queue, job_ids)  # type: ignore[operator]
        meanwhile, self._sleep.meanwhile = self._sleep.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
            self._sleep.slept = True
        return found


async def by_the_events(sleepy: Rig, awake: Rig, world: BullMQWorld, name: str) -> None:
    await awake.follower.scan()
    await sleepy.follower.hear()


async def by_the_walk_over_the_queue(
    sleepy: Rig, awake: Rig, world: BullMQWorld, name: str
) -> None:
    await sleepy.follower._find_unrecorded()


async def by_the_walk_over_the_ledger(
    sleepy: Rig, awake: Rig, world: BullMQWorld, name: str
) -> None:
    await awake.follower.scan()
    await world.retry_elsewhere(QUEUE, name)
    await run_all(world, fail=[name])
    await sleepy.follower.check_entries()


@pytest.mark.parametrize(
    "find", [by_the_events, by_the_walk_over_the_queue, by_the_walk_over_the_ledger]
)
async def test_a_failure_that_is_told_after_its_job_has_recovered_does_not_run_it_again(
    make_rig: MakeRig,
    world: BullMQWorld,
    find: Callable[[Rig, Rig, BullMQWorld, str], Awaitable[None]],
) -> None:
    sleep = Sleep()
    sleepy, awake = make_rig(faults=sleep), make_rig()
    (name,) = await fail_some(world, 1, forgets=True)

    async def meanwhile() -> None:
        await awake.follower.scan()
        await awake.act(name)
        await run_all(world, fail=[name])
        await awake.follower.scan()
        await awake.act(name)
        assert await run_all(world) == {name: 1}
        await awake.hear()
        assert await awake.states() == {EntryState.RECOVERED: 1}

    sleep.meanwhile = meanwhile
    await find(sleepy, awake, world, name)

    assert sleep.slept
    assert await awake.states() == {EntryState.RECOVERED: 1}
    with pytest.raises(NothingToDo):
        await awake.start()
    await awake.check_counts()
