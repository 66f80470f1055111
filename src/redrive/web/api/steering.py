"""Steering an open operation: pause, resume, change its limits."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import Operation, OperationId
from redrive.web import saying
from redrive.web.api.params import OperationIdPath
from redrive.web.context import ActorOf, ConsoleOf, answer
from redrive.web.openapi import problems

router = APIRouter(tags=["bulk actions"])

_PROBLEMS = problems(401, 403, 404, 409, 413, 415, 422, 503)


@router.post(
    "/admin/api/operations/{operation_id}/pause",
    status_code=202,
    response_model=wire.Envelope[wire.SteerResponse],
    responses=_PROBLEMS,
)
async def pause(
    operation_id: OperationIdPath,
    console: ConsoleOf,
    actor: ActorOf,
    body: wire.PauseRequest | None = None,
) -> Response:
    """Let an operation rest: nothing more is taken; what is in hand is finished first."""
    reason = "" if body is None else body.reason
    operation = await console.services.recovery.pause(OperationId(operation_id), actor, reason)
    return _steered(operation, saying.paused(operation))


@router.post(
    "/admin/api/operations/{operation_id}/resume",
    status_code=202,
    response_model=wire.Envelope[wire.SteerResponse],
    responses=_PROBLEMS,
)
async def resume(operation_id: OperationIdPath, console: ConsoleOf, actor: ActorOf) -> Response:
    """Let a paused operation go on. One that waits for approval is approved by this: 403 for the
    user who started it."""
    operation = await console.services.recovery.resume(OperationId(operation_id), actor)
    return _steered(operation, saying.resumed(operation))


@router.patch(
    "/admin/api/operations/{operation_id}",
    response_model=wire.Envelope[wire.SteerResponse],
    responses=_PROBLEMS,
)
async def change_controls(
    operation_id: OperationIdPath,
    body: wire.ChangeControlsRequest,
    console: ConsoleOf,
    actor: ActorOf,
) -> Response:
    """Change the limits of an open operation, from its next batch on."""
    operation = await console.services.recovery.change_controls(
        OperationId(operation_id), actor, body.changes()
    )
    return _steered(operation, saying.controls_changed(operation), status=200)


def _steered(operation: Operation, message: str, status: int = 202) -> Response:
    return answer(
        wire.SteerResponse(
            message=message, operation_id=operation.operation_id, state=operation.state
        ),
        status=status,
    )
