"""The gate before every route: origin, session, size and type of the body. Deny is the default:
a new route is gated until it is named here."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redrive.errors import RedriveError, StoreUnavailable
from redrive.web.assets import ADDRESSES
from redrive.web.client import ClientReader
from redrive.web.cookies import token_of
from redrive.web.problems import ProblemError, problem_of
from redrive.web.sessions import Session, Sessions

API = "/admin/api/"
LOGIN_PAGE = "/admin/login"
LOGIN_API = "/admin/api/login"
PUBLIC = frozenset({LOGIN_PAGE, LOGIN_API, "/healthz", "/readyz", "/metrics"}) | ADDRESSES
LARGEST_BODY = 64 * 1024
LARGEST_BODIES = {"/admin/api/operations/plan": 512 * 1024}
"""Where a body may be larger: a plan names up to 10,000 entries by hand."""
POLL_HEADER = "x-redrive-poll"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM_TYPE = "application/x-www-form-urlencoded"


class Gate:
    """Lets a request through to its route, or answers for it.

    A request that passes has its session in ``request.state.session`` (None on public routes).
    One that is answered here is given its route too, so that it is counted under its template.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        reader: ClientReader,
        sessions: Sessions,
        routes: Sequence[BaseRoute],
    ) -> None:
        self._app = app
        self._routes = routes
        self._reader = reader
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            passed = await self._pass(request)
        except ProblemError as error:
            passed = error.response()
        except ClientDisconnect:
            return
        except RedriveError as error:
            passed = problem_of(error)
        if isinstance(passed, Response):
            scope["route"] = _route_of(scope, self._routes)
            await passed(scope, receive, send)
        else:
            await self._app(scope, passed, send)

    async def _pass(self, request: Request) -> Receive | Response:
        """What the route receives from, or the answer that sends a browser to the login page."""
        writes = request.method not in _SAFE
        if writes and self._reader.is_cross_origin(request):
            raise ProblemError(403)
        request.state.session = None
        if _path(request) not in PUBLIC:
            session = request.state.session = await self._session(request)
            if session is None:
                if _is_page(request) and not is_poll(request):
                    return RedirectResponse(_login_address(request), status_code=303)
                raise ProblemError(401)
            if writes and session.is_remembered:
                # It may have been ended elsewhere since Redis was last asked.
                raise StoreUnavailable
        return await _checked_body(request) if writes else request.receive

    async def _session(self, request: Request) -> Session | None:
        token = token_of(request, tls=self._reader.is_tls(request))
        session = await self._sessions.find(token) if token else None
        if token is None or session is None or session.is_remembered or is_poll(request):
            return session
        return await self._sessions.use(token, session)


def _route_of(scope: Scope, routes: Sequence[BaseRoute]) -> BaseRoute | None:
    """The route of a request, or one with its path if no route has its method too."""
    matches = [(route.matches(scope)[0], route) for route in routes]
    for wanted in (Match.FULL, Match.PARTIAL):
        for match, route in matches:
            if match is wanted:
                return route
    return None


def _path(request: Request) -> str:
    """The path that the router matches. ``request.url`` is put together with the Host header, in
    which a client can write ``x/healthz?`` and so make its path look like a public one."""
    path: str = request.scope["path"]
    return path


def is_poll(request: Request) -> bool:
    """Whether a page asked by itself; that does not keep a session alive."""
    return request.method in _SAFE and (
        POLL_HEADER in request.headers or _path(request).endswith("/stream")
    )


def _is_page(request: Request) -> bool:
    return (
        request.method in ("GET", "HEAD")
        and not _path(request).startswith(API)
        and "text/html" in request.headers.get("accept", "")
    )


def _takes_forms(request: Request) -> bool:
    """Pages are made of forms; the API takes none, but for the login."""
    path = _path(request)
    return path == LOGIN_API or not path.startswith(API)


def _login_address(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    wanted = _path(request) + (f"?{query}" if query else "")
    return f"{LOGIN_PAGE}?next={quote(wanted, safe='/')}"


async def _checked_body(request: Request) -> Receive:
    """The body, read whole and given on; refused where it is too large or of another type."""
    try:
        announced = int(request.headers.get("content-length", "0"))
    except ValueError:
        announced = 0
    largest = LARGEST_BODIES.get(_path(request), LARGEST_BODY)
    if announced > largest:
        raise _too_large(largest)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise _too_large(largest)
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    is_form = content_type == _FORM_TYPE and _takes_forms(request)
    if body and content_type != "application/json" and not is_form:
        raise ProblemError(415)
    return _given_on(bytes(body), request.receive)


def _too_large(largest: int) -> ProblemError:
    return ProblemError(
        413, detail=f"The body is larger than {largest // 1024} KiB. Nothing was changed."
    )


def _given_on(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
