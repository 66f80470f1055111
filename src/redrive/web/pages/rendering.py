"""From a context to a page, or to the part of it that a script asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from redrive import domain
from redrive.domain import phase_of
from redrive.standing import Standing
from redrive.web.assets import address_of
from redrive.web.context import console_of
from redrive.web.gate import is_poll
from redrive.web.pages import bars, formats, judging, limits, naming, selecting, sparks, words
from redrive.web.pages.flash import clear_flash, read_flash
from redrive.web.pages.frame import frame_of
from redrive.web.pages.naming import Titles, titles_of

PART_HEADER = "x-redrive-part"
"""Sent by the pages' own script, which replaces the changed parts of what is on screen."""


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("redrive.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "number",
        "compact",
        "rate",
        "counted",
        "exact",
        "duration",
        "size",
        "percent",
        "first_line",
        "field_time",
    ):
        environment.filters[name] = getattr(formats, name)
    environment.globals.update(
        address=formats.address,
        app_address=formats.app_address,
        asset=address_of,
        bars=bars,
        domain=domain,
        selecting=selecting,
        sparks=sparks,
        judging=judging,
        limits=limits,
        words=words,
    )
    return environment


_ENVIRONMENT = _environment()


async def show(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    section: str,
    status: int = 200,
    standing: Standing | None = None,
    kept: Sequence[str | None] = (),
) -> Response:
    """A page in its frame. A message of the action before is shown once, not to a poll. ``kept``
    are the filters that it puts in words, beside those of the open operations."""
    console = console_of(request)
    tls = console.reader.is_tls(request)
    flash = None if is_poll(request) else read_flash(request, tls=tls)
    now = console.services.clock.now()
    frame = await frame_of(request, section, standing)
    titles = await titles_of(console, [*(one.filter for one in frame.running), *kept])
    whole = {**context, "frame": frame, "flash": flash}
    response = render(request, template, whole, now=now, titles=titles, status=status)
    if flash is not None:
        clear_flash(response, tls=tls)
    return response


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    now: datetime,
    titles: Titles = MappingProxyType({}),
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    is_framed: bool = True,
) -> Response:
    """A template as an answer, in the console's frame or, for what has none, outside it.

    Half a surrogate pair, which a job made by hand may hold, becomes a question mark: no encoding
    can carry it.
    """
    console = request.app.state.console
    is_part = PART_HEADER in request.headers
    html = _ENVIRONMENT.get_template(template).render(
        **context,
        layout=_layout(is_part, is_framed),
        now=now,
        ago=partial(formats.ago, now=now),
        phase_of=partial(phase_of, now=now, observe_for=console.services.overview.observe_for),
        here=_here(request),
        title_of=partial(naming.title_of, titles=titles),
        scope_words=partial(naming.scope_words, titles=titles),
        filter_parts=partial(naming.parts_of, titles=titles),
        beside_title=partial(naming.beside_title, titles=titles),
    )
    return Response(
        html.encode("utf-8", "replace"),
        status_code=status,
        headers=dict(headers or {}),
        media_type="text/html",
    )


def _layout(is_part: bool, is_framed: bool) -> str:
    if not is_framed:
        return "outside.html"
    return "part.html" if is_part else "layout.html"


def _here(request: Request) -> str:
    """The page's own address, to come back to."""
    query = request.scope["query_string"].decode("latin-1")
    path: str = request.scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path
