"""The pages' actions: ask, act, and say on the next page what happened."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from redrive.domain import (
    BULK_TAKES,
    Actor,
    AppId,
    EntryId,
    Operation,
    OperationId,
    OperationKind,
    Scope,
    StartRequest,
    proposed_controls,
)
from redrive.errors import (
    Conflict,
    EngineUnavailable,
    HandOverPending,
    NotFound,
    OperationOverlap,
)
from redrive.web import saying
from redrive.web.api.params import EntryIdPath
from redrive.web.context import ActorOf, Console, ConsoleOf, console_of
from redrive.web.pages import telling
from redrive.web.pages.addresses import local
from redrive.web.pages.controls_form import ControlsForm, filled
from redrive.web.pages.flash import Flash, Tone, read_flash, set_flash
from redrive.web.pages.formats import address, number
from redrive.web.pages.forms import LARGE, BulkForm, OneForm, as_form, read_form
from redrive.web.pages.naming import titles_of
from redrive.web.pages.params import ConfirmQuery
from redrive.web.pages.rendering import PART_HEADER, show
from redrive.web.pages.words import subject_of

router = APIRouter(include_in_schema=False)

_QUESTION = "question"
"""The subject of a refusal, which the question shows where it was not answered."""

TOLD = (NotFound, Conflict, EngineUnavailable, HandOverPending)
"""What can come of an action and is said where it was started; other errors have a page."""


@router.get("/admin/confirm")
async def confirm(
    request: Request, query: Annotated[ConfirmQuery, Query()], console: ConsoleOf
) -> Response:
    """Asks before a bulk action: the exact scope, the count at this moment, a reason."""
    context = await confirm_context(console, OperationKind(query.kind), query.app_id)
    refusal = read_flash(request, tls=console.reader.is_tls(request))
    if refusal is not None and refusal.subject == _QUESTION:
        typed = as_form(dict(parse_qsl(refusal.typed, keep_blank_values=True)), ControlsForm)
        context = {**context, **_as_typed(typed, refusal.text), "reason": refusal.reason}
    return await show(request, "confirm.html", context, section="failures")


@router.post("/admin/start")
async def start(request: Request, console: ConsoleOf, actor: ActorOf) -> Response:
    """Start a confirmed bulk action and go to its page; a second click, or a second operator,
    goes to the operation that is running already."""
    form = await read_form(request, BulkForm)
    kind = OperationKind(form.kind)
    asked = StartRequest(
        kind=kind,
        scope=_scope(form.app_id),
        actor=actor,
        reason=form.reason,
        idempotency_key=form.key,
        controls=form.limits().controls,
    )
    try:
        context = await confirm_context(console, kind, form.app_id, form.reason)
        if (refusal := why_not_yet(form, context["count"])) is not None:
            if PART_HEADER not in request.headers:
                return _ask_again(request, form, refusal)
            context = {**context, **_as_typed(form, refusal)}
            return await show(request, "confirm.html", context, section="failures", status=422)
        operation, new = await console.services.recovery.start(asked)
    except OperationOverlap as overlap:
        return await _to_running(request, actor, OperationId(str(overlap.fields["operation_id"])))
    except TOLD as error:
        return go_on(request, address("/admin/failures", app_id=form.app_id), "warn", str(error))
    reading = console.services.overview
    operation = await reading.operation(operation.operation_id)
    reasons = await reading.reasons(operation.operation_id) if operation.state.terminal else []
    now = console.services.clock.now()
    place = address("/admin/operations", operation.operation_id)
    said = telling.started(operation, reasons, {}, new=new, asked=form.count, now=now)
    return go_on(request, place, "info", said)


@router.post("/admin/entries/{entry_id}/retry")
async def retry_one(request: Request, entry_id: EntryIdPath, actor: ActorOf) -> Response:
    """Retry one entry, and back to where that was asked for."""
    return await act_on_one(request, OperationKind.RETRY, EntryId(entry_id), actor)


@router.post("/admin/entries/{entry_id}/resync")
async def resync_one(request: Request, entry_id: EntryIdPath, actor: ActorOf) -> Response:
    """Resync one entry, and back to where that was asked for."""
    return await act_on_one(request, OperationKind.RESYNC, EntryId(entry_id), actor)


async def confirm_context(
    console: Console,
    kind: OperationKind,
    app_id: str | None,
    reason: str = "",
) -> Mapping[str, Any]:
    """What the question says. Raises AppNotFound."""
    reading = console.services.overview
    standing = await reading.standing()
    counts = standing.totals
    if app_id is not None:
        counts = (await reading.app(AppId(app_id))).counts
    count = sum(counts.get(state, 0) for state in BULK_TAKES[kind])
    proposed = proposed_controls(count)
    return {
        "kind": kind,
        "app_id": app_id,
        "scope": _scope(app_id),
        "parts": {state: counts.get(state, 0) for state in BULK_TAKES[kind]},
        "count": count,
        "controls": filled(proposed),
        "proposed": proposed,
        "problems": {},
        "large": LARGE,
        "reason": reason,
        "refused": None,
        "key": secrets.token_urlsafe(16),
        "back": address("/admin/failures", app_id=app_id),
    }


def why_not_yet(form: BulkForm, count: int) -> str | None:
    """Why nothing is started yet: the limits do not fit, a large number was not typed, or it has
    grown by more than a tenth since the question was asked, as it does when a page is left open in
    an incident."""
    if form.limits().problems:
        return "The limits do not fit. Nothing was started."
    if not form.is_confirmed:
        return f"That is not {number(form.count)}. Nothing was started."
    if count > LARGE and count > form.count * 1.1:
        return f"It is {number(count)} now, not {number(form.count)}. Nothing was started."
    return None


async def act_on_one(
    request: Request, kind: OperationKind, entry_id: EntryId, actor: Actor
) -> Response:
    """Act on one entry, and back to where that was asked for."""
    form = await read_form(request, OneForm)
    scope = Scope.of_entry(AppId(form.app_id), entry_id)
    asked = StartRequest(kind=kind, scope=scope, actor=actor, reason=form.reason)
    place = local(form.back or address("/admin/entries", entry_id))
    try:
        result = await console_of(request).services.recovery.act_on_one(asked)
    except TOLD as error:
        return go_on(request, place, "danger", str(error))
    tone: Tone = "info" if result.answer.done else "warn"
    return go_on(request, place, tone, saying.moved(result), result.operation)


async def _to_running(request: Request, actor: Actor, operation_id: OperationId) -> Response:
    """To the operation that a bulk action met."""
    console = console_of(request)
    running = await console.services.overview.operation(operation_id)
    titles = await titles_of(console, [running.filter])
    said = telling.in_the_way(running, titles, actor, console.services.clock.now())
    place = address("/admin/operations", operation_id)
    return go_on(request, place, "warn", said, subject=subject_of(running))


def _ask_again(request: Request, form: BulkForm, refusal: str) -> Response:
    """Back to the question, whose address can be returned to; a reason stays out of it."""
    place = address("/admin/confirm", kind=form.kind, app_id=form.app_id)
    response = RedirectResponse(place, status_code=303)
    typed = urlencode(form.model_dump(include=set(ControlsForm.model_fields)))
    flash = Flash(tone="danger", text=refusal, subject=_QUESTION, reason=form.reason, typed=typed)
    set_flash(response, flash, tls=console_of(request).reader.is_tls(request))
    return response


def _as_typed(form: ControlsForm, refusal: str) -> Mapping[str, Any]:
    """What a question that was refused shows."""
    return {"refused": refusal, "controls": form, "problems": form.limits().problems}


def _scope(app_id: str | None) -> Scope:
    return Scope.everything() if app_id is None else Scope.of_app(AppId(app_id))


def go_on(
    request: Request,
    place: str,
    tone: Tone,
    said: str,
    operation: Operation | None = None,
    *,
    subject: str = "",
) -> Response:
    """On to a page that says what happened, and leads to the operation that did it."""
    flash = Flash(tone=tone, text=said, subject=subject)
    if operation is not None:
        link = address("/admin/operations", operation.operation_id)
        flash = replace(flash, link=link, link_text="The operation")
    return go(request, place, flash)


def go(request: Request, place: str, flash: Flash) -> Response:
    """On to a page that shows a message."""
    response = RedirectResponse(place, status_code=303)
    set_flash(response, flash, tls=console_of(request).reader.is_tls(request))
    return response
