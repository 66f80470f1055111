"""In and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import RedirectResponse, Response

from redrive.web.context import ConsoleOf, SessionOf, console_of
from redrive.web.cookies import clear_token, set_token
from redrive.web.credentials import credentials_of, log_in, log_out
from redrive.web.gate import LOGIN_PAGE
from redrive.web.pages.addresses import HOME, local
from redrive.web.pages.flash import Flash, clear_flash, read_flash, set_flash
from redrive.web.pages.rendering import render
from redrive.web.problems import ProblemError

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/admin")
async def root() -> Response:
    """The console is under /admin/."""
    return RedirectResponse(HOME, status_code=303)


@router.get(LOGIN_PAGE)
async def login_page(
    request: Request,
    console: ConsoleOf,
    wanted: Annotated[str, Query(alias="next", max_length=2000)] = HOME,
) -> Response:
    """The form to log in."""
    tls = console.reader.is_tls(request)
    flash = read_flash(request, tls=tls)
    response = _form(request, wanted, flash=flash)
    if flash is not None:
        clear_flash(response, tls=tls)
    return response


@router.post(LOGIN_PAGE)
async def login(request: Request, console: ConsoleOf) -> Response:
    """Log in and go where the browser wanted to go."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    wanted = form.get("next", [HOME])[0]
    name = form.get("username", [""])[0]
    try:
        credentials = await credentials_of(request)
        token, _ = await log_in(request, credentials, console)
    except RequestValidationError:
        refused = ProblemError(422, detail="Name and password are needed.")
        return _form(request, wanted, refused, name=name)
    except ProblemError as error:
        return _form(request, wanted, error, name=name)
    response = RedirectResponse(local(wanted), status_code=303)
    set_token(response, token, tls=console.reader.is_tls(request))
    return response


@router.post("/admin/logout")
async def logout(request: Request, session: SessionOf, console: ConsoleOf) -> Response:
    """End the session."""
    await log_out(request, session, console)
    response = RedirectResponse(LOGIN_PAGE, status_code=303)
    tls = console.reader.is_tls(request)
    clear_token(response, tls=tls)
    set_flash(response, Flash(tone="info", text="You have logged out."), tls=tls)
    return response


def _form(
    request: Request,
    wanted: str,
    problem: ProblemError | None = None,
    *,
    name: str = "",
    flash: Flash | None = None,
) -> Response:
    """The form; after too many failures it says how long to wait, and what is not lost."""
    headers: Mapping[str, str] = (problem.headers if problem else None) or {}
    context = {
        "next": local(wanted),
        "name": name[:100],
        "problem": problem,
        "wait_seconds": int(headers.get("Retry-After", "0")),
        "flash": flash,
    }
    return render(
        request,
        "login.html",
        context,
        now=console_of(request).services.clock.now(),
        status=problem.status if problem else 200,
        headers=headers,
    )
