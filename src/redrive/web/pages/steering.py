"""Steering an operation from its page: pause, resume, cancel, undo, other limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from redrive.domain import Operation, OperationId
from redrive.errors import BadControls, Conflict, NotFound
from redrive.web import saying
from redrive.web.api.params import OperationIdPath
from redrive.web.context import ActorOf, Console, ConsoleOf
from redrive.web.pages.acting import go_on
from redrive.web.pages.addresses import local
from redrive.web.pages.controls_form import filled
from redrive.web.pages.formats import address
from redrive.web.pages.forms import CancelForm, ChangeForm, PauseForm, SteerForm, read_form
from redrive.web.pages.limits import controls_said
from redrive.web.pages.rendering import show
from redrive.web.pages.words import subject_of

router = APIRouter(include_in_schema=False)

TOLD = (NotFound, Conflict)
"""What can come of steering and is said where it was asked for; other errors have a page."""


@router.post("/admin/operations/{operation_id}/cancel")
async def cancel(
    request: Request, operation_id: OperationIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Cancel an operation, or undo one, and back to its page."""
    form = await read_form(request, CancelForm)
    back = _back(form, operation_id)
    recovery = console.services.recovery
    try:
        operation = await recovery.cancel(OperationId(operation_id), actor, undo=form.undo == "yes")
    except TOLD as error:
        return go_on(request, back, "warn", str(error))
    in_hand = await console.services.overview.in_hand(operation.operation_id)
    return _told(request, back, operation, saying.cancelled(operation, in_hand))


@router.post("/admin/operations/{operation_id}/pause")
async def pause(
    request: Request, operation_id: OperationIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Let an operation rest, and back to its page."""
    form = await read_form(request, PauseForm)
    back = _back(form, operation_id)
    recovery = console.services.recovery
    try:
        operation = await recovery.pause(OperationId(operation_id), actor, form.reason)
    except TOLD as error:
        return go_on(request, back, "warn", str(error))
    return _told(request, back, operation, saying.paused(operation))


@router.post("/admin/operations/{operation_id}/resume")
async def resume(
    request: Request, operation_id: OperationIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Let a paused operation go on, or approve it, and back to its page."""
    back = _back(await read_form(request, SteerForm), operation_id)
    try:
        operation = await console.services.recovery.resume(OperationId(operation_id), actor)
    except TOLD as error:
        return go_on(request, back, "warn", str(error))
    return _told(request, back, operation, saying.resumed(operation))


@router.get("/admin/operations/{operation_id}/controls")
async def ask_controls(
    request: Request, operation_id: OperationIdPath, console: ConsoleOf
) -> Response:
    """Asks for an operation's limits, with those that it has."""
    context = await controls_context(console, OperationId(operation_id))
    return await _ask(request, context)


@router.post("/admin/operations/{operation_id}/controls")
async def change_controls(
    request: Request, operation_id: OperationIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Change an operation's limits, and back to its page; where they do not fit, ask again."""
    form = await read_form(request, ChangeForm)
    wanted = form.limits()
    problems = dict(wanted.problems)
    changes = {} if problems else form.changes(wanted.controls)
    back = address("/admin/operations", operation_id)
    try:
        if not problems:
            operation = await console.services.recovery.change_controls(
                OperationId(operation_id), actor, changes
            )
            said = f"From the next batch on: {controls_said(operation.controls)}."
            return _told(request, back, operation, said if changes else "No limit was changed.")
    except BadControls as error:
        name, _, said = str(error.fields["problem"]).partition(": ")
        problems[name.replace(".", "_")] = said
    except TOLD as error:
        return go_on(request, back, "warn", str(error))
    context = await controls_context(console, OperationId(operation_id), form, problems)
    return await _ask(request, context, status=422)


async def controls_context(
    console: Console,
    operation_id: OperationId,
    typed: ChangeForm | None = None,
    problems: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """The fields of an operation's limits, or what was typed into them. Raises
    OperationNotFound."""
    operation = await console.services.overview.operation(operation_id)
    shown = urlencode(filled(operation.controls).model_dump())
    return {
        "operation": operation,
        "controls": filled(operation.controls) if typed is None else typed,
        "shown": shown if typed is None else typed.shown,
        "problems": problems or {},
    }


async def _ask(request: Request, context: Mapping[str, Any], status: int = 200) -> Response:
    kept = [context["operation"].filter]
    return await show(
        request, "controls.html", context, section="operations", status=status, kept=kept
    )


def _back(form: SteerForm, operation_id: str) -> str:
    return local(form.back or address("/admin/operations", operation_id))


def _told(request: Request, back: str, operation: Operation, said: str) -> Response:
    """Back to a page that says it, until the operation is in another state."""
    return go_on(request, back, "info", said, subject=subject_of(operation))
