"""The audit trail."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.paging import Cursor, Limit, say_there_is_more
from redrive.cli.services import opened
from redrive.cli.tables import Column
from redrive.domain import AppId, AuditFilter, changed_in_words

COLUMNS = (
    "AT",
    Column("BY"),
    Column("FROM", rank=5),
    Column("ACTION"),
    Column("SCOPE", rank=1, least=10),
    Column("RESULT", rank=2, least=8),
    Column("OPERATION", rank=3),
    Column("CHANGED", rank=4, least=12),
    Column("REASON", rank=6, least=10),
)


def register(app: typer.Typer) -> None:
    command(app, "audit")(audit)


async def audit(
    context: Context,
    actor: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, as the rows show it.")] = (
        None
    ),
    app: Annotated[str | None, typer.Option(help="Only rows about this app.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Say who did what, newest first."""
    wanted = AuditFilter(actor=actor, action=action, app_id=AppId(app) if app else None)
    async with opened(context.settings) as services:
        page = await services.overview.audit_trail(cursor, limit, wanted)
    rows = [wire.AuditEntry.model_validate(one) for one in page.items]
    context.output.table(
        wire.Page[wire.AuditEntry](items=rows, next_cursor=page.next_cursor),
        COLUMNS,
        [
            (
                one.at,
                one.actor,
                one.origin,
                one.action,
                one.scope,
                one.result,
                one.operation_id,
                changed_in_words(one.before, one.after),
                one.reason,
            )
            for one in rows
        ],
    )
    say_there_is_more(page.next_cursor)
