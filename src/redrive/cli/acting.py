"""Acting: retry, resync, dismiss, restore, cancel."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive import wire
from redrive.cli import controls as limits
from redrive.cli.command import Context, command
from redrive.cli.exit_codes import ExitCode
from redrive.cli.output import say
from redrive.cli.planning import Repeated, Wanted, Yes, plan_and_start, refuse_without_answer
from redrive.cli.services import opened, this_user
from redrive.cli.starting import Bulk, KeyOption, ReasonOption, WatchOption, tell_started
from redrive.cli.watching import Outcomes, UntilVerdict, refuse_waiting_alone
from redrive.cli.where import Where, filter_of
from redrive.domain import (
    NO_CONTROLS,
    AppId,
    EntryId,
    OperationId,
    OperationKind,
    Scope,
    StartRequest,
)
from redrive.web import saying
from redrive.wiring import Services

EntryArgument = Annotated[str | None, typer.Argument(metavar="ENTRY", help="One entry's id.")]
AppOption = Annotated[str | None, typer.Option("--app", metavar="APP", help="Every one of APP.")]


def register(app: typer.Typer) -> None:
    command(app, "retry")(retry)
    command(app, "resync")(resync)
    command(app, "dismiss")(dismiss)
    command(app, "restore")(restore)
    command(app, "cancel")(cancel)


async def retry(
    context: Context,
    entry: EntryArgument = None,
    app: AppOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every app's.")] = False,
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    include_repeated: Repeated = False,
    yes: Yes = False,
    reason: ReasonOption = "",
    idempotency_key: KeyOption = None,
    watch: WatchOption = False,
    outcomes: Outcomes = 0,
    verdict: UntilVerdict = False,
    rate: limits.Rate = None,
    floor: limits.Floor = None,
    canary: limits.CanaryEntries = None,
    canary_percent: limits.CanaryPercent = None,
    canary_seconds: limits.CanarySeconds = None,
    guard: limits.GuardPercent = None,
    guard_outcomes: limits.GuardOutcomes = None,
    low_priority: limits.LowPriority = False,
) -> None:
    """Put failed work back: one entry, an app's, what fits, or all of it."""
    if [entry is not None, app is not None, everything, bool(where)].count(True) != 1:
        raise typer.BadParameter("name one of: ENTRY, --app APP, --where …, --all")
    controls = limits.controls_of(
        rate=rate,
        floor=floor,
        canary=canary,
        canary_percent=canary_percent,
        canary_seconds=canary_seconds,
        guard=guard,
        guard_outcomes=guard_outcomes,
        low_priority=low_priority,
    )
    bulk = Bulk(
        reason=reason,
        key=idempotency_key,
        watch=watch,
        outcomes=outcomes,
        verdict=verdict,
        controls=controls,
    )
    _refuse_what_does_not_fit_a_plan(where, bulk, include_repeated, yes)
    _refuse_what_does_not_fit(entry, bulk)
    wanted = Wanted(
        kind=OperationKind.RETRY,
        entry_filter=filter_of(where),
        include_repeated=include_repeated,
    )
    async with opened(context.settings) as services:
        if entry is not None:
            await _act_on_one(context, services, OperationKind.RETRY, EntryId(entry), reason)
        elif where:
            await plan_and_start(context, services, wanted, bulk, yes)
        else:
            scope = Scope.everything() if app is None else Scope.of_app(AppId(app))
            await _start(context, services, OperationKind.RETRY, scope, bulk)


async def resync(
    context: Context,
    entry: EntryArgument = None,
    app: AppOption = None,
    reason: ReasonOption = "",
    idempotency_key: KeyOption = None,
    watch: WatchOption = False,
    outcomes: Outcomes = 0,
    verdict: UntilVerdict = False,
    rate: limits.Rate = None,
    floor: limits.Floor = None,
    canary: limits.CanaryEntries = None,
    canary_percent: limits.CanaryPercent = None,
    canary_seconds: limits.CanarySeconds = None,
    guard: limits.GuardPercent = None,
    guard_outcomes: limits.GuardOutcomes = None,
    low_priority: limits.LowPriority = False,
) -> None:
    """Run work again from scratch, whatever its state: one entry, or an app's."""
    if (entry is None) == (app is None):
        raise typer.BadParameter("name one of: ENTRY, --app APP")
    controls = limits.controls_of(
        rate=rate,
        floor=floor,
        canary=canary,
        canary_percent=canary_percent,
        canary_seconds=canary_seconds,
        guard=guard,
        guard_outcomes=guard_outcomes,
        low_priority=low_priority,
    )
    bulk = Bulk(
        reason=reason,
        key=idempotency_key,
        watch=watch,
        outcomes=outcomes,
        verdict=verdict,
        controls=controls,
    )
    _refuse_what_does_not_fit(entry, bulk)
    async with opened(context.settings) as services:
        if entry is not None:
            await _act_on_one(context, services, OperationKind.RESYNC, EntryId(entry), reason)
        elif app is not None:
            await _start(context, services, OperationKind.RESYNC, Scope.of_app(AppId(app)), bulk)


