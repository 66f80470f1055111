"""Bulk actions: start, progress, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import (
    Actor,
    AppId,
    OperationId,
    OperationKind,
    Scope,
    StartRequest,
)
from redrive.web import saying
from redrive.web.api.params import AppIdPath, OperationIdPath
from redrive.web.context import ActorOf, Console, ConsoleOf, answer
from redrive.web.openapi import ACTION_PROBLEMS, problems

router = APIRouter(tags=["bulk actions"])

_Body = wire.BulkRetryRequest | None
_Route = TypeVar("_Route", bound=Callable[..., Any])


def _starts(path: str) -> Callable[[_Route], _Route]:
    """A route that starts a bulk action."""
    return router.post(
        path,
        status_code=202,
        response_model=wire.Envelope[wire.BulkRetryResponse],
        responses=problems(*ACTION_PROBLEMS),
    )


@_starts("/admin/api/retry/app/{app_id:path}")
async def retry_app(
    app_id: AppIdPath, console: ConsoleOf, actor: ActorOf, body: _Body = None
) -> Response:
    """Retry every failed entry of an app."""
    scope = Scope.of_app(AppId(app_id))
    return await _start(OperationKind.RETRY, scope, body, console, actor)


@_starts("/admin/api/retry/all")
async def retry_all(console: ConsoleOf, actor: ActorOf, body: _Body = None) -> Response:
    """Retry every failed entry of every app."""
    return await _start(OperationKind.RETRY, Scope.everything(), body, console, actor)


@_starts("/admin/api/resync/app/{app_id:path}")
async def resync_app(
    app_id: AppIdPath, console: ConsoleOf, actor: ActorOf, body: _Body = None
) -> Response:
    """Run every failed and recovered entry of an app again from scratch."""
    scope = Scope.of_app(AppId(app_id))
    return await _start(OperationKind.RESYNC, scope, body, console, actor)


@router.post(
    "/admin/api/retry/cancel/{operation_id}",
    status_code=202,
    response_model=wire.Envelope[wire.CancelResponse],
    responses=problems(*ACTION_PROBLEMS),
)
async def cancel(
    operation_id: OperationIdPath,
    console: ConsoleOf,
    actor: ActorOf,
    body: wire.CancelRequest | None = None,
) -> Response:
    """Stop an operation: what is in hand is finished or given back, and counted.

    With `undo` what was moved and no worker has started is taken back too: it is failed again with
    its error, as if it had not been moved. This may be asked for after the operation's end.
    """
    undo = body is not None and body.undo
    operation = await console.services.recovery.cancel(OperationId(operation_id), actor, undo=undo)
    in_hand = await console.services.overview.in_hand(operation.operation_id)
    return answer(
        wire.CancelResponse(
            message=saying.cancelled(operation, in_hand),
            operation_id=operation.operation_id,
            state=operation.state,
        ),
        status=202,
    )


async def _start(
    kind: OperationKind,
    scope: Scope,
    body: _Body,
    console: Console,
    actor: Actor,
) -> Response:
    asked = body or wire.BulkRetryRequest()
    request = StartRequest(
        kind=kind,
        scope=scope,
        actor=actor,
        reason=asked.reason,
        idempotency_key=asked.idempotency_key,
        controls=asked.controls(),
    )
    operation, new = await console.services.recovery.start(request)
    return answer(
        wire.BulkRetryResponse(
            message=saying.started(operation, new),
            operation_id=operation.operation_id,
            total=operation.total,
            new=new,
        ),
        status=202,
    )
