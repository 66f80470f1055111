"""Steering an open operation: pause, resume, its pace."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.controls import LimitChanges
from redrive.cli.services import opened, this_user
from redrive.domain import Operation, OperationId
from redrive.web import saying

OperationArgument = Annotated[str, typer.Argument(metavar="OP")]


def register(app: typer.Typer) -> None:
    command(app, "pause")(pause)
    command(app, "resume")(resume)
    command(app, "pace")(pace)


async def pause(
    context: Context,
    operation_id: OperationArgument,
    reason: Annotated[str, typer.Option(help="Why; shown to whoever resumes it.")] = "",
) -> None:
    """Let an operation rest: what is in hand is finished, nothing more is taken."""
    async with opened(context.settings) as services:
        operation = await services.recovery.pause(OperationId(operation_id), this_user(), reason)
    _say(context, operation, saying.paused(operation))


async def resume(context: Context, operation_id: OperationArgument) -> None:
    """Let a paused operation go on. Approval is given at the console only."""
    async with opened(context.settings) as services:
        operation = await services.recovery.resume(OperationId(operation_id), this_user())
    _say(context, operation, saying.resumed(operation))


async def pace(
    context: Context,
    operation_id: OperationArgument,
    *,
    limits: LimitChanges,
) -> None:
    """Change the limits of an open operation, from its next batch on."""
    changes = limits.changes()
    if not changes:
        raise typer.BadParameter("name at least one limit to set, or one to go --without")
    async with opened(context.settings) as services:
        operation = await services.recovery.change_controls(
            OperationId(operation_id), this_user(), changes
        )
    _say(context, operation, saying.controls_changed(operation))


def _say(context: Context, operation: Operation, message: str) -> None:
    model = wire.SteerResponse(
        message=message, operation_id=operation.operation_id, state=operation.state
    )
    context.output.model(model, message)
