"""Health, readiness, metrics: for machines, without a session."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from redrive import wire
from redrive.errors import RedriveError
from redrive.web.context import ConsoleOf, answer
from redrive.web.metrics import CONTENT_TYPE
from redrive.web.openapi import problems
from redrive.web.problems import ProblemError

router = APIRouter(tags=["probes"])

_PATIENCE_SECONDS = 5.0


@router.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False)
async def healthz() -> Response:
    """200 while the process lives."""
    return Response("ok\n", media_type="text/plain")


@router.get(
    "/readyz",
    response_model=wire.Envelope[wire.Readiness],
    responses=problems(503),
)
async def readyz(console: ConsoleOf) -> Response:
    """200 when everything that is needed can be reached, else 503; both name the parts."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            components = dict(await console.services.overview.ready())
    except TimeoutError:
        raise _not_ready(f"No answer within {_PATIENCE_SECONDS:.0f} s.", {}) from None
    except RedriveError as error:
        raise _not_ready(str(error), {}) from error
    away = sorted(name for name, reachable in components.items() if not reachable)
    if away:
        raise _not_ready(f"Cannot be reached: {', '.join(away)}.", components)
    return answer(wire.Readiness(ready=True, components=components))


def _not_ready(detail: str, components: dict[str, bool]) -> ProblemError:
    return ProblemError(
        503,
        code="not_ready",
        detail=detail,
        headers={"Retry-After": "5"},
        components=components,
    )


@router.get("/metrics", include_in_schema=False)
async def metrics(console: ConsoleOf) -> Response:
    """Prometheus metrics."""
    text = await console.metrics.render(console.services.overview)
    return Response(text, media_type=CONTENT_TYPE)
