"""Looking: failed entries, apps, queues, health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.exit_codes import ExitCode
from redrive.cli.output import say
from redrive.cli.paging import Cursor, Limit, say_there_is_more
from redrive.cli.services import opened
from redrive.cli.tables import Column
from redrive.cli.where import Where, filter_of
from redrive.domain import (
    AppId,
    EntryId,
    EntryState,
    GroupId,
    JobState,
    QueueCounts,
)
from redrive.web.masking import Masker

ENTRY_COLUMNS = (
    "ENTRY",
    Column("APP", rank=1, least=10),
    Column("QUEUE", rank=3, least=10),
    "JOB",
    Column("FAILED AT", rank=2),
    Column("TIMES", rank=4),
    Column("ERROR", least=12),
)
FACT_COLUMNS = ("FIELD", Column("VALUE", least=20, folds=True))
STORY_COLUMNS = (
    Column("STARTED AT", rank=2),
    Column("KIND", rank=1),
    Column("BY", rank=1),
    "OPERATION",
    "BECAME",
    Column("WHY", rank=3, least=10),
)
APP_COLUMNS = (
    "APP",
    Column("NAME", rank=2, least=8),
    "FAILED",
    Column("QUEUED", rank=1),
    "RECOVERED",
    Column("LAST FAILED AT", rank=3),
)
QUEUE_STATES = {
    JobState.WAITING: 0,
    JobState.ACTIVE: 0,
    JobState.DELAYED: 2,
    JobState.PRIORITIZED: 4,
    JobState.FAILED: 0,
    JobState.COMPLETED: 3,
}
"""The states that are counted, each with its column's rank."""
QUEUE_COLUMNS: tuple[Column | str, ...] = (
    Column("SOURCE", rank=5),
    "QUEUE",
    *(Column(state.upper(), rank=rank) for state, rank in QUEUE_STATES.items()),
    Column("NOTE", rank=1, least=6),
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
    group: Annotated[str | None, typer.Option(help="Only this group's.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Found in the error, the job id or the entry id.")
    ] = None,
    state: Annotated[
        EntryState, typer.Option(help="Another state than failed.")
    ] = EntryState.FAILED,
    where: Where = [],  # noqa: B006 - Typer reads the default, nobody changes it
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List failed entries, newest first."""
    wanted = filter_of(
        where,
        app_id=AppId(app) if app else None,
        states=(state,),
        queue=queue or None,
        query=search or None,
        group_id=GroupId(group) if group else None,
    )
    async with opened(context.settings) as services:
        page = await services.overview.entries(wanted, cursor, limit, oldest_first=False)
    context.output.table(
        wire.Page[wire.Entry].model_validate(page),
        ENTRY_COLUMNS,
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
    facts = detail.model_dump(exclude={"stacktrace", "payload", "job", "history", "has_older"})
    facts["job is now"] = None if detail.job is None else detail.job.state
    context.output.table(detail, FACT_COLUMNS, facts.items())
    context.output.text(detail.stacktrace)
    if payload is not None:
        context.output.text(payload.data)
    if detail.history:
        rows = [
            (one.started_at, one.kind, one.actor, one.operation_id, _became(one), one.why)
            for one in detail.history
        ]
        context.output.table(detail, STORY_COLUMNS, rows)
    if detail.has_older:
        say(f"Only the newest {len(detail.history)} operations that took it are shown.")


def _became(chapter: wire.Chapter) -> str:
    """What became of an entry in an operation, in few words."""
    if chapter.outcome is None:
        return str(chapter.reason or chapter.state)
    way = {True: " the same way", False: " differently", None: ""}[chapter.same_way]
    return chapter.outcome.replace("_", " ") + way


async def apps(context: Context, limit: Limit = 50, cursor: Cursor = None) -> None:
    """List apps, most failed entries first."""
    async with opened(context.settings) as services:
        page = await services.overview.apps(cursor, limit)
    context.output.table(
        wire.Page[wire.App].model_validate(page),
        APP_COLUMNS,
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
    """List the watched queues with their jobs by state; exit code 5 if a source is away."""
    async with opened(context.settings) as services:
        found = await services.overview.queues()
    away = [one for one in found if _stands_for_its_source(one)]
    counted = [one for one in found if one not in away]
    if counted or not away:
        _list_queues(context, counted)
    for one in away:
        say(one.problem or "", bad=True)
    if away:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _stands_for_its_source(one: QueueCounts) -> bool:
    """Whether it is no queue, but says that a whole source cannot be reached."""
    return one.queue == "*" and one.problem is not None


def _list_queues(context: Context, found: Sequence[QueueCounts]) -> None:
    context.output.table(
        wire.Page[wire.Queue](items=[wire.Queue.model_validate(one) for one in found]),
        QUEUE_COLUMNS,
        (
            (
                one.source,
                one.queue,
                *(one.counts.get(state, 0) for state in QUEUE_STATES),
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
