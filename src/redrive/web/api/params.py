"""Query parameters. A name that is not known is refused: a typing error in a filter would
otherwise show everything."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from redrive.domain import EntryState, ItemState, JobState, OperationState
from redrive.wire.base import NO_CONTROL

_Text = Annotated[str, StringConstraints(max_length=256, pattern=NO_CONTROL)]
_Cursor = Annotated[str, StringConstraints(max_length=512, pattern=NO_CONTROL)]

AppIdPath = Annotated[str, Path(min_length=1, max_length=256, pattern=NO_CONTROL)]
EntryIdPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_CONTROL)]
OperationIdPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_CONTROL)]
QueuePath = Annotated[str, Path(min_length=1, max_length=256, pattern=NO_CONTROL)]
GroupIdPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_CONTROL)]


class PageQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    cursor: _Cursor | None = Field(None, description="The next_cursor of the page before.")
    limit: int = Field(50, ge=1, le=500)


class EntriesQuery(PageQuery):
    app_id: _Text | None = None
    state: EntryState | None = None
    queue: _Text | None = None
    error_type: _Text | None = Field(None, description="The whole of it, as entries show it.")
    group: _Text | None = Field(None, description="A group's id.")
    q: _Text | None = Field(None, description="Found in the error, the job id or the entry id.")
    order: Literal["newest", "oldest"] = Field("newest", description="By time of failure.")


class GroupsQuery(PageQuery):
    app_id: _Text | None = Field(None, description="Groups with failed entries of this app.")
    queue: _Text | None = None
    q: _Text | None = Field(
        None, description="Found in the title, the error's type, the job's name or the note."
    )
    quiet: bool = Field(False, description="Also groups without failed entries.")


class OperationsQuery(PageQuery):
    state: OperationState | None = None
    app_id: _Text | None = None


class ItemsQuery(PageQuery):
    state: ItemState | None = None


class AuditQuery(PageQuery):
    actor: _Text | None = Field(None, description="Who acted.")
    action: _Text | None = Field(None, description="As the rows show it: retry.start, login, …")
    app_id: _Text | None = Field(None, description="Rows about the app, its entries among them.")


class JobsQuery(PageQuery):
    state: JobState = JobState.FAILED
    source: _Text | None = Field(None, description="Needed where two sources have such a queue.")
