"""Errors as pages: whatever answers a browser with problem details, it gets a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from redrive.errors import RedriveError
from redrive.web.gate import API, LOGIN_PAGE
from redrive.web.pages.addresses import HOME
from redrive.web.pages.formats import address
from redrive.web.pages.frame import Frame, frame_of
from redrive.web.pages.rendering import render
from redrive.web.pages.selecting import FILTER_WORDS
from redrive.web.problems import MEDIA_TYPE

_KEPT = ("retry-after", "allow")
_TITLES = {
    401: "Your session has ended",
    403: "Not from here",
    404: "There is nothing here",
    422: "This address does not fit",
    429: "Slow down",
    503: "Something is away",
}


_FRAMED = (404, 422)
_FILTERS = {**FILTER_WORDS, "cursor": "Place in the list"}
"""What the pages call their query parameters, where that is not the name itself."""


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
            response = await _page(self._request, json.loads(self._body), self._start)
            self._start = None
            await response(self._request.scope, self._receive, self._send)


async def _page(request: Request, problem: Mapping[str, Any], start: Message) -> Response:
    status = start["status"]
    headers = Headers(raw=start["headers"])
    context = {
        "title": _TITLES.get(status, problem["title"]),
        "problem": {**problem, "detail": _detail(request, problem)},
        "status": status,
        "login": address(LOGIN_PAGE, next=_place(request)) if status == 401 else None,
        "without": _without(request, problem) if status == 422 else None,
        "filters": _FILTERS,
        "flash": None,
    }
    frame = await _frame(request, status)
    if frame is not None:
        context["frame"] = frame
    return render(
        request,
        "problem.html",
        context,
        is_framed=frame is not None,
        now=request.app.state.console.services.clock.now(),
        status=status,
        headers={name: headers[name] for name in _KEPT if name in headers},
    )


def _detail(request: Request, problem: Mapping[str, Any]) -> str:
    """What went wrong. That nothing was changed goes without saying where nothing would be."""
    detail: str = problem["detail"]
    reads = request.method in ("GET", "HEAD")
    return detail.removesuffix(" Nothing was changed.") if reads else detail


async def _frame(request: Request, status: int) -> Frame | None:
    """The frame, so that the navigation stays, for whoever may see it while it can be read."""
    if status not in _FRAMED or getattr(request.state, "session", None) is None:
        return None
    try:
        return await frame_of(request, _section(request))
    except RedriveError:
        return None


def _section(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(HOME).split("/")[0]


def _without(request: Request, problem: Mapping[str, Any]) -> str | None:
    """The page's address without what was wrong with it."""
    if request.method != "GET":
        return None
    wrong = {one["field"].removeprefix("query.") for one in problem.get("errors", [])}
    if problem["code"] == "bad_cursor":
        wrong.add("cursor")
    kept = {name: value for name, value in request.query_params.items() if name not in wrong}
    path: str = request.scope["path"]
    return address(path, **kept) if len(kept) < len(request.query_params) else None


def _place(request: Request) -> str:
    """Where the operator was: for an action, the page that its form was on."""
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("latin-1")
        path: str = request.scope["path"]
        return f"{path}?{query}" if query else path
    came_from = request.headers.get("referer", "")
    return "/" + came_from.split("/", 3)[3] if came_from.count("/") >= 3 else ""
