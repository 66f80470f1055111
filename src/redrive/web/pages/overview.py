"""The first page: what fails, for whom, since when, and what is being done about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import EntryState
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.addresses import HOME
from redrive.web.pages.chart import Span, chart_of
from redrive.web.pages.frame import is_late
from redrive.web.pages.params import OverviewQuery
from redrive.web.pages.patience import in_time
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)

_LATELY = timedelta(minutes=5)
_IN_RECOVERY = (EntryState.CLAIMED, EntryState.QUEUED, EntryState.ACTIVE)


@router.get(HOME)
async def overview(
    request: Request, query: Annotated[OverviewQuery, Query()], console: ConsoleOf
) -> Response:
    """The state of everything in one look."""
    context = await overview_context(console, query.span)
    return await show(request, "overview.html", context, section="overview")


async def overview_context(console: Console, span: Span) -> Mapping[str, Any]:
    """What the page shows, whole or as a refresh."""
    reading = console.services.overview
    summary = await reading.summary()
    causes, samples = await reading.causes()
    lately = await reading.activity(_LATELY, timedelta(minutes=1))
    return {
        "totals": summary.totals,
        "failed": summary.totals.get(EntryState.FAILED, 0),
        "in_recovery": sum(summary.totals.get(state, 0) for state in _IN_RECOVERY),
        "recovered_24h": summary.recovered_24h,
        "apps": summary.apps,
        "failing_apps": [app for app in summary.apps if app.failed],
        "operations": summary.operations,
        "followers": summary.followers,
        "late": [one for one in summary.followers if is_late(one)],
        "causes": causes,
        "samples": samples,
        "lately": sum(point.failed for point in lately),
        "lately_minutes": int(_LATELY.total_seconds() // 60),
        "chart": chart_of(span, await reading.activity(span.length, span.step)),
        "spans": list(Span),
        "queues": await in_time(reading.queues()),
    }
