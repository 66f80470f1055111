"""Acting: retry, resync, cancel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.controls import LimitOptions
from redrive.cli.exit_codes import ExitCode
from redrive.cli.fitting import (
    EntryArgument,
    refuse_what_does_not_fit_a_plan,
    refuse_what_does_not_fit_one,
    request_of_one,
)
from redrive.cli.output import say
from redrive.cli.planning import Repeated, Wanted, Yes, plan_and_start
from redrive.cli.services import opened, this_user
from redrive.cli.starting import Bulk, tell_started
from redrive.cli.where import Where, filter_of
from redrive.domain import (
    AppId,
    Controls,
    EntryId,
    OperationId,
    OperationKind,
    Scope,
    StartRequest,
)
from redrive.web import saying
from redrive.wiring import Services

AppOption = Annotated[str | None, typer.Option("--app", metavar="APP", help="Every one of APP.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selected:
    """What is to run again, within which limits: one entry, what fits, or a scope."""

    entry: str | None
    scope: Scope | None
    where: list[str]
    include_repeated: bool
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
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    include_repeated: Repeated = False,
    yes: Yes = False,
    *,
    bulk: Bulk,
    limits: LimitOptions,
) -> None:
    """Put failed work back: one entry, an app's, what fits, or all of it."""
    if [entry is not None, app is not None, everything, bool(where)].count(True) != 1:
        raise typer.BadParameter("name one of: ENTRY, --app APP, --where …, --all")
    scope = Scope.of_app(AppId(app)) if app is not None else Scope.everything()
    selected = Selected(
        entry=entry,
        scope=scope,
        where=where,
        include_repeated=include_repeated,
        controls=limits.controls(),
    )
    await _run_again(context, OperationKind.RETRY, selected, bulk, yes)


async def resync(
    context: Context,
    entry: EntryArgument = None,
    app: AppOption = None,
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    include_repeated: Repeated = False,
    yes: Yes = False,
    *,
    bulk: Bulk,
    limits: LimitOptions,
) -> None:
    """Run work again from scratch, whatever its state: one entry, an app's, or what fits."""
    if [entry is not None, app is not None, bool(where)].count(True) != 1:
        raise typer.BadParameter("name one of: ENTRY, --app APP, --where …")
    scope = None if app is None else Scope.of_app(AppId(app))
    selected = Selected(
        entry=entry,
        scope=scope,
        where=where,
        include_repeated=include_repeated,
        controls=limits.controls(),
    )
    await _run_again(context, OperationKind.RESYNC, selected, bulk, yes)


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


async def _run_again(
    context: Context, kind: OperationKind, selected: Selected, bulk: Bulk, yes: bool
) -> None:
    """Retry or resync what was selected. Raises BadParameter for options that do not fit it."""
    refuse_what_does_not_fit_a_plan(selected.where, bulk, selected.include_repeated, yes)
    refuse_what_does_not_fit_one(selected.entry, bulk, selected.controls)
    wanted = Wanted(
        kind=kind,
        entry_filter=filter_of(selected.where),
        include_repeated=selected.include_repeated,
        controls=selected.controls,
    )
    async with opened(context.settings) as services:
        if selected.entry is not None:
            await _act_on_one(context, services, kind, EntryId(selected.entry), bulk.reason)
        elif selected.where:
            await plan_and_start(context, services, wanted, bulk, yes)
        elif selected.scope is not None:
            await _start(context, services, kind, selected.scope, bulk, selected.controls)


async def _act_on_one(
    context: Context, services: Services, kind: OperationKind, entry_id: EntryId, reason: str
) -> None:
    """Move one entry and say what happened; exit code 4 if its job was not moved."""
    result = await services.recovery.act_on_one(
        await request_of_one(services, kind, entry_id, reason)
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
    context: Context,
    services: Services,
    kind: OperationKind,
    scope: Scope,
    bulk: Bulk,
    controls: Controls,
) -> None:
    operation, new = await services.recovery.start(
        StartRequest(
            kind=kind,
            scope=scope,
            actor=this_user(),
            reason=bulk.reason,
            idempotency_key=bulk.key,
            controls=controls,
        )
    )
    await tell_started(context, services, operation, new, bulk)
