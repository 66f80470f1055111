"""Groups: failures by their cause, with notes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from redrive import wire
from redrive.domain import AppId, GroupFilter, GroupId
from redrive.web.api.params import GroupIdPath, GroupsQuery
from redrive.web.context import ActorOf, ConsoleOf, answer, answer_page
from redrive.web.openapi import problems

router = APIRouter(tags=["groups"])


@router.get(
    "/admin/api/groups",
    response_model=wire.Envelope[wire.Page[wire.Group]],
    responses=problems(401, 422, 503),
)
async def groups(query: Annotated[GroupsQuery, Query()], console: ConsoleOf) -> Response:
    """Groups of failures, those with the most failed entries first."""
    wanted = GroupFilter(
        app_id=AppId(query.app_id) if query.app_id else None,
        queue=query.queue or None,
        query=query.q or None,
        with_quiet=query.quiet,
    )
    found = await console.services.overview.groups(wanted, query.cursor, query.limit)
    return answer_page(wire.Group, found.items, found.next_cursor)


@router.get(
    "/admin/api/groups/{group_id}",
    response_model=wire.Envelope[wire.GroupDetail],
    responses=problems(401, 404, 422, 503),
)
async def group(group_id: GroupIdPath, console: ConsoleOf) -> Response:
    """One group with an example; the id of a group that was taken over answers with its heir."""
    found = await console.services.overview.group(GroupId(group_id))
    return answer(wire.GroupDetail.of(found))


@router.put(
    "/admin/api/groups/{group_id}/note",
    response_model=wire.Envelope[wire.GroupDetail],
    responses=problems(401, 403, 404, 413, 415, 422, 503),
)
async def note(
    group_id: GroupIdPath, body: wire.NoteRequest, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Keep a note with a group; an empty one takes it back."""
    noted = await console.services.overview.note_group(GroupId(group_id), body.note, actor)
    return answer(wire.GroupDetail.of(noted))
