"""Apps, and one app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import App, AppId, EntryFilter, EntryState
from redrive.web.api.params import AppIdPath
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.params import PAGE, PageQuery
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)

_ENTRIES, _OPERATIONS = 20, 10


@router.get("/admin/apps")
async def apps(
    request: Request, query: Annotated[PageQuery, Query()], console: ConsoleOf
) -> Response:
    """Apps, those with the most failed entries first."""
    page = await console.services.overview.apps(query.cursor, PAGE)
    context = {"page": page, "query": query, "recovery": recovery_of}
    return await show(request, "apps.html", context, section="apps")


@router.get("/admin/apps/{app_id:path}")
async def app(request: Request, app_id: AppIdPath, console: ConsoleOf) -> Response:
    """One app with its entries and operations."""
    context = await app_context(console, AppId(app_id))
    return await show(request, "app.html", context, section="apps")


async def app_context(console: Console, app_id: AppId) -> Mapping[str, Any]:
    """One app. Raises AppNotFound."""
    reading = console.services.overview
    found = await reading.app(app_id)
    failed = EntryFilter(app_id=app_id, states=(EntryState.FAILED,))
    return {
        "app": found,
        "recovery": recovery_of(found),
        "states": list(EntryState),
        "page": await reading.entries(failed, None, _ENTRIES, False),
        "operations": (await reading.operations(None, app_id, None, _OPERATIONS)).items,
    }


def recovery_of(app: App) -> tuple[int, int]:
    """How many of the app's entries have recovered, of those that came to an end."""
    recovered = app.counts.get(EntryState.RECOVERED, 0)
    return recovered, recovered + app.failed + app.counts.get(EntryState.VANISHED, 0)
