"""Plans: what would happen to which entries, before it is started."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from redrive.domain import (
    NO_CONTROLS,
    PLAN_LASTS,
    REPEATED_AT,
    Actor,
    Controls,
    EntryFilter,
    EntryId,
    Operation,
    OperationId,
    Plan,
    PlanRequest,
    PlanStart,
    proposed_controls,
)
from redrive.errors import (
    Conflict,
    IdempotencyMismatch,
    OperationOverlap,
    PlanExpired,
    PlanNotFound,
    PlanOfAnother,
    PlanUsed,
    RedriveError,
)
from redrive.planning import require_selective
from redrive.web.context import ActorOf, Console, ConsoleOf
from redrive.web.pages import telling
from redrive.web.pages.acting import go
from redrive.web.pages.addresses import local
from redrive.web.pages.flash import Flash, read_flash
from redrive.web.pages.formats import address, number
from redrive.web.pages.forms import LARGE, PlanForm, read_form
from redrive.web.pages.naming import titles_of
from redrive.web.pages.params import PlanQuery
from redrive.web.pages.rendering import show
from redrive.web.pages.selecting import FILTER_WORDS
from redrive.web.pages.words import subject_of

router = APIRouter(include_in_schema=False)

_PLACE = "/admin/plan"
_PLAN = "plan"
"""The subject of a message that the plan itself shows."""
_ALLOWED = ", ".join(FILTER_WORDS.values())
_EVERYTHING = "Retry everything, on the overview"


@router.get(_PLACE)
async def plan(
    request: Request, query: Annotated[PlanQuery, Query()], console: ConsoleOf, actor: ActorOf
) -> Response:
    """A plan over all that fit a filter; nothing moves. One of checked rows has no address."""
    if not request.query_params:
        text = "A plan of checked rows has no address: check them again."
        return go(request, "/admin/failures", Flash(tone="warn", text=text))
    asked = PlanForm.model_validate(query.model_dump())
    flash = read_flash(request, tls=console.reader.is_tls(request))
    said = flash if flash is not None and flash.subject == _PLAN else None
    context = await plan_context(console, actor, asked, said)
    return await show_plan(request, context)


@router.post(_PLACE)
async def act(request: Request, console: ConsoleOf, actor: ActorOf) -> Response:
    """Plan what was chosen in a list, plan again, or start what was planned."""
    form = await read_form(request, PlanForm, many=("entry_id",))
    if form.all:
        return RedirectResponse(_address(form), status_code=303)
    if form.by_hand and not form.entry_ids:
        flash = Flash(
            tone="warn", text="Nothing was chosen: check rows, the page, or all that fit."
        )
        return go(request, local(form.back), flash)
    if form.act == "start":
        return await _start(request, console, actor, form)
    return await _plan_again(request, console, actor, form, "")


async def plan_context(
    console: Console, actor: Actor, form: PlanForm, said: Flash | None
) -> Mapping[str, Any]:
    """The plan that is made now. Raises EmptyFilter."""
    entry_filter = _filter(console, form)
    require_selective(entry_filter, False, allowed=_ALLOWED, say_everything=_EVERYTHING)
    asked = form.controls_form(0).limits()
    request = PlanRequest(
        kind=form.kind,
        entry_filter=entry_filter,
        actor=actor,
        include_repeated=form.include_repeated,
        controls=NO_CONTROLS if asked.problems else asked.controls,
    )
    forecast = await console.services.planning.plan(request)
    made = forecast.plan
    fields = form.controls_form(made.total)
    limits = fields.limits()
    return {
        "form": form,
        "plan": made,
        "forecast": forecast,
        "controls": fields,
        "wanted": limits.controls,
        "problems": limits.problems,
        "proposed": proposed_controls(made.total),
        "lasts": PLAN_LASTS.total_seconds(),
        "repeated": sum(one.entries for one in made.left_out if one.reason == "repeated"),
        "overlaps": [one for one in made.warnings if one.code == "overlap"],
        "warnings": [one for one in made.warnings if one.code not in ("repeated", "overlap")],
        "large": LARGE,
        "key": secrets.token_urlsafe(16),
        "back": back_of(form),
        "reason": form.reason or (said.reason if said else ""),
        "said": said if said and said.text else None,
    }


async def show_plan(request: Request, context: Mapping[str, Any]) -> Response:
    kept = [context["plan"].filter]
    return await show(request, "plan.html", context, section="failures", kept=kept)


async def _start(request: Request, console: Console, actor: Actor, form: PlanForm) -> Response:
    """Start exactly what was shown; where that cannot be, another plan says why."""
    limits = form.controls_form(form.count).limits()
    if limits.problems:
        return await _plan_again(request, console, actor, form, "")
    if not form.is_confirmed:
        said = f"That is not {number(form.count)}. Nothing was started."
        return await _plan_again(request, console, actor, form, said)
    return await begin(request, console, actor, form, limits.controls)


async def begin(
    request: Request,
    console: Console,
    actor: Actor,
    form: PlanForm,
    controls: Controls,
    unseen: Plan | None = None,
) -> Response:
    """Start what the form's plan selected; where that cannot be, another plan says why. What a
    plan tells that is still ``unseen`` is said with its start."""
    asked = PlanStart(
        plan_token=form.token,
        actor=actor,
        reason=form.reason,
        idempotency_key=form.key,
        limits=controls.said(),
    )
    try:
        operation, new = await console.services.planning.start(asked)
    except PlanUsed as used:
        return await _to_started(request, console, _operation_of(used))
    except IdempotencyMismatch as earlier:
        if unseen is None:
            return await _plan_again(request, console, actor, form, _why_not(earlier, unseen))
        # The same form again, for which another plan of the same was made.
        operation, new = await console.services.overview.operation(_operation_of(earlier)), False
    except OperationOverlap as overlap:
        other = await console.services.overview.operation(_operation_of(overlap))
        titles = await titles_of(console, [other.filter])
        said = telling.in_the_way(other, titles, actor, console.services.clock.now())
        return await _plan_again(request, console, actor, form, said, other.operation_id)
    except (Conflict, PlanNotFound, PlanOfAnother) as error:
        return await _plan_again(request, console, actor, form, _why_not(error, unseen))
    flash = await _begun(console, form, operation, new=new, unseen=unseen)
    return go(request, address("/admin/operations", operation.operation_id), flash)


async def _begun(
    console: Console, form: PlanForm, operation: Operation, *, new: bool, unseen: Plan | None
) -> Flash:
    now = console.services.clock.now()
    titles = await titles_of(console, [operation.filter])
    if unseen is None or not new:
        said = telling.started(operation, [], titles, new=new, asked=form.count, now=now)
        return Flash(tone="info", text=said)
    said = telling.started_at_once(operation, unseen, titles, asked=form.count, now=now)
    flash = Flash(tone="info", text=said, lasts=True)
    if not any(one.reason == "repeated" for one in unseen.left_out):
        return flash
    link = address("/admin/failures", **form.given, same_failures_min=REPEATED_AT)
    return replace(flash, link=link, link_text="What was left out")


def _why_not(error: RedriveError, unseen: Plan | None) -> str:
    if isinstance(error, PlanOfAnother):
        return "Nothing was started: another user made that plan. This is one of your own."
    if isinstance(error, PlanExpired | PlanNotFound):
        if unseen is not None and unseen.plan_token is None:
            return telling.nothing_selected(unseen)
        return "Nothing was started: the plan had expired. This is a new one; look at what it says."
    return str(error)


def _operation_of(error: RedriveError) -> OperationId:
    return OperationId(str(error.fields["operation_id"]))


async def _plan_again(
    request: Request,
    console: Console,
    actor: Actor,
    form: PlanForm,
    said: str,
    other: OperationId | None = None,
) -> Response:
    """Another plan of the same, which keeps the reason. That of a filter has its own address; what
    was chosen by hand is in no address, and is shown at once."""
    flash = Flash(tone="danger", text=said, subject=_PLAN, reason=form.reason)
    if other is not None:
        link = address("/admin/operations", other)
        flash = replace(flash, link=link, link_text="Look at it")
    if not form.by_hand:
        return go(request, _address(form), flash)
    context = await plan_context(console, actor, form, flash)
    return await show_plan(request, context)


async def _to_started(request: Request, console: Console, operation_id: OperationId) -> Response:
    started = await console.services.overview.operation(operation_id)
    flash = Flash(
        tone="warn",
        text="Nothing new was started: this is what the plan has started already.",
        subject=subject_of(started),
    )
    return go(request, address("/admin/operations", operation_id), flash)


@dataclass(frozen=True, kw_only=True, slots=True)
class Back:
    """The page that a plan is of."""

    name: str
    place: str


def back_of(form: PlanForm) -> Back:
    """The list that rows were chosen in, the group or the operation whose entries it takes, or the
    list of what fits."""
    if form.by_hand:
        return Back(name="The list", place=local(form.back))
    given = form.given
    if given.keys() == {"group_id"}:
        return Back(name="The group", place=address("/admin/groups", given["group_id"]))
    if "failed_again_in" in given and given.keys() <= {"failed_again_in", "same_failures_min"}:
        place = address("/admin/operations", given["failed_again_in"])
        return Back(name="The operation", place=place)
    return Back(name="The list", place=address("/admin/failures", **given))


def _filter(console: Console, form: PlanForm) -> EntryFilter:
    if form.by_hand:
        return EntryFilter(entry_ids=tuple(EntryId(one) for one in form.entry_ids))
    return form.filter(console.services.clock.now())


def _address(form: PlanForm) -> str:
    repeated = "true" if form.include_repeated else None
    place = address(_PLACE, kind=form.kind, **form.given, include_repeated=repeated)
    return f"{place}&{urlencode(form.pace, errors='replace')}" if form.pace else place
