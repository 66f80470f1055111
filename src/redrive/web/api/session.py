"""Log in, log out, who am I."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from redrive import wire
from redrive.web.context import ConsoleOf, SessionOf, answer
from redrive.web.cookies import clear_token, set_token
from redrive.web.credentials import Credentials, log_in, log_out
from redrive.web.openapi import body_of, problems

router = APIRouter(tags=["session"])


@router.post(
    "/admin/api/login",
    response_model=wire.Envelope[wire.Session],
    responses=problems(401, 403, 413, 415, 422, 429, 503),
    openapi_extra=body_of(wire.LoginRequest),
)
async def login(request: Request, credentials: Credentials, console: ConsoleOf) -> Response:
    """Open a session; its cookie comes with the answer. Takes JSON or a form."""
    token, opened = await log_in(request, credentials, console)
    response = answer(wire.Session.model_validate(opened))
    set_token(response, token, tls=console.reader.is_tls(request))
    return response


@router.post(
    "/admin/api/logout",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 413, 415, 503),
)
async def logout(request: Request, session: SessionOf, console: ConsoleOf) -> Response:
    """End the session."""
    await log_out(request, session, console)
    response = Response(status_code=204)
    clear_token(response, tls=console.reader.is_tls(request))
    return response


@router.get(
    "/admin/api/session",
    response_model=wire.Envelope[wire.Session],
    responses=problems(401, 503),
)
async def current(session: SessionOf) -> Response:
    """Whose session this is and when it ends."""
    return answer(wire.Session.model_validate(session))
