"""What routes get from the app and the request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from redrive import wire
from redrive.domain import Actor
from redrive.web.client import ClientReader
from redrive.web.masking import Masker
from redrive.web.metrics import Metrics
from redrive.web.problems import ProblemError
from redrive.web.services import WebServices
from redrive.web.sessions import Session, Sessions
from redrive.web.signin import SignIn


@dataclass(frozen=True, kw_only=True)
class Console:
    """The parts of one app. ``closing`` is set when the server stops: streams end then."""

    services: WebServices
    reader: ClientReader
    sessions: Sessions
    sign_in: SignIn
    masker: Masker
    metrics: Metrics
    closing: asyncio.Event = field(default_factory=asyncio.Event)


def console_of(request: Request) -> Console:
    """The console that the request came to."""
    console: Console = request.app.state.console
    return console


def session_of(request: Request) -> Session:
    """The session that the gate found."""
    session: Session | None = request.state.session
    if session is None:
        raise ProblemError(401)
    return session


def actor_of(request: Request) -> Actor:
    """Who acts, from where."""
    address = console_of(request).reader.address(request)
    return Actor(name=session_of(request).user, origin=address)


ConsoleOf = Annotated[Console, Depends(console_of)]
SessionOf = Annotated[Session, Depends(session_of)]
ActorOf = Annotated[Actor, Depends(actor_of)]


def answer(data: BaseModel, status: int = 200) -> Response:
    """The answer ``{"data": …}``."""
    return Response(
        b'{"data":' + data.model_dump_json().encode() + b"}",
        status_code=status,
        media_type="application/json",
    )


def answer_page(
    model: type[BaseModel], items: Iterable[object], next_cursor: str | None
) -> Response:
    """The answer ``{"data": {"items": […], "next_cursor": …}}``, each item shown as ``model``."""
    shown = [model.model_validate(item) for item in items]
    return answer(wire.Page[Any](items=shown, next_cursor=next_cursor))
