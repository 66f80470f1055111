"""One search over apps, groups, entries and operations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from redrive.insight import Found
from redrive.web.context import ConsoleOf
from redrive.web.pages.formats import address
from redrive.web.pages.naming import titles_of
from redrive.web.pages.params import SearchQuery
from redrive.web.pages.rendering import render, show

router = APIRouter(include_in_schema=False)

_NOTHING = Found(apps=[], groups=[], operations=[], entries=[], more=False)


@router.get("/admin/search")
async def search(
    request: Request, query: Annotated[SearchQuery, Query()], console: ConsoleOf
) -> Response:
    """What was found; an id that names one thing leads straight to it."""
    found = await console.services.overview.find(query.q) if query.q else _NOTHING
    exact = _exact(query.q, found)
    if exact is not None:
        return RedirectResponse(exact, status_code=303)
    return await show(request, "search.html", {"found": found, "query": query}, section="search")


@router.get("/admin/search/suggestions")
async def suggestions(
    request: Request, query: Annotated[SearchQuery, Query()], console: ConsoleOf
) -> Response:
    """What the search box offers while it is typed into: a fragment for the pages' own script."""
    found = await console.services.overview.suggest(query.q) if query.q else _NOTHING
    titles = await titles_of(console, [one.filter for one in found.operations])
    now = console.services.clock.now()
    return render(request, "suggestions.html", {"found": found}, now=now, titles=titles)


def _exact(text: str, found: Found) -> str | None:
    """The page of the one thing that has this id."""
    if found.operations:
        return address("/admin/operations", found.operations[0].operation_id)
    named = [entry for entry in found.entries if text in (entry.entry_id, entry.job_id)]
    if len(named) == 1 and len(found.entries) == 1 and not found.apps:
        return address("/admin/entries", named[0].entry_id)
    if text.startswith("grp_") and len(found.groups) == 1:
        return address("/admin/groups", found.groups[0].group_id)
    return None
