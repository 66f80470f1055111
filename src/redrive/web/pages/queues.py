"""Queues by the queue systems' own count, and the jobs of one queue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import (
    Entry,
    EntryFilter,
    EntryState,
    JobId,
    JobState,
    MatchCount,
    QueueCounts,
)
from redrive.errors import EngineUnavailable, QueueNotFound
from redrive.web.api.params import QueuePath
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.following import following_of
from redrive.web.pages.formats import counted, number
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


_MOVING = (JobState.WAITING, JobState.ACTIVE, JobState.PAUSED)
"""Workers take from these lists while they are read."""

_HERE = {
    EntryState.DISMISSED: "dismissed here",
    EntryState.CLAIMED: "in the hands of an operation",
}
_STILL_FAILED_IN_QUEUE = (EntryState.FAILED, *_HERE)
"""The states of entries whose jobs a queue counts as failed."""


@router.get("/admin/queues")
async def queues(request: Request, console: ConsoleOf) -> Response:
    """Every watched queue; sources that do not answer say so."""
    reading = console.services.overview
    standing, found = await asyncio.gather(reading.standing(), in_time(reading.queues()))
    context = {
        "queues": found,
        "states": STATES,
        "following": [following_of(one, found) for one in standing.followers],
    }
    return await show(request, "queues.html", context, section="queues", standing=standing)


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
    found = await _counts(console, name, query.source)
    page = await reading.jobs(found.source, name, query.state, query.cursor, PAGE)
    jobs = page.items
    entries: Mapping[JobId, Entry] = {}
    known: Mapping[EntryState, MatchCount] = {}
    if query.state is JobState.FAILED:
        entries = await reading.entries_of_jobs(found.source, name, [job.job_id for job in jobs])
        known = {
            state: await reading.count(
                EntryFilter(source=found.source, queue=name, states=(state,))
            )
            for state in _STILL_FAILED_IN_QUEUE
        }
    return {
        "entries": entries,
        "compared": compared(found.counts.get(JobState.FAILED, 0), known),
        "queue": found,
        "states": STATES,
        "query": query,
        "jobs": jobs,
        "next_cursor": page.next_cursor,
        "moves": query.state in _MOVING,
    }


def compared(in_queue: int, known: Mapping[EntryState, MatchCount]) -> str:
    """Why a queue's count of failed jobs and the ledger's differ; empty where they do not, or
    where there are too many to be counted."""
    if not known or any(count.is_bounded for count in known.values()):
        return ""
    failed = known[EntryState.FAILED].found
    others = [(state, known[state].found) for state in known if state is not EntryState.FAILED]
    missing = in_queue - sum(count.found for count in known.values())
    told = [f"{number(count)} {_HERE[state]}" for state, count in others if count]
    if missing > 0:
        told.append(f"{number(missing)} not yet taken in")
    if missing < 0:
        told.append(f"{number(-missing)} no longer in the queue")
    if not told:
        return ""
    return (
        f"The queue holds {counted(in_queue, 'failed job')}, the ledger "
        f"{counted(failed, 'failed entry', 'failed entries')} of it: {', '.join(told)}."
    )


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
