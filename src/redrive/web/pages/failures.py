"""The list of failures with one of them beside it, and the page of one entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import (
    LIVE_STATES,
    LOOKED_AT,
    MOST_COUNTED,
    SINGLE_TAKES,
    App,
    AppId,
    EntryId,
    EntryState,
    Group,
    GroupId,
    MatchCount,
    OperationKind,
)
from redrive.errors import AppNotFound, EntryNotFound, GroupNotFound
from redrive.web.api.params import EntryIdPath
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.formats import number
from redrive.web.pages.json_view import lay_out
from redrive.web.pages.params import PAGE, FailuresQuery
from redrive.web.pages.patience import in_time
from redrive.web.pages.rendering import show
from redrive.web.pages.selecting import Since
from redrive.web.pages.stacktrace import take_apart
from redrive.web.pages.timeline import timeline_of

router = APIRouter(include_in_schema=False)


@router.get("/admin/failures")
async def failures(
    request: Request, query: Annotated[FailuresQuery, Query()], console: ConsoleOf
) -> Response:
    """Entries by any filter; the failed ones unless asked otherwise."""
    context = await failures_context(console, query)
    return await show(request, "failures.html", context, section="failures")


@router.get("/admin/entries/{entry_id}")
async def entry(request: Request, entry_id: EntryIdPath, console: ConsoleOf) -> Response:
    """One entry, alone on its page."""
    context = await entry_context(console, EntryId(entry_id))
    return await show(request, "entry.html", context, section="failures")


async def failures_context(console: Console, query: FailuresQuery) -> Mapping[str, Any]:
    """The list, the counts above it, and the entry beside it."""
    reading = console.services.overview
    wanted = query.filter(console.services.clock.now(), query.states)
    count = await reading.count(wanted) if query.narrows else None
    app = await _app(console, query.app_id)
    page = await reading.look_for(wanted, query.cursor, PAGE, query.order == "oldest")
    return {
        "query": query,
        "page": page,
        "matches": matches(count) if count else None,
        "of_list": _of_list(count, app),
        "all_matching": _all_matching(count, app) if query.kinds_of_all else None,
        "app": app,
        "group": await _group(console, query.group_id),
        "apps": (await reading.apps(None, PAGE)).items,
        "states": list(EntryState),
        "sinces": list(Since),
        "chosen": await _chosen(console, query.entry),
    }


async def entry_context(console: Console, entry_id: EntryId) -> Mapping[str, Any]:
    """One entry, beside the list or alone. Raises EntryNotFound."""
    reading = console.services.overview
    detail = await reading.entry(entry_id)
    found = detail.entry
    payload = console.masker.shown(detail.payload) if detail.payload else None
    return {
        "entry": found,
        "job": await in_time(reading.job_status(found)),
        "payload": payload,
        "data": lay_out(payload.data) if payload else None,
        "options": lay_out(payload.options) if payload else None,
        "stack": take_apart(detail.stacktrace),
        "moments": timeline_of(detail),
        "has_older": detail.has_older,
        "told": len(detail.story),
        "group": await _group(console, found.group_id),
        "can_retry": found.state in SINGLE_TAKES[OperationKind.RETRY],
        "can_resync": found.state in SINGLE_TAKES[OperationKind.RESYNC],
        "can_dismiss": found.state in SINGLE_TAKES[OperationKind.DISMISS],
        "can_restore": found.state is EntryState.DISMISSED,
        "is_moving": found.state is EntryState.CLAIMED or found.state in LIVE_STATES,
    }


def matches(count: MatchCount) -> str:
    """How many entries fit a filter; where the count stopped, that it did."""
    fit = "entry fits" if count.found == 1 and not count.is_bounded else "entries fit"
    if not count.is_bounded:
        return f"{number(count.found)} {fit}"
    if count.found >= MOST_COUNTED:
        return f"more than {number(MOST_COUNTED)} {fit}"
    looked_at = number(LOOKED_AT)
    return f"{number(count.found)} of the newest {looked_at} {fit}; older ones were not counted"


def _of_list(count: MatchCount | None, app: App | None) -> str | None:
    """The number of entries in a list, as its heading has it; None for that of everything."""
    if count is not None:
        return f"{number(count.found)}{'+' if count.is_bounded else ''}"
    return None if app is None else number(app.failed)


def _all_matching(count: MatchCount | None, app: App | None) -> str | None:
    """How many a choice of all that fit takes, as far as they were counted; None for none."""
    if count is None:
        return number(app.failed) if app and app.failed else None
    if not count.found:
        return None
    return f"more than {number(count.found)}" if count.is_bounded else number(count.found)


async def _chosen(console: Console, entry_id: str | None) -> Mapping[str, Any] | None:
    """The entry beside the list; an address that outlived its entry still shows the list."""
    if entry_id is None:
        return None
    try:
        return await entry_context(console, EntryId(entry_id))
    except EntryNotFound:
        return None


async def _group(console: Console, group_id: str | None) -> Group | None:
    """The group of that id, or the one that took it over; None where there is none."""
    if group_id is None:
        return None
    try:
        return (await console.services.overview.group(GroupId(group_id))).group
    except GroupNotFound:
        return None


async def _app(console: Console, app_id: str | None) -> App | None:
    """The app of the filter; None where there is none of that name."""
    if app_id is None:
        return None
    try:
        return await console.services.overview.app(AppId(app_id))
    except AppNotFound:
        return None
