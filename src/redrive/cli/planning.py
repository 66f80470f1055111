"""Plans on the command line: what would happen, and the start of exactly that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.exit_codes import ExitCode
from redrive.cli.output import say
from redrive.cli.services import opened, this_user
from redrive.cli.starting import Bulk, KeyOption, ReasonOption, WatchOption, tell_started
from redrive.cli.tables import Column
from redrive.cli.watching import Outcomes, UntilVerdict, refuse_waiting_alone
from redrive.cli.where import ALLOWED, Where, filter_of
from redrive.domain import EntryFilter, OperationKind, PlanRequest, PlanStart
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

_COLUMNS = ("WHAT", Column("WHICH", least=20), "ENTRIES")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be planned."""

    kind: OperationKind
    entry_filter: EntryFilter
    include_repeated: bool = False
    rate: float | None = None


def register(app: typer.Typer) -> None:
    command(app, "plan")(plan)
    command(app, "start")(start)


async def plan(
    context: Context,
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    everything: Everything = False,
    kind: Annotated[OperationKind, typer.Option(help="What would be done.")] = OperationKind.RETRY,
    include_repeated: Repeated = False,
    rate: Annotated[
        float | None, typer.Option(min=0.001, max=1_000_000, help="Entries per second.")
    ] = None,
) -> None:
    """Tell what an operation would do. Nothing moves; exit code 3 if nothing is selected."""
    wanted = Wanted(
        kind=kind,
        entry_filter=selective(where, everything),
        include_repeated=include_repeated,
        rate=rate,
    )
    async with opened(context.settings) as services:
        forecast = await make(services, wanted)
    _show(context, forecast)
    token = forecast.plan.plan_token
    if token is None:
        raise typer.Exit(ExitCode.NOT_FOUND)
    say(f"Start it within ten minutes: redrive start {token}")


async def start(
    context: Context,
    plan_token: Annotated[str, typer.Argument(metavar="PLAN")],
    reason: ReasonOption = "",
    idempotency_key: KeyOption = None,
    watch: WatchOption = False,
    outcomes: Outcomes = 0,
    verdict: UntilVerdict = False,
) -> None:
    """Start exactly what a plan selected."""
    refuse_waiting_alone(watch, outcomes, verdict)
    bulk = Bulk(reason=reason, key=idempotency_key, watch=watch, outcomes=outcomes, verdict=verdict)
    async with opened(context.settings) as services:
        await start_planned(context, services, plan_token, bulk)


async def plan_and_start(
    context: Context, services: Services, wanted: Wanted, bulk: Bulk, yes: bool
) -> None:
    """Plan, show it and ask, then start exactly that. Raises NothingToDo."""
    forecast = await make(services, wanted)
    token = forecast.plan.plan_token
    if token is None:
        raise NothingToDo(scope="the selection")
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
    )
    return await services.planning.plan(request, wanted.rate)


async def start_planned(context: Context, services: Services, token: str, bulk: Bulk) -> None:
    operation, new = await services.planning.start(
        PlanStart(
            plan_token=token,
            actor=this_user(),
            reason=bulk.reason,
            idempotency_key=bulk.key,
            controls=bulk.controls,
        )
    )
    await tell_started(context, services, operation, new, bulk)


def _ask(forecast: Forecast) -> None:
    for line in _lines(forecast):
        say(line)
    if not typer.confirm(f"{forecast.plan.kind.capitalize()} them?", err=True):
        say("Nothing was started.")
        raise typer.Exit(ExitCode.INTERRUPTED)


def _lines(forecast: Forecast) -> list[str]:
    plan = forecast.plan
    return [
        f"{plan.total:,} entries, in about {forecast.seconds:g} s at {forecast.rate:,.0f}/s.",
        *(warning.message for warning in plan.warnings),
    ]


def _show(context: Context, forecast: Forecast) -> None:
    model = wire.Plan.of(forecast.plan, forecast.rate, forecast.seconds)
    rows: list[tuple[str, object, object]] = [("selected", model.filter_in_words, model.total)]
    for name, breakdown in (
        ("app", model.apps),
        ("group", model.groups),
        ("queue", model.queues),
    ):
        rows += [
            (name, part.title or part.key or "without a group", part.entries)
            for part in breakdown.parts
        ]
        if breakdown.others:
            rows.append((name, f"{breakdown.others:,} others", breakdown.other_entries))
    rows += [("left out", left.reason, left.entries) for left in model.left_out]
    context.output.table(model, _COLUMNS, rows)
    for line in _lines(forecast):
        say(line)
