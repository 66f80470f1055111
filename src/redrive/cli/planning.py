"""Plans on the command line: what would happen, and the start of exactly that."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from redrive.cli import forecasts
from redrive.cli.command import Context, command
from redrive.cli.controls import LimitChanges, LimitOptions
from redrive.cli.exit_codes import ExitCode
from redrive.cli.output import say
from redrive.cli.services import opened, this_user
from redrive.cli.starting import Bulk, tell_started
from redrive.cli.watching import refuse_waiting_alone
from redrive.cli.where import ALLOWED, Where, filter_of
from redrive.domain import (
    NO_CONTROLS,
    Controls,
    EntryFilter,
    OperationKind,
    PlanRequest,
    PlanStart,
    filter_in_words,
)
from redrive.errors import NothingToDo
from redrive.planning import Forecast, require_selective
from redrive.wiring import Services

Everything = Annotated[
    bool, typer.Option("--everything", help="Said in place of --where: every entry is meant.")
]
Repeated = Annotated[
    bool,
    typer.Option(
        "--include-repeated",
        help="Also what failed the same way three times or more after it was put back.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Start without asking.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be planned."""

    kind: OperationKind
    entry_filter: EntryFilter
    include_repeated: bool = False
    controls: Controls = NO_CONTROLS


def register(app: typer.Typer) -> None:
    command(app, "plan")(plan)
    command(app, "start")(start)


async def plan(
    context: Context,
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    everything: Everything = False,
    kind: Annotated[OperationKind, typer.Option(help="What would be done.")] = OperationKind.RETRY,
    include_repeated: Repeated = False,
    *,
    limits: LimitOptions,
) -> None:
    """Tell what an operation would do. Nothing moves; exit code 3 if nothing is selected.

    The plan keeps the limits for its start."""
    wanted = Wanted(
        kind=kind,
        entry_filter=selective(where, everything),
        include_repeated=include_repeated,
        controls=limits.controls(),
    )
    async with opened(context.settings) as services:
        forecast = await make(services, wanted)
    forecasts.show(context.output, forecast)
    token = forecast.plan.plan_token
    if token is None:
        raise typer.Exit(ExitCode.NOT_FOUND)
    say(f"Start it within ten minutes: redrive start {token}")


async def start(
    context: Context,
    plan_token: Annotated[str, typer.Argument(metavar="PLAN")],
    *,
    bulk: Bulk,
    limits: LimitChanges,
) -> None:
    """Start exactly what a plan selected, with the plan's limits but for those given here."""
    changes = limits.changes()
    refuse_waiting_alone(bulk.watch, bulk.outcomes, bulk.verdict)
    async with opened(context.settings) as services:
        await start_planned(context, services, plan_token, bulk, changes)


async def plan_and_start(
    context: Context, services: Services, wanted: Wanted, bulk: Bulk, yes: bool
) -> None:
    """Plan, show it and ask, then start exactly that, with the plan's limits. Raises
    NothingToDo."""
    forecast = await make(services, wanted)
    forecasts.show_aside(context.output, forecast)
    token = forecast.plan.plan_token
    if token is None:
        raise NothingToDo(scope=f"the selection ({filter_in_words(forecast.plan.filter)})")
    if not yes:
        _ask(forecast)
    await start_planned(context, services, token, bulk)


def selective(where: Sequence[str], everything: bool) -> EntryFilter:
    """The filter that is meant; one that narrows nothing has to be said in so many words."""
    wanted = filter_of(where)
    require_selective(
        wanted, everything, allowed=f"--where {ALLOWED}", say_everything="--everything"
    )
    return wanted


def refuse_without_answer(yes: bool) -> None:
    """Raises BadParameter where nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("--yes is needed where nobody can be asked")


async def make(services: Services, wanted: Wanted) -> Forecast:
    request = PlanRequest(
        kind=wanted.kind,
        entry_filter=wanted.entry_filter,
        actor=this_user(),
        include_repeated=wanted.include_repeated,
        controls=wanted.controls,
    )
    return await services.planning.plan(request)


async def start_planned(
    context: Context,
    services: Services,
    token: str,
    bulk: Bulk,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Start a plan; ``changes`` are the limits that are not to be the plan's."""
    operation, new = await services.planning.start(
        PlanStart(
            plan_token=token,
            actor=this_user(),
            reason=bulk.reason,
            idempotency_key=bulk.key,
            limits=changes or {},
        )
    )
    await tell_started(context, services, operation, new, bulk)


def _ask(forecast: Forecast) -> None:
    if not typer.confirm(f"{forecast.plan.kind.capitalize()} them?", err=True):
        say("Nothing was started.")
        raise typer.Exit(ExitCode.INTERRUPTED)
