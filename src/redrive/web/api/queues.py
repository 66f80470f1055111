"""What the queues hold, by the queue systems' own count."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from redrive import wire
from redrive.errors import BadCursor
from redrive.web.api.params import JobsQuery, QueuePath
from redrive.web.context import ConsoleOf, answer_page
from redrive.web.openapi import problems

router = APIRouter(tags=["reading"])

_FARTHEST = 1_000_000


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

    The queue moves meanwhile, so that a job may be on two pages or on none.
    """
    offset = offset_of(query.cursor)
    found = await console.services.overview.jobs(
        query.source, name, query.state, offset, query.limit
    )
    more = len(found) == query.limit
    return answer_page(wire.Job, found, str(offset + query.limit) if more else None)


def offset_of(cursor: str | None) -> int:
    """The place in a queue's list that a cursor names. Raises BadCursor."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or int(cursor[:9]) > _FARTHEST:
        raise BadCursor(cursor=cursor)
    return int(cursor)
