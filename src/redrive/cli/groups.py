"""Failures by their cause."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.output import say
from redrive.cli.paging import Cursor, Limit, say_there_is_more
from redrive.cli.reading import FACT_COLUMNS
from redrive.cli.services import opened, this_user
from redrive.cli.tables import Column
from redrive.domain import AppId, GroupFilter, GroupId
from redrive.errors import BadInput

GROUP_COLUMNS = (
    "GROUP",
    "FAILED",
    Column("APPS", rank=2),
    Column("QUEUE", rank=4, least=10),
    Column("JOB", rank=5, least=10),
    Column("FIRST SEEN AT", rank=6),
    Column("LAST FAILED AT", rank=3),
    Column("ERROR", least=12),
    Column("NOTE", rank=1, least=8),
)


def register(app: typer.Typer) -> None:
    command(app, "groups")(groups)
    command(app, "group")(group)


async def groups(
    context: Context,
    app: Annotated[str | None, typer.Option(help="Only with failed entries of this app.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only this queue's.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Found in the error, the job's name or the note.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Also groups without failed entries.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """List failures by their cause, most failed entries first."""
    wanted = GroupFilter(
        app_id=AppId(app) if app else None, queue=queue, query=search, with_quiet=quiet
    )
    async with opened(context.settings) as services:
        page = await services.overview.groups(wanted, cursor, limit)
    found = wire.Page[wire.Group].model_validate(page)
    context.output.table(
        found,
        GROUP_COLUMNS,
        (
            (
                one.group_id,
                one.failed,
                _counted(one.apps),
                one.queue,
                one.job_name,
                one.first_seen_at,
                one.last_failed_at,
                f"{one.error_type}: {one.title}",
                one.note,
            )
            for one in found.items
        ),
    )
    say_there_is_more(page.next_cursor)


async def group(
    context: Context,
    group_id: Annotated[str, typer.Argument(metavar="GROUP")],
    note: Annotated[
        str | None, typer.Option(help="Keep this note with it; an empty one takes it back.")
    ] = None,
) -> None:
    """Show one group of failures: its calls, its counts, an example."""
    async with opened(context.settings) as services:
        if note is None:
            found = await services.overview.group(GroupId(group_id))
        else:
            said = _checked(note)
            found = await services.overview.note_group(GroupId(group_id), said, this_user())
    detail = wire.GroupDetail.of(found)
    facts = detail.model_dump(exclude={"frames", "chart", "example", "apps"})
    facts |= {"apps": _counted(detail.apps)}
    context.output.table(detail, FACT_COLUMNS, facts.items())
    if not context.output.as_json:
        for frame in detail.frames:
            context.output.text(f"  at {frame.module}:{frame.function}")
        say(f"Its entries: redrive failed --group {detail.group_id}")


def _checked(note: str) -> str:
    """The note, if the API would take it too. Raises BadInput."""
    try:
        return wire.NoteRequest(note=note).note
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise BadInput(f"The note is not valid: {problem}. Nothing was changed.") from error


def _counted(count: wire.Count) -> str:
    return f"more than {count.found}" if count.is_bounded else str(count.found)
