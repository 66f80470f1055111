"""How far back a queue's events are looked at for the last that happened to a job."""

from __future__ import annotations

import pytest

from redrive.domain import JobId
from redrive.engines.bullmq import outcomes
from redrive.errors import RedriveError
from tests.support.bullmq_steps import QUEUE
from tests.support.bullmq_world import BullMQWorld

EVENTS = f"bull:{QUEUE}:events"


def tell(world: BullMQWorld, job_id: str, *kinds: str) -> None:
    for kind in kinds:
        world.redis.xadd(EVENTS, {"event": kind, "jobId": job_id})


def bury(world: BullMQWorld, count: int) -> None:
    with world.redis.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.xadd(EVENTS, {"event": "completed", "jobId": f"other-{number}"})
        pipe.execute()


async def test_a_job_is_found_under_thousands_of_events_of_others(world: BullMQWorld) -> None:
    tell(world, "done", "active", "completed")
    tell(world, "not done", "completed", "active", "failed")
    bury(world, 4_500)

    found = await world.engine.completed(QUEUE, [JobId("done"), JobId("not done"), JobId("?")])

    assert set(found) == {"done"}


async def test_every_place_of_a_page_is_looked_at_once(
    world: BullMQWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_LOOK_BACK_PAGE", 3)
    for number in range(10):
        tell(world, str(number), "completed")

    found = await world.engine.completed(QUEUE, [JobId(str(number)) for number in range(10)])

    assert set(found) == {str(number) for number in range(10)}


async def test_what_lies_further_back_than_is_looked_is_not_known(
    world: BullMQWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_LOOK_BACK_PAGE", 2)
    monkeypatch.setattr(outcomes, "LOOKED_BACK", 4)
    tell(world, "too far", "completed")
    tell(world, "near", "completed")
    bury(world, 3)

    assert set(await world.engine.completed(QUEUE, [JobId("too far"), JobId("near")])) == {"near"}


async def test_events_that_are_something_else_are_said_to_be(world: BullMQWorld) -> None:
    world.redis.set(EVENTS, "text")

    with pytest.raises(RedriveError, match="WRONGTYPE"):
        await world.engine.completed(QUEUE, [JobId("1")])
