"""Plans: what would happen, and the start of exactly that."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.domain import PlanRequest, PlanStart
from redrive.planning import require_selective
from redrive.web import saying
from redrive.web.context import ActorOf, ConsoleOf, answer
from redrive.web.openapi import problems

router = APIRouter(tags=["plans"])

_ALLOWED = ", ".join(wire.EntriesFilter.model_fields)


@router.post(
    "/admin/api/operations/plan",
    response_model=wire.Envelope[wire.Plan],
    responses=problems(401, 403, 413, 415, 422, 503),
)
async def plan(body: wire.PlanRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Freeze what a filter selects, and tell what would happen. Nothing moves.

    The plan can be started for ten minutes, once, by the user who asked for it. It keeps the
    limits that are named for its start.
    """
    wanted = body.filter.meant()
    require_selective(wanted, body.everything, allowed=_ALLOWED, say_everything="everything: true")
    request = PlanRequest(
        kind=body.kind,
        entry_filter=wanted,
        actor=actor,
        include_repeated=body.include_repeated,
        controls=body.controls(),
    )
    forecast = await console.services.planning.plan(request)
    return answer(wire.Plan.of(forecast.plan, forecast.rate, forecast.seconds))


@router.post(
    "/admin/api/operations",
    status_code=202,
    response_model=wire.Envelope[wire.BulkRetryResponse],
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
)
async def start(body: wire.StartPlanRequest, console: ConsoleOf, actor: ActorOf) -> Response:
    """Start exactly what a plan selected, with its limits or others."""
    operation, new = await console.services.planning.start(
        PlanStart(
            plan_token=body.plan_token,
            actor=actor,
            reason=body.reason,
            idempotency_key=body.idempotency_key,
            limits=body.changes(),
        )
    )
    return answer(
        wire.BulkRetryResponse(
            message=saying.started(operation, new),
            operation_id=operation.operation_id,
            total=operation.total,
            new=new,
        ),
        status=202,
    )
