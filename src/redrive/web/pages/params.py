"""The query parameters of pages. A form sends its empty fields too: empty means not given."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    model_validator,
)

from redrive.domain import (
    RECOVERING_STATES,
    AppId,
    AuditFilter,
    EntryFilter,
    EntryState,
    GroupFilter,
    GroupId,
    ItemState,
    JobState,
    OperationState,
    Outcome,
)
from redrive.web.pages.chart import Span
from redrive.wire.base import NO_CONTROL

PAGE = 50


def _given(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


_OrNone = BeforeValidator(_given)
_Text = Annotated[str, StringConstraints(max_length=256, pattern=NO_CONTROL, strip_whitespace=True)]
_Cursor = Annotated[str, StringConstraints(max_length=512, pattern=NO_CONTROL)]


class Since(StrEnum):
    """How long ago a failure may be."""

    QUARTER = "15m"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self]


_LENGTHS = {
    Since.QUARTER: timedelta(minutes=15),
    Since.HOUR: timedelta(hours=1),
    Since.DAY: timedelta(hours=24),
    Since.WEEK: timedelta(days=7),
}


class PageQuery(BaseModel):
    """Which part of a list. An unknown name is refused: a typing error in a filter would
    otherwise show everything."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[_Cursor | None, _OrNone] = None


class OverviewQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    span: Span = Span.HOUR


class FailuresQuery(PageQuery):
    """``entry`` is the one that is shown beside the list."""

    app_id: Annotated[_Text | None, _OrNone] = None
    queue: Annotated[_Text | None, _OrNone] = None
    name: Annotated[_Text | None, _OrNone] = None
    error_type: Annotated[_Text | None, _OrNone] = None
    group_id: Annotated[_Text | None, _OrNone] = None
    q: Annotated[_Text | None, _OrNone] = None
    since: Annotated[Since | None, _OrNone] = None
    start: Annotated[AwareDatetime | None, _OrNone] = None
    end: Annotated[AwareDatetime | None, _OrNone] = None
    state: EntryState | Literal["recovering", "any"] = EntryState.FAILED
    order: Literal["newest", "oldest"] = "newest"
    entry: Annotated[_Text | None, _OrNone] = None

    def filter(self, now: datetime) -> EntryFilter:
        """The filter; of ``since`` and ``start`` the later one counts."""
        begins = [] if self.start is None else [self.start]
        if self.since is not None:
            begins.append(now - self.since.length)
        return EntryFilter(
            app_id=AppId(self.app_id) if self.app_id else None,
            states=self._states,
            queue=self.queue,
            query=self.q,
            job_name=self.name,
            error_type=self.error_type,
            group_id=GroupId(self.group_id) if self.group_id else None,
            failed_from=max(begins, default=None),
            failed_before=self.end,
        )

    @property
    def _states(self) -> tuple[EntryState, ...]:
        if self.state == "any":
            return ()
        return RECOVERING_STATES if self.state == "recovering" else (EntryState(self.state),)

    @property
    def is_by_time(self) -> bool:
        """Whether the list is ordered by when its entries failed."""
        return self.state == EntryState.FAILED

    def address_query(self, **changes: Any) -> dict[str, Any]:
        """The parameters of this list with some of them changed, defaults left out."""
        kept = {**self.model_dump(mode="json", exclude_defaults=True), **changes}
        return {key: value for key, value in kept.items() if value is not None}

    @property
    def narrows(self) -> bool:
        """Whether it shows less than a bulk action of its app, or of everything, would take."""
        given = (self.queue, self.name, self.error_type, self.group_id, self.q)
        times = (self.since, self.start, self.end)
        return any(given) or any(times) or self.state != EntryState.FAILED


class GroupsQuery(PageQuery):
    """``quiet`` takes in groups without failed entries."""

    app_id: Annotated[_Text | None, _OrNone] = None
    queue: Annotated[_Text | None, _OrNone] = None
    q: Annotated[_Text | None, _OrNone] = None
    quiet: Annotated[bool | None, _OrNone] = None

    @property
    def filter(self) -> GroupFilter:
        return GroupFilter(
            app_id=AppId(self.app_id) if self.app_id else None,
            queue=self.queue,
            query=self.q,
            with_quiet=bool(self.quiet),
        )

    @property
    def narrows(self) -> bool:
        """Whether it shows less than all groups."""
        return any((self.app_id, self.queue, self.q))

    @property
    def is_filtered(self) -> bool:
        """Whether it shows anything else than what the list begins with."""
        return self.narrows or bool(self.quiet)

    def address_query(self, cursor: str | None = None) -> dict[str, Any]:
        """The parameters of this list, of the page that begins at ``cursor``."""
        kept = self.model_dump(mode="json", exclude={"cursor"}, exclude_none=True)
        return {**kept, "quiet": "true" if self.quiet else None, "cursor": cursor}


class GroupQuery(BaseModel):
    """``edit`` says what is being written."""

    model_config = ConfigDict(extra="forbid")

    edit: Annotated[Literal["note"] | None, _OrNone] = None


class AppsQuery(PageQuery):
    """``app_id`` asks for the page of one app, whatever its id."""

    app_id: Annotated[_Text | None, _OrNone] = None


class OperationsQuery(PageQuery):
    state: Annotated[OperationState | None, _OrNone] = None
    app_id: Annotated[_Text | None, _OrNone] = None


class ItemsQuery(PageQuery):
    """``result`` is what was done with an item, or what became of a moved one."""

    result: Annotated[ItemState | Outcome | None, _OrNone] = None


class JobsQuery(PageQuery):
    source: Annotated[_Text | None, _OrNone] = None
    state: JobState = JobState.FAILED


class AuditQuery(PageQuery):
    actor: Annotated[_Text | None, _OrNone] = None
    action: Annotated[_Text | None, _OrNone] = None
    app_id: Annotated[_Text | None, _OrNone] = None

    @property
    def filter(self) -> AuditFilter:
        return AuditFilter(
            actor=self.actor,
            action=self.action,
            app_id=AppId(self.app_id) if self.app_id else None,
        )


class SearchQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: Annotated[_Text, StringConstraints(max_length=256)] = ""


class ConfirmQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["retry", "resync"] = "retry"
    app_id: Annotated[_Text | None, _OrNone] = None

    @model_validator(mode="after")
    def _resync_is_of_one_app(self) -> ConfirmQuery:
        if self.kind == "resync" and self.app_id is None:
            raise ValueError("a resync of many is of one app: name it")
        return self
