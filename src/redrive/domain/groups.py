"""Groups: the failures of one cause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from redrive.domain.history import Entry, MatchCount
from redrive.domain.names import AppId, EntryId, GroupId


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupFrame:
    """One call that the failures of a group share."""

    module: str
    function: str
    is_own: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupPoint:
    """How many failures of a group happened from ``at`` on, for one step."""

    at: datetime
    failed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The failures of one cause.

    ``failed`` counts the entries that are failed now, ``entries`` all whose newest failure it is,
    ``failures`` every failure ever. ``frames`` are those that told it from others, innermost
    first. ``apps`` have failed entries of it. ``example`` is the entry that failed last.
    """

    group_id: GroupId
    source: str
    queue: str
    job_name: str
    error_type: str
    title: str
    basis: str
    frames: tuple[GroupFrame, ...]
    failed: int
    entries: int
    failures: int
    apps: MatchCount
    first_seen_at: datetime
    last_failed_at: datetime
    chart: tuple[GroupPoint, ...]
    example_entry_id: EntryId | None
    note: str
    noted_by: str | None
    noted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDetail:
    """A group with what is only read one at a time; ``touched`` are the first of its ``apps``, by
    name."""

    group: Group
    example: Entry | None
    touched: tuple[AppId, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupFilter:
    """Which groups a list shows: those that have failed entries (of ``app_id``), unless
    ``with_quiet``. ``query`` is found in the title, the error's type, the job's name or the note,
    or is the group's id.
    """

    app_id: AppId | None = None
    queue: str | None = None
    query: str | None = None
    with_quiet: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RegroupedBatch:
    """What one batch of regrouping did; ``more`` says to go on."""

    moved: int
    merged: int
    more: bool
