"""Naming apps."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import AppId
from redrive.web.api.params import AppIdPath
from redrive.web.context import ActorOf, ConsoleOf, answer
from redrive.web.openapi import problems

router = APIRouter(tags=["apps"])


@router.patch(
    "/admin/api/apps/{app_id:path}",
    response_model=wire.Envelope[wire.App],
    responses=problems(401, 403, 404, 413, 415, 422, 503),
)
async def rename(
    app_id: AppIdPath, body: wire.RenameRequest, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Give an app a display name; an empty one takes it back."""
    named = await console.services.overview.name_app(AppId(app_id), body.display_name, actor)
    return answer(wire.App.model_validate(named))
