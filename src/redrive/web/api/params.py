"""Query parameters. A name that is not known is refused: a typing error in a filter would
otherwise show everything."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from redrive.domain import (
    AppId,
    EntryFilter,
    EntryId,
    EntryState,
    GroupId,
    ItemState,
    JobState,
    OperationId,
    OperationState,
    Outcome,
)
from redrive.wire.base import NO_CONTROL, EntryIdText

_Text = Annotated[str, StringConstraints(max_length=256, pattern=NO_CONTROL)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
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
    q: _Text | None = Field(None, description="Found in the error, the job id or the entry id.")
    source: _Text | None = None
    job_name: _Text | None = None
    group_id: _Text | None = Field(None, description="A group's id.")
    failed_from: AwareDatetime | None = Field(None, description="The newest failure, at least.")
    failed_before: AwareDatetime | None = None
    attempts_min: _Count | None = Field(None, description="Attempts of the newest run.")
    attempts_max: _Count | None = None
    retried_min: _Count | None = Field(None, description="How often it was put back already.")
    retried_max: _Count | None = None
    same_failures_min: _Count | None = Field(
        None, description="How often in a row it failed the same way after it was put back."
    )
    failed_again_in: _Text | None = Field(
        None, description="The operation that moved it last, and after which it failed again."
    )
    entry_id: list[EntryIdText] = Field([], max_length=100, description="These and no others.")
    order: Literal["newest", "oldest"] = Field("newest", description="By time of failure.")

    @model_validator(mode="after")
    def _fits_together(self) -> EntriesQuery:
        self.meant()
        return self

    def meant(self) -> EntryFilter:
        """The filter as the services take it. Raises ValueError."""
        return EntryFilter(
            app_id=AppId(self.app_id) if self.app_id else None,
            states=(self.state,) if self.state else (),
            queue=self.queue or None,
            query=self.q or None,
            error_type=self.error_type or None,
            source=self.source or None,
            job_name=self.job_name or None,
            group_id=GroupId(self.group_id) if self.group_id else None,
            failed_from=self.failed_from,
            failed_before=self.failed_before,
            attempts_min=self.attempts_min,
            attempts_max=self.attempts_max,
            retried_min=self.retried_min,
            retried_max=self.retried_max,
            same_failures_min=self.same_failures_min,
            failed_again_in=OperationId(self.failed_again_in) if self.failed_again_in else None,
            entry_ids=tuple(EntryId(one) for one in self.entry_id),
        )


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
    outcome: Outcome | None = Field(None, description="What became of a requeued one.")
    same_way: bool | None = Field(
        None,
        description="Those that failed again: true: the same way; false: differently, or in a way "
        "that cannot be compared.",
    )


class StreamQuery(BaseModel):
    """How long a stream goes on."""

    model_config = ConfigDict(extra="forbid")

    until: Literal["end", "verdict"] = Field(
        "end", description="verdict: also after the operation's end, until its verdict is final."
    )


class AuditQuery(PageQuery):
    actor: _Text | None = Field(None, description="Who acted.")
    action: _Text | None = Field(None, description="As the rows show it: retry.start, login, …")
    app_id: _Text | None = Field(None, description="Rows about the app, its entries among them.")


class JobsQuery(PageQuery):
    state: JobState = JobState.FAILED
    source: _Text | None = Field(None, description="Needed where two sources have such a queue.")
