"""Deciding against failed work, and taking that back."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.fitting import (
    EntryArgument,
    refuse_what_does_not_fit_a_plan,
    refuse_what_does_not_fit_one,
    request_of_one,
)
from redrive.cli.planning import Wanted, Yes, plan_and_start
from redrive.cli.services import opened
from redrive.cli.starting import Bulk, ReasonOption, WatchOption
from redrive.cli.where import Where, filter_of
from redrive.domain import EntryId, OperationKind
from redrive.web import saying


def register(app: typer.Typer) -> None:
    command(app, "dismiss")(dismiss)
    command(app, "restore")(restore)


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
    bulk = Bulk(reason=reason, watch=watch)
    refuse_what_does_not_fit_a_plan(where, bulk, False, yes)
    refuse_what_does_not_fit_one(entry, bulk)
    wanted = Wanted(kind=OperationKind.DISMISS, entry_filter=filter_of(where))
    async with opened(context.settings) as services:
        if entry is None:
            await plan_and_start(context, services, wanted, bulk, yes)
            return
        result = await services.recovery.act_on_one(
            await request_of_one(services, OperationKind.DISMISS, EntryId(entry), reason)
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
        asked = await request_of_one(services, OperationKind.DISMISS, EntryId(entry), reason)
        restored = await services.planning.restore(asked)
    message = saying.restored(restored)
    context.output.model(
        wire.RestoreResponse(message=message, entry_id=entry, state=restored.state), message
    )
