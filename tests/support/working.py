"""What a worker does, one step at a time, and what it has run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import cast

from tests.support.bullmq_world import TOKEN, BullMQWorld
from tests.support.rig import QUEUE


async def fail_some(
    world: BullMQWorld, count: int, *, app: str = "acme", forgets: bool = False
) -> list[str]:
    """Add and fail ``count`` jobs of an app; returns their ids."""
    names = [f"{app}-{number}" for number in range(count)]
    for name in names:
        await world.add(QUEUE, name, {"app_id": app, "name": name}, forgets=forgets)
        await world.fail(QUEUE, name)
    return names


async def run_all(
    world: BullMQWorld, *, keep: bool = False, fail: Collection[str] = ()
) -> Counter[str]:
    """Run every waiting job, those named to a failure; returns how often each one ran."""
    ran: Counter[str] = Counter()
    while True:
        taken = await world.queue(QUEUE).scripts.moveToActive(TOKEN, {"lockDuration": 60_000})
        if not taken or not taken[1]:
            return ran
        job_id = str(taken[1])
        ran[job_id] += 1
        if job_id in fail:
            await world.fail(QUEUE, job_id)
        else:
            await world.complete(QUEUE, job_id, keep=keep)


def waiting(world: BullMQWorld) -> Counter[str]:
    """How often each job stands in the queue's waiting list."""
    return Counter(cast("list[str]", world.redis.lrange(world.key(QUEUE, "wait"), 0, -1)))