async def dismiss(
    context: Context,
    entry: EntryArgument = None,
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    yes: Yes = False,
    reason: ReasonOption = "",
    watch: WatchOption = False,
) -> None:
    """Decide against failed work: one entry, or what fits. Its jobs stay as they are."""
    if (entry is None) == (not where):
        raise typer.BadParameter("name one of: ENTRY, --where …")
    bulk = Bulk(reason=reason, key=None, watch=watch, outcomes=0)
    _refuse_what_does_not_fit_a_plan(where, bulk, False, yes)
    _refuse_what_does_not_fit(entry, bulk)
    wanted = Wanted(kind=OperationKind.DISMISS, entry_filter=filter_of(where))
    async with opened(context.settings) as services:
        if entry is None:
            await plan_and_start(context, services, wanted, bulk, yes)
            return
        result = await services.recovery.act_on_one(
            await _request(services, OperationKind.DISMISS, EntryId(entry), reason)
        )
    message = saying.moved(result)
    operation_id = result.operation.operation_id
    context.output.model(
        wire.DismissResponse(message=message, entry_id=entry, operation_id=operation_id), message
    )


async def restore(
    context: Context,
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="One entry's id.")],
    reason: ReasonOption = "",
) -> None:
    """Take the dismissal of one entry back: it is failed again, with its error."""
    async with opened(context.settings) as services:
        asked = await _request(services, OperationKind.DISMISS, EntryId(entry), reason)
        restored = await services.planning.restore(asked)
    message = saying.restored(restored)
    context.output.model(
        wire.RestoreResponse(message=message, entry_id=entry, state=restored.state), message
    )


async def cancel(
    context: Context,
    operation_id: Annotated[str, typer.Argument(metavar="OP")],
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Also take back what was moved and no worker has started."),
    ] = False,
) -> None:
    """Stop an operation: what was moved stays moved unless --undo, the rest stays failed."""
    async with opened(context.settings) as services:
        operation = await services.recovery.cancel(
            OperationId(operation_id), this_user(), undo=undo
        )
        in_hand = await services.overview.in_hand(operation.operation_id)
    message = saying.cancelled(operation, in_hand)
    context.output.model(
        wire.CancelResponse(message=message, operation_id=operation_id, state=operation.state),
        message,
    )


def _refuse_what_does_not_fit(entry: str | None, bulk: Bulk) -> None:
    """Raises BadParameter for options that would be without effect."""
    given = {
        "--idempotency-key": bulk.key is not None,
        "--watch": bulk.watch,
        "--outcomes": bulk.outcomes > 0,
        "--verdict": bulk.verdict,
        "a limit of the pace": bulk.controls != NO_CONTROLS,
    }
    of_bulk_starts = [option for option, is_given in given.items() if is_given]
    if entry is not None and of_bulk_starts:
        raise typer.BadParameter(
            f"{', '.join(of_bulk_starts)}: for bulk starts only; one ENTRY is acted on at once"
        )
    refuse_waiting_alone(bulk.watch, bulk.outcomes, bulk.verdict)


def _refuse_what_does_not_fit_a_plan(
    where: list[str], bulk: Bulk, include_repeated: bool, yes: bool
) -> None:
    """Raises BadParameter for options that say how a plan is made or started, without a plan; for
    a key, which every new plan would meet as another's; and where nobody can be asked."""
    given = {"--include-repeated": include_repeated, "--yes": yes}
    of_plans = [option for option, is_given in given.items() if is_given]
    if of_plans and not where:
        raise typer.BadParameter(f"{', '.join(of_plans)}: goes with --where")
    if where and bulk.key is not None:
        raise typer.BadParameter(
            "--idempotency-key: goes with a plan that was made before: redrive start PLAN"
        )
    if where:
        refuse_without_answer(yes)


async def _request(
    services: Services, kind: OperationKind, entry_id: EntryId, reason: str
) -> StartRequest:
    detail = await services.overview.entry(entry_id)
    scope = Scope.of_entry(detail.entry.app_id, entry_id)
    return StartRequest(kind=kind, scope=scope, actor=this_user(), reason=reason)


async def _act_on_one(
    context: Context, services: Services, kind: OperationKind, entry_id: EntryId, reason: str
) -> None:
    """Move one entry and say what happened; exit code 4 if its job was not moved."""
    result = await services.recovery.act_on_one(await _request(services, kind, entry_id, reason))
    message = saying.moved(result)
    if result.answer.moved or context.output.as_json:
        context.output.model(
            wire.RetryResponse(
                message=message,
                job_id=result.job_id,
                operation_id=result.operation.operation_id,
                result=result.answer,
            ),
            message,
        )
    if not result.answer.moved:
        say(message, bad=True)
        raise typer.Exit(ExitCode.CONFLICT)


async def _start(
    context: Context, services: Services, kind: OperationKind, scope: Scope, bulk: Bulk
) -> None:
    operation, new = await services.recovery.start(
        StartRequest(
            kind=kind,
            scope=scope,
            actor=this_user(),
            reason=bulk.reason,
            idempotency_key=bulk.key,
            controls=bulk.controls,
        )
    )
    await tell_started(context, services, operation, new, bulk)
