"""The pages of the console."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from redrive.web.context import ConsoleOf, SessionOf
from redrive.web.cookies import clear_token, set_token
from redrive.web.credentials import credentials_of, log_in, log_out
from redrive.web.gate import LOGIN_PAGE
from redrive.web.openapi import ADDRESS
from redrive.web.problems import ProblemError

router = APIRouter(include_in_schema=False)

HOME = "/admin/"


@router.get("/")
@router.get("/admin")
async def root() -> Response:
    """The console is under /admin/."""
    return RedirectResponse(HOME, status_code=303)


@router.get(HOME)
async def home(session: SessionOf) -> Response:
    """What there is."""
    return _page(
        f"<p>Logged in as {escape(session.user)}.</p>"
        f'<p><a href="{ADDRESS}">The API, as an OpenAPI document</a></p>'
        '<form method="post" action="/admin/logout"><button>Log out</button></form>'
    )


@router.get(LOGIN_PAGE)
async def login_page(
    wanted: Annotated[str, Query(alias="next", max_length=2000)] = HOME,
) -> Response:
    """The form to log in."""
    return _login(wanted, "")


@router.post(LOGIN_PAGE)
async def login(request: Request, console: ConsoleOf) -> Response:
    """Log in and go where the browser wanted to go."""
    wanted = parse_qs((await request.body()).decode("utf-8", "replace")).get("next", [HOME])[0]
    try:
        credentials = await credentials_of(request)
        token, _ = await log_in(request, credentials, console)
    except RequestValidationError:
        return _login(wanted, "Name and password are needed.", status=422)
    except ProblemError as error:
        return _login(wanted, str(error), status=error.status, headers=error.headers)
    response = RedirectResponse(_local(wanted), status_code=303)
    set_token(response, token, tls=console.reader.is_tls(request))
    return response


@router.post("/admin/logout")
async def logout(request: Request, session: SessionOf, console: ConsoleOf) -> Response:
    """End the session."""
    await log_out(request, session, console)
    response = RedirectResponse(LOGIN_PAGE, status_code=303)
    clear_token(response, tls=console.reader.is_tls(request))
    return response


def _local(wanted: str) -> str:
    """A page of the console; anything else, such as ``//elsewhere``, becomes the first page."""
    is_local = wanted.startswith(HOME) and "\\" not in wanted and wanted.isprintable()
    return wanted if is_local else HOME


def _login(
    wanted: str, message: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return _page(
        f'<form method="post" action="{LOGIN_PAGE}">'
        f'<p role="alert">{escape(message)}</p>'
        f'<input type="hidden" name="next" value="{escape(_local(wanted))}">'
        '<p><label>Name <input name="username" autocomplete="username" required></label></p>'
        '<p><label>Password <input name="password" type="password" '
        'autocomplete="current-password" required></label></p>'
        "<p><button>Log in</button></p></form>",
        status,
        headers,
    )


def _page(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Redrive</title></head>'
        f"<body><h1>Redrive</h1>{body}</body></html>",
        status_code=status,
        headers=dict(headers or {}),
    )
