"""Acting: retry, resync, cancel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from redrive import wire
from redrive.cli import controls as limits
from redrive.cli.command import Context, command
from redrive.cli.exit_codes import ExitCode
from redrive.cli.output import say
from redrive.cli.services import opened, this_user
from redrive.cli.watching import Outcomes, refuse_outcomes_alone, watch_to_the_end
from redrive.domain import (
    NO_CONTROLS,
    AppId,
    Controls,
    EntryId,
    OperationId,
    OperationKind,
    OperationState,
    Scope,
    StartRequest,
)
from redrive.web import saying
from redrive.wiring import Services

EntryArgument = Annotated[str | None, typer.Argument(metavar="ENTRY", help="One entry's id.")]
AppOption = Annotated[str | None, typer.Option("--app", metavar="APP", help="Every one of APP.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key", help="The same key again answers with the operation it started."
    ),
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bulk:
    """What the options of a bulk start say."""

    reason: str
    key: str | None
    watch: bool
    outcomes: float
    controls: Controls


def register(app: typer.Typer) -> None:
    command(app, "retry")(retry)
    command(app, "resync")(resync)
    command(app, "cancel")(cancel)


async def retry(
    context: Context,
    entry: EntryArgument = None,
    app: AppOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every app's.")] = False,
    reason: ReasonOption = "",
    idempotency_key: KeyOption = None,
    watch: WatchOption = False,
    outcomes: Outcomes = 0,
    rate: limits.Rate = None,
    floor: limits.Floor = None,
    canary: limits.CanaryEntries = None,
    canary_percent: limits.CanaryPercent = None,
    canary_seconds: limits.CanarySeconds = None,
    guard: limits.GuardPercent = None,
    guard_outcomes: limits.GuardOutcomes = None,
    low_priority: limits.LowPriority = False,
) -> None:
    """Put failed work back: one entry, an app's, or all of it."""
    if [entry is not None, app is not None, everything].count(True) != 1:
        raise typer.BadParameter("name one of: ENTRY, --app APP, --all")
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
        reason=reason, key=idempotency_key, watch=watch, outcomes=outcomes, controls=controls
    )
    _refuse_what_does_not_fit(entry, bulk)
    async with opened(context.settings) as services:
        if entry is not None:
            await _act_on_one(context, services, OperationKind.RETRY, EntryId(entry), reason)
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
        reason=reason, key=idempotency_key, watch=watch, outcomes=outcomes, controls=controls
    )
    _refuse_what_does_not_fit(entry, bulk)
    async with opened(context.settings) as services:
        if entry is not None:
            await _act_on_one(context, services, OperationKind.RESYNC, EntryId(entry), reason)
        elif app is not None:
            await _start(context, services, OperationKind.RESYNC, Scope.of_app(AppId(app)), bulk)


async def cancel(
    context: Context, operation_id: Annotated[str, typer.Argument(metavar="OP")]
) -> None:
    """Stop an operation: what was moved stays moved, the rest stays failed."""
    async with opened(context.settings) as services:
        operation = await services.recovery.cancel(OperationId(operation_id), this_user())
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
        "a limit of the pace": bulk.controls != NO_CONTROLS,
    }
    of_bulk_starts = [option for option, is_given in given.items() if is_given]
    if entry is not None and of_bulk_starts:
        raise typer.BadParameter(
            f"{', '.join(of_bulk_starts)}: for bulk starts only; one ENTRY is acted on at once"
        )
    refuse_outcomes_alone(bulk.watch, bulk.outcomes)


async def _act_on_one(
    context: Context, services: Services, kind: OperationKind, entry_id: EntryId, reason: str
) -> None:
    """Move one entry and say what happened; exit code 4 if its job was not moved."""
    detail = await services.overview.entry(entry_id)
    result = await services.recovery.act_on_one(
        StartRequest(
            kind=kind,
            scope=Scope.of_entry(detail.entry.app_id, entry_id),
            actor=this_user(),
            reason=reason,
        )
    )
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
    started = "Started" if new else "This key had started"
    message = f"{started} {kind} of {operation.total} entries of {scope}: {operation.operation_id}"
    if operation.state is OperationState.PAUSED:
        message += f". It is paused: {operation.pause_reason}"
    if bulk.watch:
        say(message)
        await watch_to_the_end(services, context.output, operation.operation_id, bulk.outcomes)
        return
    context.output.model(
        wire.BulkRetryResponse(
            message=message,
            operation_id=operation.operation_id,
            total=operation.total,
            new=new,
        ),
        message,
    )
    say(f"Watch it: redrive operations --watch {operation.operation_id}")
