"""Who did what, when, with what result."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.web.context import ConsoleOf
from redrive.web.pages.params import PAGE, PageQuery
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)


@router.get("/admin/audit")
async def audit(
    request: Request, query: Annotated[PageQuery, Query()], console: ConsoleOf
) -> Response:
    """The audit trail, newest first."""
    page = await console.services.overview.audit_trail(query.cursor, PAGE)
    return await show(request, "audit.html", {"page": page, "query": query}, section="audit")
