"""Deciding against one entry, and taking that back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import AppId, EntryId, OperationKind, Scope, StartRequest
from redrive.web import saying
from redrive.web.api.params import EntryIdPath
from redrive.web.context import ActorOf, ConsoleOf
from redrive.web.pages.acting import TOLD, act_on_one, go_on
from redrive.web.pages.addresses import local
from redrive.web.pages.formats import address
from redrive.web.pages.forms import OneForm, read_form
from redrive.web.pages.params import DismissQuery
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)


@router.get("/admin/entries/{entry_id}/dismiss")
async def ask(
    request: Request,
    entry_id: EntryIdPath,
    query: Annotated[DismissQuery, Query()],
    console: ConsoleOf,
) -> Response:
    """Asks before one entry is dismissed: which one, and why. Raises EntryNotFound."""
    detail = await console.services.overview.entry(EntryId(entry_id))
    back = local(query.back or address("/admin/entries", entry_id))
    context = {"entry": detail.entry, "back": back}
    return await show(request, "dismiss.html", context, section="failures")


@router.post("/admin/entries/{entry_id}/dismiss")
async def dismiss(request: Request, entry_id: EntryIdPath, actor: ActorOf) -> Response:
    """Dismiss one entry, and back to where that was asked for."""
    return await act_on_one(request, OperationKind.DISMISS, EntryId(entry_id), actor)


@router.post("/admin/entries/{entry_id}/restore")
async def restore(
    request: Request, entry_id: EntryIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Take the dismissal of one entry back, and back to where that was asked for."""
    form = await read_form(request, OneForm)
    asked = StartRequest(
        kind=OperationKind.DISMISS,
        scope=Scope.of_entry(AppId(form.app_id), EntryId(entry_id)),
        actor=actor,
        reason=form.reason,
    )
    place = local(form.back or address("/admin/entries", entry_id))
    try:
        entry = await console.services.planning.restore(asked)
    except TOLD as error:
        return go_on(request, place, "danger", str(error))
    return go_on(request, place, "info", saying.restored(entry))
