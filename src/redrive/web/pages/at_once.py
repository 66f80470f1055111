"""All of a group with one click: its plan is made and started in one step."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from redrive.domain import GroupId, PlanRequest, proposed_controls
from redrive.web.api.params import GroupIdPath
from redrive.web.context import ActorOf, ConsoleOf
from redrive.web.pages.forms import AtOnceForm, PlanForm, read_form
from redrive.web.pages.plans import begin

router = APIRouter(include_in_schema=False)


@router.post("/admin/groups/{group_id}/retry")
async def retry_group(
    request: Request, group_id: GroupIdPath, console: ConsoleOf, actor: ActorOf
) -> Response:
    """Retry what is failed of a group now, and on to the operation's page.

    The limits are those that a plan proposes for so many entries, or for as many as the button has
    shown, where those were more. The same form again leads to what it has started, also where
    nothing is left to select: the start, which has no token then, knows the form by its key.
    """
    clicked = await read_form(request, AtOnceForm)
    found = (await console.services.overview.group(GroupId(group_id))).group
    asked = PlanForm(group_id=found.group_id)
    wanted = PlanRequest(
        kind=asked.kind, entry_filter=asked.filter(console.services.clock.now()), actor=actor
    )
    plan = (await console.services.planning.plan(wanted)).plan
    form = PlanForm(
        **asked.given, token=plan.plan_token or "", key=clicked.key, count=clicked.count
    )
    controls = proposed_controls(max(clicked.count, plan.total))
    return await begin(request, console, actor, form, controls, unseen=plan)
