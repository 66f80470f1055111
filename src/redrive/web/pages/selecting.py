"""Which entries are meant: the filter that lists and plans share, and how it is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from redrive.domain import AppId, EntryFilter, EntryState, GroupId, OperationId
from redrive.web.pages.formats import address
from redrive.wire.base import NO_CONTROL


def _given(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _with_zone(value: Any) -> Any:
    """A date field has no time zone; its label says UTC."""
    if not isinstance(value, str) or "T" not in value:
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else value


OrNone = BeforeValidator(_given)
Text = Annotated[str, StringConstraints(max_length=256, pattern=NO_CONTROL, strip_whitespace=True)]
_Count = Annotated[Annotated[int, Field(ge=0, le=1_000_000)] | None, OrNone]
_Moment = Annotated[AwareDatetime | None, BeforeValidator(_with_zone), OrNone]


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


class FilterQuery(BaseModel):
    """A filter as addresses and forms have it. An unknown name is refused: a typing error in a
    filter would otherwise mean everything."""

    model_config = ConfigDict(extra="forbid")

    app_id: Annotated[Text | None, OrNone] = None
    source: Annotated[Text | None, OrNone] = None
    queue: Annotated[Text | None, OrNone] = None
    name: Annotated[Text | None, OrNone] = None
    error_type: Annotated[Text | None, OrNone] = None
    q: Annotated[Text | None, OrNone] = None
    group_id: Annotated[Text | None, OrNone] = None
    since: Annotated[Since | None, OrNone] = None
    start: _Moment = None
    end: _Moment = None
    attempts_min: _Count = None
    attempts_max: _Count = None
    retried_min: _Count = None
    retried_max: _Count = None
    same_failures_min: _Count = None
    failed_again_in: Annotated[Text | None, OrNone] = None

    @field_validator("end", "attempts_max", "retried_max")
    @classmethod
    def _ends_in_order(cls, most: Any, info: ValidationInfo) -> Any:
        least = info.data.get(_BEGINNINGS[info.field_name or ""])
        if most is not None and least is not None and most < least:
            raise ValueError(f"must not be below {least}")
        return most

    def filter(self, now: datetime, states: tuple[EntryState, ...] = ()) -> EntryFilter:
        """The filter; of ``since`` and ``start`` the later one counts. What failed before ``end``,
        and since later than that, is nothing."""
        begins = [] if self.start is None else [self.start]
        if self.since is not None:
            begins.append(now - self.since.length)
        begin = max(begins, default=None)
        if begin is not None and self.end is not None:
            begin = min(begin, self.end)
        return EntryFilter(
            app_id=AppId(self.app_id) if self.app_id else None,
            states=states,
            source=self.source,
            queue=self.queue,
            query=self.q,
            job_name=self.name,
            error_type=self.error_type,
            failed_from=begin,
            failed_before=self.end,
            group_id=GroupId(self.group_id) if self.group_id else None,
            attempts_min=self.attempts_min,
            attempts_max=self.attempts_max,
            retried_min=self.retried_min,
            retried_max=self.retried_max,
            same_failures_min=self.same_failures_min,
            failed_again_in=OperationId(self.failed_again_in) if self.failed_again_in else None,
        )

    @property
    def given(self) -> dict[str, Any]:
        """What narrows it, as an address has it."""
        said = self.model_dump(mode="json", include=set(FilterQuery.model_fields))
        return {name: value for name, value in said.items() if value is not None}

    @property
    def uses_more(self) -> bool:
        """Whether it narrows by what only *More filters* shows."""
        return any(getattr(self, name) is not None for name in _MORE)


_BEGINNINGS = {"end": "start", "attempts_max": "attempts_min", "retried_max": "retried_min"}
_MORE = (
    *("source", "group_id", "start", "end", "attempts_min", "attempts_max"),
    *("retried_min", "retried_max", "same_failures_min", "failed_again_in"),
)

FILTER_WORDS: Mapping[str, str] = {
    "app_id": "App",
    "source": "Source",
    "queue": "Queue",
    "name": "Job name",
    "error_type": "Error type",
    "q": "Error or id",
    "group_id": "Group",
    "since": "Failed",
    "start": "Failed from",
    "end": "Failed before",
    "attempts_min": "Attempts, at least",
    "attempts_max": "Attempts, at most",
    "retried_min": "Put back, at least",
    "retried_max": "Put back, at most",
    "same_failures_min": "Failed the same way in a row, at least",
    "failed_again_in": "Failed again after operation",
}
"""What the pages call the parts of a filter."""

_KEPT_AS = {
    "query": "q",
    "job_name": "name",
    "failed_from": "start",
    "failed_before": "end",
}
"""The fields of a kept filter that addresses call otherwise."""


def kept_query(kept: str) -> dict[str, Any] | None:
    """A filter that an operation or a plan keeps, as an address has it; None for one that names
    its entries by hand, of which it keeps only the first."""
    said: Mapping[str, Any] = json.loads(kept)
    if "entry_ids" in said:
        return None
    return {_KEPT_AS.get(name, name): value for name, value in said.items()}


def list_of(kept: str | None) -> str | None:
    """The address of the list of all entries that fit a kept filter, whatever became of them."""
    query = None if kept is None else kept_query(kept)
    return None if query is None else address("/admin/failures", **query, state="any")
