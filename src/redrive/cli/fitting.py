"""What acting commands have in common: which options go together, and the request of one entry."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive.cli.planning import refuse_without_answer
from redrive.cli.services import this_user
from redrive.cli.starting import Bulk
from redrive.cli.watching import refuse_waiting_alone
from redrive.domain import NO_CONTROLS, Controls, EntryId, OperationKind, Scope, StartRequest
from redrive.wiring import Services

EntryArgument = Annotated[str | None, typer.Argument(metavar="ENTRY", help="One entry's id.")]


def refuse_what_does_not_fit_one(
    entry: str | None, bulk: Bulk, controls: Controls = NO_CONTROLS
) -> None:
    """Raises BadParameter for options that would be without effect."""
    given = {
        "--idempotency-key": bulk.key is not None,
        "--watch": bulk.watch,
        "--outcomes": bulk.outcomes > 0,
        "--verdict": bulk.verdict,
        "a limit of the pace": controls != NO_CONTROLS,
    }
    of_bulk_starts = [option for option, is_given in given.items() if is_given]
    if entry is not None and of_bulk_starts:
        raise typer.BadParameter(
            f"{', '.join(of_bulk_starts)}: for bulk starts only; one ENTRY is acted on at once"
        )
    refuse_waiting_alone(bulk.watch, bulk.outcomes, bulk.verdict)


def refuse_what_does_not_fit_a_plan(
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


async def request_of_one(
    services: Services, kind: OperationKind, entry_id: EntryId, reason: str
) -> StartRequest:
    detail = await services.overview.entry(entry_id)
    scope = Scope.of_entry(detail.entry.app_id, entry_id)
    return StartRequest(kind=kind, scope=scope, actor=this_user(), reason=reason)
