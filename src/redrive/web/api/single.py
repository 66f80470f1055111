"""Actions on one entry, carried out at once."""

from __future__ import annotations

from typing import assert_never

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import (
    Actor,
    Answer,
    AppId,
    EntryId,
    OperationKind,
    Scope,
    StartRequest,
)
from redrive.recovery import OneResult
from redrive.web.context import ActorOf, Console, ConsoleOf, answer
from redrive.web.openapi import problems
from redrive.web.problems import ProblemError

router = APIRouter(tags=["actions on one entry"])


@router.post(
    "/admin/api/retry",
    response_model=wire.Envelope[wire.RetryResponse],
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
)
async def retry_one(body: wire.RetryRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Retry one failed entry: its job is put back into its queue."""
    return await _act(OperationKind.RETRY, body, console, actor)


@router.post(
    "/admin/api/resync",
    response_model=wire.Envelope[wire.ResyncResponse],
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
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
            detail=_message(result),
            operation_id=result.operation.operation_id,
        )
    return answer(
        wire.RetryResponse(
            message=_message(result),
            job_id=result.job_id,
            operation_id=result.operation.operation_id,
            result=result.answer,
        )
    )


def _message(result: OneResult) -> str:
    """What happened, in words."""
    job = f"Job {result.job_id}"
    match result.answer:
        case Answer.REQUEUED:
            return f"{job} is back in its queue."
        case Answer.RECREATED:
            return f"{job} had been forgotten by its queue; it was rebuilt and is queued again."
        case Answer.ALREADY_LIVE:
            return f"{job} was not moved: it is already waiting or running."
        case Answer.SUPERSEDED:
            return f"{job} was not moved: it has failed again since; retry that failure."
        case Answer.NOT_FAILED:
            return f"{job} was not moved: it has completed meanwhile."
        case Answer.MISSING:
            return f"{job} was not moved: its queue no longer has it, and it cannot be rebuilt."
        case Answer.WITHHELD:
            return f"{job} was not moved: the operation was cancelled before the hand-over."
        case Answer.ERROR:
            return f"{job} was not moved: {result.detail or 'the queue system refused it'}."
        case _:
            assert_never(result.answer)
