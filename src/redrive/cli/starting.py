"""What every bulk start of the command line has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context
from redrive.cli.output import say
from redrive.cli.watching import Outcomes, UntilVerdict, watch_to_the_end
from redrive.domain import Operation, OperationState, scope_in_words
from redrive.wiring import Services

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
    """The options of a bulk start."""

    reason: ReasonOption = ""
    key: KeyOption = None
    watch: WatchOption = False
    outcomes: Outcomes = 0
    verdict: UntilVerdict = False


async def tell_started(
    context: Context, services: Services, operation: Operation, new: bool, bulk: Bulk
) -> None:
    """Say that an operation was started, or watch it to its end."""
    started = "Started" if new else "This key had started"
    message = (
        f"{started} {operation.kind} of {operation.total} entries of "
        f"{scope_in_words(str(operation.scope), operation.filter)}: {operation.operation_id}"
    )
    if operation.state is OperationState.PAUSED:
        message += f". It is paused: {operation.pause_reason}"
    if bulk.watch:
        say(message)
        await watch_to_the_end(
            services, context.output, operation.operation_id, bulk.outcomes, bulk.verdict
        )
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
