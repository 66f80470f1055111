"""What a follower has read, and what becomes of it before it is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from redrive.domain import EntryState, Operation
from tests.faults.replaced import Replaced, follower_of
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import QUEUE, Rig
from tests.support.working import fail_some, run_all


def once(asleep: Callable[[], Awaitable[object]], *, after: bool) -> Callable[..., Awaitable[Any]]:
    """A call around, or (``after``) behind, which something happens the first time."""
    first = iter([True])

    async def through(real: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        if after:
            found = await real(*given)
            if next(first, False):
                await asleep()
            return found
        if next(first, False):
            await asleep()
        return await real(*given)

    return through


async def test_a_scan_that_slept_does_not_bring_a_failure_back(
    rig: Rig, world: BullMQWorld
) -> None:
    """Another follower's check has taken the same failure in; it is retried twice meanwhile."""
    (name,) = await fail_some(world, 1)

    async def meanwhile() -> None:
        await rig.follower.check()
        for ends in (world.fail, world.complete):
            await rig.act(name)
            await ends(QUEUE, name)
            await rig.follower.check()
        assert (await rig.entry(name)).state is EntryState.RECOVERED

    asleep = once(meanwhile, after=False)
    await follower_of(rig, ledger=Replaced(rig.following, "record_failures", asleep)).scan()

    entry = await rig.entry(name)
    assert (entry.state, entry.failures) == (EntryState.RECOVERED, 2)
    await rig.check_counts()


async def handed_over_and_completed(rig: Rig, world: BullMQWorld, name: str) -> Operation:
    """A retry of a job that then completes and is removed; nobody has heard of that yet."""
    await world.add(QUEUE, name, {"app_id": "acme"})
    await world.fail(QUEUE, name)
    await rig.follower.scan()
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    await rig.hear()
    await world.complete(QUEUE, name, keep=False)
    return operation


async def fails_anew(world: BullMQWorld, name: str) -> None:
    """Its producer adds one more job of that name, which fails."""
    await world.add(QUEUE, name, {"app_id": "acme"})
    await world.fail(QUEUE, name, "anew")


async def check_the_new_one(rig: Rig, operation: Operation, name: str) -> None:
    """The hand-over has recovered, and the job that was added since has failed."""
    for _ in range(2):
        await rig.hear()
        await rig.follower.check()
    assert (await rig.operation(operation.operation_id)).recovered == 1
    entry = await rig.entry(name)
    assert (entry.state, entry.failures, entry.error_message) == (EntryState.FAILED, 2, "anew")
    await rig.check_counts()


async def test_a_completion_that_is_written_late_does_not_end_the_failure_of_the_next_job(
    rig: Rig, world: BullMQWorld
) -> None:
    operation = await handed_over_and_completed(rig, world, "nightly")

    async def meanwhile() -> None:
        await fails_anew(world, "nightly")
        await rig.follower.scan()

    asleep = once(meanwhile, after=True)
    await follower_of(rig, engine=Replaced(rig.engine, "outcomes", asleep)).hear()
    assert (await rig.entry("nightly")).state is EntryState.FAILED

    await check_the_new_one(rig, operation, "nightly")


@pytest.mark.parametrize("is_taken_in_first", [True, False])
async def test_a_completion_counts_although_the_next_job_has_failed_in_the_same_page(
    rig: Rig, world: BullMQWorld, is_taken_in_first: bool
) -> None:
    operation = await handed_over_and_completed(rig, world, "nightly")
    await fails_anew(world, "nightly")
    if is_taken_in_first:
        await rig.follower.scan()
    await check_the_new_one(rig, operation, "nightly")


@pytest.mark.parametrize("forgets", [True, False])
async def test_a_failure_that_is_written_after_its_completion_was_heard_has_recovered(
    rig: Rig, world: BullMQWorld, forgets: bool
) -> None:
    (name,) = await fail_some(world, 1, forgets=forgets)

    async def nothing(*given: Any) -> list[Any]:
        return []

    async def meanwhile() -> None:
        await world.retry_elsewhere(QUEUE, name)
        assert await run_all(world) == {name: 1}
        await follower_of(rig, engine=Replaced(rig.engine, "failures_of", nothing)).hear()

    asleep = once(meanwhile, after=False)
    await follower_of(rig, ledger=Replaced(rig.following, "record_failures", asleep)).scan()
    assert (await rig.entry(name)).state is EntryState.FAILED
    await rig.hear()
    await rig.follower.check()

    entry = await rig.entry(name)
    assert (entry.state, entry.state_reason) == (EntryState.RECOVERED, "completed elsewhere")
    await rig.check_counts()


async def test_a_scan_that_slept_before_it_read_takes_the_newest_failure_in(
    rig: Rig, world: BullMQWorld
) -> None:
    """What another follower has recorded meanwhile is no reason to pass the next one over."""
    (name,) = await fail_some(world, 1)

    async def meanwhile() -> None:
        await rig.follower.check()
        await rig.act(name)
        await world.fail(QUEUE, name, "again")

    asleep = once(meanwhile, after=False)
    await follower_of(rig, engine=Replaced(rig.engine, "failures", asleep)).scan()

    entry = await rig.entry(name)
    assert (entry.failures, entry.error_message) == (2, "again")
    await rig.check_counts()


async def test_a_completion_is_not_written_late_once_another_follower_was_ahead(
    rig: Rig, world: BullMQWorld
) -> None:
    await world.add(QUEUE, "first", {"app_id": "acme"})
    await rig.hear()
    sleeper_of = Replaced(rig.following, "record_outcomes", lambda *given: late(*given))
    operation = await handed_over_and_completed(rig, world, "nightly")
    await fails_anew(world, "nightly")
    told: list[Any] = []

    async def late(record: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        await rig.hear()
        told.append(await record(*given))
        return told[-1]

    await follower_of(rig, ledger=sleeper_of).hear()
    assert told[0] is None
    await check_the_new_one(rig, operation, "nightly")


async def test_what_was_looked_for_and_can_be_rebuilt_is_not_looked_for_at_every_check(
    rig: Rig, world: BullMQWorld
) -> None:
    names = await fail_some(world, 2, forgets=True)
    await rig.follower.scan()
    for name in names:
        await world.remove(QUEUE, name)
    looked: list[Any] = []

    async def noted(completed: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        looked.append(given)
        return await completed(*given)

    follower = follower_of(rig, engine=Replaced(rig.engine, "completed", noted))
    for _ in range(3):
        await follower.check_entries()
    assert len(looked) == 1
    assert await rig.states() == {EntryState.FAILED: 2}
