"""Looking: failed entries, apps, queues, health."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.exit_codes import ExitCode
from redrive.cli.paging import Cursor, Limit, say_there_is_more
from redrive.cli.services import opened
from redrive.domain import (
    AppId,
    EntryFilter,
    EntryId,
    EntryState,
    JobState,
)
from redrive.web.masking import Masker

QUEUE_COLUMNS = (
    JobState.WAITING,
    JobState.ACTIVE,
    JobState.DELAYED,
    JobState.PRIORITIZED,
    JobState.FAILED,
    JobState.COMPLETED,
)


def register(app: typer.Typer) -> None:
    command(app, "failed")(failed)
    command(app, "entry")(entry)
    command(app, "apps")(apps)
    command(app, "queues")(queues)
    command(app, "health")(health)


async def failed(
    context: Context,
    app: Annotated[str | None, typer.Option(help="Only this app's.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only this queue's.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Found in the error, the job id or the entry id.")
    ] = None,
    state: Annotated[
        EntryState, typer.Option(help="Another state than failed.")
    ] = EntryState.FAILED,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List failed entries, newest first."""
    wanted = EntryFilter(app_id=AppId(app) if app else None, state=state, queue=queue, query=search)
    async with opened(context.settings) as services:
        page = await services.overview.entries(wanted, cursor, limit, oldest_first=False)
    context.output.table(
        wire.Page[wire.Entry].model_validate(page),
        ("ENTRY", "APP", "QUEUE", "JOB", "FAILED AT", "TIMES", "ERROR"),
        (
            (
                one.entry_id,
                one.app_id,
                one.queue,
                one.job_id,
                one.failed_at,
                one.failures,
                f"{one.error_type}: {one.error_message}",
            )
            for one in page.items
        ),
    )
    say_there_is_more(page.next_cursor)


async def entry(
    context: Context, entry_id: Annotated[str, typer.Argument(metavar="ENTRY")]
) -> None:
    """Show one entry: its error, its stack trace, its payload with secrets masked."""
    async with opened(context.settings) as services:
        found = await services.overview.entry(EntryId(entry_id))
        status = await services.overview.job_status(found.entry)
    masker = Masker(context.settings.secret_keys)
    payload = None if found.payload is None else masker.shown(found.payload)
    detail = wire.EntryDetail.of(found, payload, status)
    if context.output.as_json:
        context.output.model(detail, "")
        return
    facts = detail.model_dump(exclude={"stacktrace", "payload", "job", "history"})
    facts["job is now"] = None if detail.job is None else detail.job.state
    context.output.table(detail, ("FIELD", "VALUE"), facts.items())
    context.output.text(detail.stacktrace)
    if payload is not None:
        context.output.text(payload.data)


async def apps(context: Context, limit: Limit = 50, cursor: Cursor = None) -> None:
    """List apps, most failed entries first."""
    async with opened(context.settings) as services:
        page = await services.overview.apps(cursor, limit)
    context.output.table(
        wire.Page[wire.App].model_validate(page),
        ("APP", "NAME", "FAILED", "QUEUED", "RECOVERED", "LAST FAILED AT"),
        (
            (
                one.app_id,
                one.display_name,
                one.failed,
                one.counts.get(EntryState.QUEUED, 0) + one.counts.get(EntryState.ACTIVE, 0),
                one.counts.get(EntryState.RECOVERED, 0),
                one.last_failed_at,
            )
            for one in page.items
        ),
    )
    say_there_is_more(page.next_cursor)


async def queues(context: Context) -> None:
    """List the watched queues with their jobs by state."""
    async with opened(context.settings) as services:
        found = await services.overview.queues()
    context.output.table(
        wire.Page[wire.Queue](items=[wire.Queue.model_validate(one) for one in found]),
        ("SOURCE", "QUEUE", *(state.upper() for state in QUEUE_COLUMNS), "NOTE"),
        (
            (
                one.source,
                one.queue,
                *(one.counts.get(state, 0) for state in QUEUE_COLUMNS),
                one.problem or ("paused" if one.paused else ""),
            )
            for one in found
        ),
    )


async def health(context: Context) -> None:
    """Say which parts can be reached; exit code 5 if one cannot."""
    async with opened(context.settings) as services:
        components = dict(await services.overview.ready())
    ready = all(components.values())
    context.output.table(
        wire.Readiness(ready=ready, components=components),
        ("PART", "STATE"),
        ((name, "reachable" if up else "away") for name, up in components.items()),
    )
    if not ready:
        raise typer.Exit(ExitCode.UNAVAILABLE)
