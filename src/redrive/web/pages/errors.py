"""Errors as pages: whatever answers a browser with problem details, it gets a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from redrive.web.gate import API, LOGIN_PAGE
from redrive.web.pages.formats import address
from redrive.web.pages.rendering import render
from redrive.web.problems import MEDIA_TYPE

_KEPT = ("retry-after", "allow")
_TITLES = {
    401: "Your session has ended",
    403: "Not from here",
    404: "There is nothing here",
    429: "Slow down",
    503: "Something is away",
}


def for_browsers(scope: Scope, receive: Receive, send: Send) -> Send:
    """A ``send`` that turns problem details into a page where a browser asked for one."""
    request = Request(scope)
    path: str = scope["path"]
    wants_page = "text/html" in request.headers.get("accept", "") and not path.startswith(API)
    return _Translation(request, receive, send) if wants_page else send


class _Translation:
    """Holds a problem back until it is whole, and sends the page in its place."""

    def __init__(self, request: Request, receive: Receive, send: Send) -> None:
        self._request = request
        self._receive = receive
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            self._start = message if kind == MEDIA_TYPE else None
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            response = _page(self._request, json.loads(self._body), self._start)
            self._start = None
            await response(self._request.scope, self._receive, self._send)


def _page(request: Request, problem: Mapping[str, Any], start: Message) -> Any:
    status = start["status"]
    headers = Headers(raw=start["headers"])
    context = {
        "title": _TITLES.get(status, problem["title"]),
        "problem": problem,
        "status": status,
        "login": address(LOGIN_PAGE, next=_place(request)) if status == 401 else None,
    }
    return render(
        request,
        "problem.html",
        context,
        now=request.app.state.console.services.clock.now(),
        status=status,
        headers={name: headers[name] for name in _KEPT if name in headers},
    )


def _place(request: Request) -> str:
    """Where the operator was: for an action, the page that its form was on."""
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("latin-1")
        path: str = request.scope["path"]
        return f"{path}?{query}" if query else path
    came_from = request.headers.get("referer", "")
    return "/" + came_from.split("/", 3)[3] if came_from.count("/") >= 3 else ""
