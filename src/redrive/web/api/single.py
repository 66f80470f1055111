"""Actions on one entry, carried out at once."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import (
    Actor,
    AppId,
    EntryId,
    OperationKind,
    Scope,
    StartRequest,
)
from redrive.web import saying
from redrive.web.context import ActorOf, Console, ConsoleOf, answer
from redrive.web.openapi import ACTION_PROBLEMS, problems
from redrive.web.problems import ProblemError

router = APIRouter(tags=["actions on one entry"])


@router.post(
    "/admin/api/retry",
    response_model=wire.Envelope[wire.RetryResponse],
    responses=problems(*ACTION_PROBLEMS),
)
async def retry_one(body: wire.RetryRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Retry one failed entry: its job is put back into its queue."""
    return await _act(OperationKind.RETRY, body, console, actor)


@router.post(
    "/admin/api/resync",
    response_model=wire.Envelope[wire.ResyncResponse],
    responses=problems(*ACTION_PROBLEMS),
)
async def resync_one(body: wire.ResyncRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Run one entry again from scratch, from any settled state."""
    return await _act(OperationKind.RESYNC, body, console, actor)


async def _act(
    kind: OperationKind, body: wire.RetryRequest, console: Console, actor: Actor
) -> Response:
    request = StartRequest(
        kind=kind,
        scope=Scope.of_entry(AppId(body.app_id), EntryId(body.entry_id)),
        actor=actor,
        reason=body.reason,
    )
    result = await console.services.recovery.act_on_one(request)
    if not result.answer.moved:
        raise ProblemError(
            409,
            code=result.answer.value,
            detail=saying.moved(result),
            operation_id=result.operation.operation_id,
        )
    return answer(
        wire.RetryResponse(
            message=saying.moved(result),
            job_id=result.job_id,
            operation_id=result.operation.operation_id,
            result=result.answer,
        )
    )
