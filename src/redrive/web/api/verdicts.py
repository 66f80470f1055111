"""What became of an operation's work."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import OperationId
from redrive.web.api.params import OperationIdPath
from redrive.web.context import ConsoleOf, answer
from redrive.web.openapi import problems

router = APIRouter(tags=["reading"])


@router.get(
    "/admin/api/operations/{operation_id}/verdict",
    response_model=wire.Envelope[wire.OperationVerdict],
    responses=problems(401, 404, 422, 503),
)
async def verdict(operation_id: OperationIdPath, console: ConsoleOf) -> Response:
    """What became of the work that an operation moved, over time, and what could be done next."""
    found = await console.services.overview.judgement(OperationId(operation_id))
    return answer(wire.OperationVerdict.of(found))
