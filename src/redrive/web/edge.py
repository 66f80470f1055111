"""The outermost layer: every answer gets its headers, is counted, and is never a bare crash."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redrive.web.client import ClientReader
from redrive.web.pages.errors import for_browsers
from redrive.web.problems import problem

log = structlog.get_logger()

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it a browser sends "Origin: null" with a form of our own page, and
    # over plain HTTP, where there is no Sec-Fetch-Site, the login form would be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_DATA_POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HSTS = "max-age=31536000"

Observe = Callable[[str, str, int, float], None]
"""Takes method, route template, status and seconds of one request."""


class Edge:
    """Security headers on every answer, a 500 that tells nothing, one observation per request.

    Every event that a request logs carries its id, which the answer names in X-Request-Id.
    """

    def __init__(self, app: ASGIApp, *, reader: ClientReader, observe: Observe) -> None:
        self._app = app
        self._reader = reader
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(6)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(request_id, scope, receive, send)

    async def _answer(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        status = 0
        started = time.monotonic()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(request, request_id, message)
            await send(message)

        answer = for_browsers(scope, receive, send_with_headers)
        try:
            await self._app(scope, receive, answer)
        except Exception:
            log.exception("request_crashed", method=scope["method"], route=_template(scope))
            if status:
                raise
            await problem(500, request_id=request_id)(scope, receive, answer)
        finally:
            seconds = time.monotonic() - started
            self._observe(scope["method"], _template(scope), status, seconds)

    def _add_headers(self, request: Request, request_id: str, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = request_id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        is_page = headers.get("content-type", "").startswith("text/html")
        headers.setdefault("Content-Security-Policy", _PAGE_POLICY if is_page else _DATA_POLICY)
        if self._reader.is_tls(request):
            headers.setdefault("Strict-Transport-Security", _HSTS)


def _template(scope: Scope) -> str:
    """The route's template; one word for everything that met no route, so that a scan of random
    addresses does not grow the metrics."""
    return getattr(scope.get("route"), "path_format", None) or "unmatched"
