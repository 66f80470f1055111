"""Groups of failures that have one cause, and one group with its note."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from redrive.domain import EntryFilter, EntryState, GroupId
from redrive.web.api.params import GroupIdPath
from redrive.web.context import ActorOf, Console, ConsoleOf, console_of
from redrive.web.pages.flash import Flash, set_flash
from redrive.web.pages.formats import address
from redrive.web.pages.forms import LONGEST_NOTE, NoteForm, read_form
from redrive.web.pages.params import PAGE, GroupQuery, GroupsQuery
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)

_ENTRIES = 20


@router.get("/admin/groups")
async def groups(
    request: Request, query: Annotated[GroupsQuery, Query()], console: ConsoleOf
) -> Response:
    """Groups, those with the most failed entries first."""
    reading = console.services.overview
    context = {
        "query": query,
        "page": await reading.groups(query.filter, query.cursor, PAGE),
        "apps": (await reading.apps(None, PAGE)).items,
        "key": secrets.token_urlsafe(16),
    }
    return await show(request, "groups.html", context, section="groups")


@router.get("/admin/groups/{group_id}")
async def group(
    request: Request,
    group_id: GroupIdPath,
    query: Annotated[GroupQuery, Query()],
    console: ConsoleOf,
) -> Response:
    """One group: what it is, how it goes, what to know about it."""
    context = await group_context(console, GroupId(group_id), query)
    return await show(request, "group.html", context, section="groups")


@router.post("/admin/groups/{group_id}/note")
async def note(
    request: Request, group_id: GroupIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Keep a note with a group, and back to its page; an empty one takes the note back."""
    form = await read_form(request, NoteForm)
    detail = await console.services.overview.note_group(GroupId(group_id), form.note, actor)
    said = "The note was saved." if form.note else "The note was taken back."
    response = RedirectResponse(address("/admin/groups", detail.group.group_id), status_code=303)
    tls = console_of(request).reader.is_tls(request)
    set_flash(response, Flash(tone="info", text=said), tls=tls)
    return response


async def group_context(
    console: Console, group_id: GroupId, query: GroupQuery
) -> Mapping[str, Any]:
    """One group, or the one that took it over. Raises GroupNotFound."""
    reading = console.services.overview
    detail = await reading.group(group_id)
    found = detail.group
    failed = EntryFilter(group_id=found.group_id, states=(EntryState.FAILED,))
    return {
        "group": found,
        "asked_for": group_id,
        "example": detail.example,
        "touched": detail.touched,
        "page": await reading.entries(failed, None, _ENTRIES, False),
        "edits_note": query.edit == "note",
        "longest_note": LONGEST_NOTE,
        "key": secrets.token_urlsafe(16),
    }
