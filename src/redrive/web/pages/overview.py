"""The first page: what fails, for whom, since when, and what is being done about it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import RECOVERING_STATES
from redrive.standing import LATELY
from redrive.web.context import Console, ConsoleOf
from redrive.web.pages.addresses import HOME
from redrive.web.pages.chart import Span, chart_of
from redrive.web.pages.following import following_of
from redrive.web.pages.params import OverviewQuery
from redrive.web.pages.patience import in_time
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)


@router.get(HOME)
async def overview(
    request: Request, query: Annotated[OverviewQuery, Query()], console: ConsoleOf
) -> Response:
    """The state of everything in one look."""
    context = await overview_context(console, query.span)
    standing = context["standing"]
    return await show(request, "overview.html", context, section="overview", standing=standing)


async def overview_context(console: Console, span: Span) -> Mapping[str, Any]:
    """What the page shows, whole or as a refresh."""
    reading = console.services.overview
    incident, queues = await asyncio.gather(
        reading.incident(span.length, span.step), in_time(reading.queues())
    )
    summary = incident.summary
    standing = summary.standing
    return {
        "standing": standing,
        "totals": standing.totals,
        "failed": standing.failed,
        "failing_since": summary.failing_since,
        "in_recovery": sum(standing.totals.get(state, 0) for state in RECOVERING_STATES),
        "recovered_24h": summary.recovered_24h,
        "apps": summary.apps,
        "failing_apps": [app for app in summary.apps if app.failed],
        "failing": incident.failing_apps,
        "operations": standing.operations,
        "following": [following_of(one, queues) for one in standing.followers],
        "groups": incident.groups,
        "key": secrets.token_urlsafe(16),
        "lately": incident.lately,
        "lately_minutes": int(LATELY.total_seconds() // 60),
        "chart": chart_of(span, incident.activity, incident.first_activity),
        "chosen_span": span,
        "spans": list(Span),
        "queues": queues,
    }
