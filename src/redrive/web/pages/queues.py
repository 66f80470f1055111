"""Queues by the queue systems' own count, and the jobs of one queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import JobState, QueueCounts, entry_id_of
from redrive.errors import EngineUnavailable, QueueNotFound
from redrive.web.api.params import QueuePath
from redrive.web.api.queues import offset_of
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.params import PAGE, JobsQuery
from redrive.web.pages.patience import in_time
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)

STATES = (
    JobState.WAITING,
    JobState.PRIORITIZED,
    JobState.ACTIVE,
    JobState.DELAYED,
    JobState.PAUSED,
    JobState.COMPLETED,
    JobState.FAILED,
)


@router.get("/admin/queues")
async def queues(request: Request, console: ConsoleOf) -> Response:
    """Every watched queue; sources that do not answer say so."""
    reading = console.services.overview
    context = {
        "queues": await in_time(reading.queues()),
        "states": STATES,
        "followers": (await reading.standing()).followers,
    }
    return await show(request, "queues.html", context, section="queues")


@router.get("/admin/queues/{name:path}")
async def queue(
    request: Request,
    name: QueuePath,
    query: Annotated[JobsQuery, Query()],
    console: ConsoleOf,
) -> Response:
    """One queue with its jobs of one state."""
    context = await queue_context(console, name, query)
    return await show(request, "queue.html", context, section="queues")


async def queue_context(console: Console, name: str, query: JobsQuery) -> Mapping[str, Any]:
    """One queue. Raises QueueNotFound, EngineUnavailable, BadCursor."""
    reading = console.services.overview
    offset = offset_of(query.cursor)
    found = await _counts(console, name, query.source)
    jobs = await reading.jobs(found.source, name, query.state, offset, PAGE)
    return {
        "queue": found,
        "states": STATES,
        "query": query,
        "jobs": jobs,
        "next_cursor": str(offset + PAGE) if len(jobs) == PAGE else None,
        "entry_id_of": entry_id_of,
    }


async def _counts(console: Console, name: str, source: str | None) -> QueueCounts:
    """The counts of the queue of that name, the first source's unless one is named."""
    known = await in_time(console.services.overview.queues())
    if known is None:
        raise EngineUnavailable(source=source or "of this queue")
    for one in known:
        if one.queue == name and source in (None, one.source):
            return one
    for one in known:
        if one.problem is not None and source in (None, one.source):
            raise EngineUnavailable(source=one.source)
    raise QueueNotFound(queue=name)
