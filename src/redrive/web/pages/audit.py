"""Who did what, when, with what result."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from redrive.domain import changed_in_words
from redrive.web.context import ConsoleOf
from redrive.web.pages.params import PAGE, AuditQuery
from redrive.web.pages.rendering import show

router = APIRouter(include_in_schema=False)

AUDITED = (
    "retry.start",
    "retry.end",
    "resync.start",
    "resync.end",
    "dismiss.start",
    "dismiss.end",
    "restore",
    "operation.approve",
    "operation.canary",
    "operation.cancel",
    "operation.pace",
    "operation.pause",
    "operation.resume",
    "operation.undo",
    "rename",
    "group.note",
    "login",
    "logout",
    "user.add",
    "user.passwd",
)
"""The actions that rows name, to choose from."""


@router.get("/admin/audit")
async def audit(
    request: Request, query: Annotated[AuditQuery, Query()], console: ConsoleOf
) -> Response:
    """The audit trail, newest first, by who, action and app."""
    reading = console.services.overview
    context = {
        "query": query,
        "page": await reading.audit_trail(query.cursor, PAGE, query.filter),
        "apps": (await reading.apps(None, PAGE)).items,
        "actions": AUDITED,
        "changed_in_words": changed_in_words,
    }
    return await show(request, "audit.html", context, section="audit")
