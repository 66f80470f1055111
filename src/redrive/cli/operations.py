"""Looking at operations: all of them, one, or one as it goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.paging import Cursor, Limit, say_there_is_more
from redrive.cli.services import opened
from redrive.cli.tables import Column
from redrive.cli.watching import (
    Outcomes,
    UntilVerdict,
    refuse_waiting_alone,
    watch_to_the_end,
)
from redrive.domain import (
    AppId,
    Operation,
    OperationId,
    OperationState,
    Pace,
    ScopeKind,
    filter_in_words,
)
from redrive.wiring import Services

COLUMNS = (
    Column("OPERATION"),
    Column("KIND", rank=1),
    Column("SCOPE", least=10),
    Column("STATE"),
    Column("TOTAL"),
    Column("DONE"),
    Column("MOVED", rank=4),
    Column("SKIPPED", rank=6),
    Column("ERRORS", rank=5),
    Column("RECOVERED", rank=2),
    Column("FAILED AGAIN", rank=3),
    Column("BY", rank=7),
    Column("STARTED AT", rank=8),
    Column("REASON", rank=9, least=10),
    Column("ENTRY", rank=10),
)
FACT_COLUMNS = ("FIELD", Column("VALUE", least=20, folds=True))


def register(app: typer.Typer) -> None:
    command(app, "operations")(operations)


async def operations(
    context: Context,
    operation_id: Annotated[str | None, typer.Argument(metavar="OP")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow OP until it ends.")] = False,
    outcomes: Outcomes = 0,
    verdict: UntilVerdict = False,
    state: Annotated[OperationState | None, typer.Option(help="Only in this state.")] = None,
    app: Annotated[str | None, typer.Option(help="Only this app's.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> None:
    """List operations, newest first; or show, or watch, one."""
    if watch and operation_id is None:
        raise typer.BadParameter("--watch needs the id of an operation")
    refuse_waiting_alone(watch, outcomes, verdict)
    async with opened(context.settings) as services:
        if operation_id is None:
            page = await services.overview.operations(
                state, AppId(app) if app else None, cursor, limit
            )
            _list(context, services, page.items, page.next_cursor)
        elif watch:
            await watch_to_the_end(
                services, context.output, OperationId(operation_id), outcomes, verdict
            )
        else:
            found = await services.overview.operation(OperationId(operation_id))
            model = _shown(services, found, await services.overview.pace(found))
            titles = (column.title for column in COLUMNS)
            facts = [*zip(titles, _row(found, model), strict=True), ("ERROR", model.error)]
            facts += _pace(found, model)
            context.output.table(model, FACT_COLUMNS, facts + _verdict(model.verdict))


def _shown(services: Services, operation: Operation, pace: Pace | None = None) -> wire.Operation:
    now, observe_for = services.clock.now(), services.overview.observe_for
    return wire.Operation.of(operation, now, observe_for, pace)


def _verdict(verdict: wire.Verdict) -> list[tuple[str, object]]:
    rate = verdict.recovery_rate
    return [
        ("VERDICT", "final" if verdict.is_final else "open"),
        ("FAILED THE SAME WAY", verdict.failed_same),
        ("FAILED DIFFERENTLY", verdict.failed_differently),
        ("VANISHED", verdict.vanished),
        ("WAITING", verdict.waiting),
        ("RECOVERY RATE", None if rate is None else f"{rate:.1%}"),
        ("OBSERVED UNTIL", verdict.observed_until),
    ]


def _list(
    context: Context, services: Services, found: list[Operation], next_cursor: str | None
) -> None:
    rows = [_shown(services, one) for one in found]
    context.output.table(
        wire.Page[wire.Operation](items=rows, next_cursor=next_cursor),
        COLUMNS,
        [_row(one, model) for one, model in zip(found, rows, strict=True)],
    )
    say_there_is_more(next_cursor)


def _row(found: Operation, one: wire.Operation) -> tuple[object, ...]:
    return (
        one.operation_id,
        one.kind,
        _scope(found),
        f"paused by {one.paused_by}" if one.state is OperationState.PAUSED else one.phase,
        one.total,
        one.completed,
        one.succeeded,
        one.skipped,
        one.failed,
        one.recovered,
        one.failed_again,
        one.actor,
        one.created_at,
        one.reason,
        one.entry_id,
    )


def _pace(found: Operation, model: wire.Operation) -> list[tuple[str, object]]:
    """The limits and what they have done, where there are any, and how fast it goes."""
    facts: list[tuple[str, object]] = [("LIMITS", found.controls)]
    if not found.state.terminal:
        facts += [
            ("WANTED RATE", _per_second(model.wanted_rate)),
            ("EFFECTIVE RATE", _per_second(model.effective_rate)),
            ("MEASURED RATE", _per_second(model.measured_rate)),
            ("LIMITED BY", model.limited_by),
        ]
    if model.canary is not None:
        facts.append(("CANARY", model.canary))
    if model.state is OperationState.PAUSED or model.pause_wanted:
        facts += [("PAUSED BY", model.paused_by), ("BECAUSE", found.why_paused)]
    if model.approved_by is not None:
        facts.append(("APPROVED BY", model.approved_by))
    return facts


def _per_second(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:,g}/s"


def _scope(operation: Operation) -> str:
    if operation.filter is not None:
        return filter_in_words(operation.filter)
    return "one entry" if operation.scope.kind is ScopeKind.ENTRY else str(operation.scope)
