"""How far an operation is: once, or as a stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from redrive import wire
from redrive.domain import OperationId, Progress
from redrive.errors import Unavailable
from redrive.web.api.params import OperationIdPath, StreamQuery
from redrive.web.context import Console, ConsoleOf, answer
from redrive.web.cookies import token_of
from redrive.web.openapi import problems

router = APIRouter(tags=["progress"])

SESSION_CHECK_SECONDS = 2
HEARTBEAT_SECONDS = 15


@router.get(
    "/admin/api/retry/progress/{operation_id}",
    response_model=wire.Envelope[wire.BulkProgressResponse],
    responses=problems(401, 404, 422, 503),
)
async def progress(operation_id: OperationIdPath, console: ConsoleOf) -> Response:
    """How far an operation is, also after it has ended."""
    found = await console.services.overview.progress(OperationId(operation_id))
    return answer(_shown(console, found))


def _shown(console: Console, found: Progress) -> wire.BulkProgressResponse:
    services = console.services
    return wire.BulkProgressResponse.at(found, services.clock.now(), services.overview.observe_for)


@router.get(
    "/admin/api/retry/progress/{operation_id}/stream",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events named progress, each with a BulkProgressResponse as its data.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(401, 404, 422, 503),
    },
)
async def progress_stream(
    operation_id: OperationIdPath,
    query: Annotated[StreamQuery, Query()],
    console: ConsoleOf,
    request: Request,
) -> Response:
    """The progress now and at each change, until the operation has ended, or with
    ``until=verdict`` until its verdict is final.

    Ends also when the session ends, when the server stops, and when a store is lost: a browser
    then asks again by itself.
    """
    wanted = OperationId(operation_id)
    await console.services.overview.progress(wanted)
    token = token_of(request, tls=console.reader.is_tls(request))
    return EventSourceResponse(
        _events(console, wanted, token or "", until_verdict=query.until == "verdict"),
        ping=HEARTBEAT_SECONDS,
        headers={"Cache-Control": "no-store"},
    )


async def _events(
    console: Console, operation_id: OperationId, token: str, *, until_verdict: bool
) -> AsyncIterator[ServerSentEvent]:
    changes = console.services.overview.watch(operation_id, until_verdict=until_verdict)
    closing = asyncio.ensure_future(console.closing.wait())
    upcoming = asyncio.ensure_future(anext(changes))
    check = asyncio.ensure_future(_session_ends(console, token))
    try:
        while True:
            await asyncio.wait({upcoming, closing, check}, return_when=asyncio.FIRST_COMPLETED)
            if closing.done() or check.done():
                return
            shown = _shown(console, upcoming.result())
            yield ServerSentEvent(data=shown.model_dump_json(), event="progress")
            upcoming = asyncio.ensure_future(anext(changes))
    except (StopAsyncIteration, Unavailable):
        return
    finally:
        tasks = (closing, upcoming, check)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()


async def _session_ends(console: Console, token: str) -> None:
    """Returns within two seconds of the session's end. While a store is away the session counts
    as open: nobody can have ended it."""
    while True:
        await asyncio.sleep(SESSION_CHECK_SECONDS)
        try:
            if await console.sessions.find(token) is None:
                return
        except Unavailable:
            continue
