"""Steps that many tests of the BullMQ engine share; all on one queue."""

from __future__ import annotations

from typing import Any

from redrive.domain import Answer
from tests.support.bullmq_batches import AT, answers, batch_of, item
from tests.support.bullmq_world import BullMQWorld

QUEUE = "mail"


async def failed(world: BullMQWorld, *job_ids: str, **options: Any) -> None:
    for job_id in job_ids:
        await world.add(QUEUE, job_id, **options)
        await world.fail(QUEUE, job_id, at=AT)


async def requeue(world: BullMQWorld, *job_ids: str, number: int = 1) -> dict[str, Answer]:
    items = [item(job_id) for job_id in job_ids]
    return answers(await world.engine.requeue(batch_of(QUEUE, items, number=number)))


async def next_jobs(world: BullMQWorld, count: int) -> list[str]:
    """The jobs that a worker gets, in this order."""
    scripts = world.queue(QUEUE).scripts
    taken = [await scripts.moveToActive("0", {"lockDuration": 1000}) for _ in range(count)]
    return [job_id for _, job_id, *_ in taken]
