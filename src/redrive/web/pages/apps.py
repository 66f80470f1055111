"""Apps, and one app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import MOST_COUNTED, App, AppId, EntryFilter, EntryState
from redrive.web.api.params import AppIdPath
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.params import PAGE, AppsQuery
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)

_ENTRIES, _OPERATIONS = 20, 10


@router.get("/admin/apps")
async def apps(
    request: Request, query: Annotated[AppsQuery, Query()], console: ConsoleOf
) -> Response:
    """Apps, those with the most failed entries first, or one app."""
    if query.app_id is not None:
        return await app(request, query.app_id, console)
    page = await console.services.overview.apps(query.cursor, PAGE)
    again = await console.services.overview.failed_again([one.app_id for one in page.items])
    recoveries = {one.app_id: recovery_of(one, again.get(one.app_id, 0)) for one in page.items}
    context = {"page": page, "query": query, "recoveries": recoveries}
    return await show(request, "apps.html", context, section="apps")


@router.get("/admin/apps/{app_id:path}")
async def app(request: Request, app_id: AppIdPath, console: ConsoleOf) -> Response:
    """One app with its entries and operations."""
    context = await app_context(console, AppId(app_id))
    kept = [one.filter for one in context["operations"]]
    return await show(request, "app.html", context, section="apps", kept=kept)


async def app_context(console: Console, app_id: AppId) -> Mapping[str, Any]:
    """One app. Raises AppNotFound."""
    reading = console.services.overview
    found = await reading.app(app_id)
    again = await reading.failed_again([app_id])
    failed = EntryFilter(app_id=app_id, states=(EntryState.FAILED,))
    return {
        "app": found,
        "recovery": recovery_of(found, again.get(app_id, 0)),
        "states": list(EntryState),
        "page": await reading.entries(failed, None, _ENTRIES, False),
        "operations": (await reading.operations(None, app_id, None, _OPERATIONS)).items,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """Of the app's entries that ran again to an end, those that recovered. ``is_bounded`` says
    that more have failed again than were counted."""

    recovered: int
    ended: int
    is_bounded: bool


def recovery_of(app: App, failed_again: int) -> Recovery:
    """What was never run again says nothing about recovery."""
    recovered = app.counts.get(EntryState.RECOVERED, 0)
    return Recovery(
        recovered=recovered,
        ended=recovered + failed_again,
        is_bounded=failed_again >= MOST_COUNTED,
    )
