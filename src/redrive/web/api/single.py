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


@router.post(
    "/admin/api/dismiss",
    response_model=wire.Envelope[wire.DismissResponse],
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
)
async def dismiss_one(body: wire.DismissRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Decide against one failed entry; its job stays as it is."""
    result = await console.services.recovery.act_on_one(
        _request(OperationKind.DISMISS, body, actor)
    )
    return answer(
        wire.DismissResponse(
            message=saying.moved(result),
            entry_id=body.entry_id,
            operation_id=result.operation.operation_id,
        )
    )


@router.post(
    "/admin/api/restore",
    response_model=wire.Envelope[wire.RestoreResponse],
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
)
async def restore_one(body: wire.RestoreRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Take the dismissal of one entry back: it is failed again, with its error."""
    entry = await console.services.planning.restore(_request(OperationKind.DISMISS, body, actor))
    return answer(
        wire.RestoreResponse(
            message=saying.restored(entry), entry_id=entry.entry_id, state=entry.state
        )
    )


def _request(kind: OperationKind, body: wire.RetryRequest, actor: Actor) -> StartRequest:
    return StartRequest(
        kind=kind,
        scope=Scope.of_entry(AppId(body.app_id), EntryId(body.entry_id)),
        actor=actor,
        reason=body.reason,
    )


async def _act(
    kind: OperationKind, body: wire.RetryRequest, console: Console, actor: Actor
) -> Response:
    result = await console.services.recovery.act_on_one(_request(kind, body, actor))
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
