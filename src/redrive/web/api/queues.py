"""What the queues hold, by the queue systems' own count."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from redrive import wire
from redrive.web.api.params import JobsQuery, QueuePath
from redrive.web.context import ConsoleOf, answer_page
from redrive.web.openapi import problems

router = APIRouter(tags=["reading"])


@router.get(
    "/admin/api/queues",
    response_model=wire.Envelope[wire.Page[wire.Queue]],
    responses=problems(401, 503),
)
async def queues(console: ConsoleOf) -> Response:
    """Every watched queue with its jobs by state."""
    return answer_page(wire.Queue, await console.services.overview.queues(), None)


@router.get(
    "/admin/api/queues/{name:path}/jobs",
    response_model=wire.Envelope[wire.Page[wire.Job]],
    responses=problems(401, 404, 422, 503),
)
async def jobs(
    name: QueuePath, query: Annotated[JobsQuery, Query()], console: ConsoleOf
) -> Response:
    """Jobs of one state: the next to run, or the newest finished, first.

    Each finished or delayed job is on one page. The lists of waiting, active and paused jobs move
    as workers take from them, so that a job of these may be on two pages or on none.
    """
    found = await console.services.overview.jobs(
        query.source, name, query.state, query.cursor, query.limit
    )
    return answer_page(wire.Job, found.items, found.next_cursor)
