"""Puts the console's HTTP side together."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse

from redrive import __version__
from redrive.web import assets, pages, probes
from redrive.web.api import (
    apps,
    bulk,
    groups,
    plans,
    progress,
    queues,
    read,
    session,
    single,
    steering,
    verdicts,
)
from redrive.web.client import ClientReader
from redrive.web.context import Console
from redrive.web.edge import Edge
from redrive.web.gate import Gate
from redrive.web.masking import Masker
from redrive.web.metrics import Metrics
from redrive.web.openapi import ADDRESS, document
from redrive.web.passwords import PasswordChecker
from redrive.web.problems import add_problem_handlers
from redrive.web.services import WebServices
from redrive.web.sessions import Sessions
from redrive.web.signin import SignIn
from redrive.web.throttle import LoginThrottle

ROUTERS: tuple[APIRouter, ...] = (
    session.router,
    single.router,
    bulk.router,
    plans.router,
    steering.router,
    progress.router,
    verdicts.router,
    read.router,
    apps.router,
    groups.router,
    queues.router,
    probes.router,
    assets.router,
    *pages.ROUTERS,
)


def create_app(services: WebServices) -> FastAPI:
    """The console as an ASGI app. Raises SettingsError."""
    console = _console(services)
    app = FastAPI(
        title="Redrive",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.console = console
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route(ADDRESS, _openapi, include_in_schema=False)
    add_problem_handlers(app)
    holders: tuple[APIRouter | FastAPI, ...] = (*ROUTERS, app)
    routes = [one for holder in holders for one in holder.routes if isinstance(one, APIRoute)]
    app.add_middleware(Gate, reader=console.reader, sessions=console.sessions, routes=routes)
    app.add_middleware(Edge, reader=console.reader, observe=console.metrics.observe)
    return app


def _console(services: WebServices) -> Console:
    sessions = Sessions(services.redis, services.accounts, services.clock)
    return Console(
        services=services,
        reader=ClientReader(services.settings),
        sessions=sessions,
        sign_in=SignIn(
            services.accounts,
            sessions,
            LoginThrottle(services.redis, services.clock),
            PasswordChecker(),
        ),
        masker=Masker(services.settings.secret_keys),
        metrics=Metrics(),
    )


async def _openapi(request: Request) -> JSONResponse:
    app: FastAPI = request.app
    made: dict[str, Any] = document(app)
    return JSONResponse(made)
