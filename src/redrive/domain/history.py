"""What the ledger tells: apps, entries, items, audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redrive.domain.jobs import Payload
from redrive.domain.names import AppId, EntryId, GroupId, JobId, OperationId
from redrive.domain.states import (
    EntryState,
    ItemState,
    OperationKind,
    Outcome,
    Prunable,
    Reason,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """One tenant, with how many of its entries are in each state.

    ``failing_since`` is when the oldest of its failed entries failed.
    """

    app_id: AppId
    display_name: str
    counts: Mapping[EntryState, int]
    first_seen_at: datetime
    last_failed_at: datetime | None
    failing_since: datetime | None = None

    @property
    def failed(self) -> int:
        return self.counts.get(EntryState.FAILED, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One job that has failed at least once, as the ledger knows it.

    ``same_failures`` is how many times in a row it failed the same way after it was handed over.
    """

    entry_id: EntryId
    app_id: AppId
    source: str
    queue: str
    job_id: JobId
    job_name: str
    state: EntryState
    state_reason: str
    failure_seq: int
    failures: int
    generation: int
    failed_at: datetime
    first_failed_at: datetime
    created_at: datetime | None
    started_at: datetime | None
    recovered_at: datetime | None
    error_type: str
    error_message: str
    attempts_made: int
    data_size: int
    forgets: bool
    defect: str | None
    operation_id: OperationId | None
    group_id: GroupId | None = None
    same_failures: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One entry inside one operation, with what became of it.

    ``same_way`` says of one that failed again whether it failed as before; None: not known.
    """

    operation_id: OperationId
    entry_id: EntryId
    app_id: AppId
    job_id: JobId
    queue: str
    batch_number: int
    state: ItemState
    reason: Reason | None
    detail: str
    outcome: Outcome | None
    failed_at: datetime
    settled_at: datetime | None
    same_way: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """What one operation was to an entry: who started it, when and why, and what became of it."""

    item: Item
    kind: OperationKind
    actor: str
    why: str
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryDetail:
    """An entry with what is only read one at a time.

    ``story`` is its newest chapters, newest first; ``has_older`` says that there are more.
    """

    entry: Entry
    stacktrace: str
    payload: Payload | None
    story: tuple[Chapter, ...]
    has_older: bool = False

    @property
    def history(self) -> tuple[Item, ...]:
        """The items of the story."""
        return tuple(chapter.item for chapter in self.story)


MOST_ENTRY_IDS = 10_000
"""How many entries a filter names by hand at most."""


_RANGES = (
    ("attempts_min", "attempts_max"),
    ("retried_min", "retried_max"),
    ("failed_from", "failed_before"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryFilter:
    """Which entries a list shows; ``query`` is found in the error, the job id or the entry id,
    ``error_type`` is the whole of it.

    Its state is one of ``states``, or any where there are none. The newest failure lies at or
    after ``failed_from`` and before ``failed_before``, and is of the group ``group_id``.
    ``retried`` counts hand-overs, ``attempts`` the runs of the newest failure; both ends of a
    range belong to it. ``failed_again_in`` names the operation that moved the entry last, and
    after which it failed again. ``entry_ids`` are MOST_ENTRY_IDS at most. Raises ValueError for a
    range that ends before it begins.
    """

    app_id: AppId | None = None
    states: tuple[EntryState, ...] = ()
    source: str | None = None
    queue: str | None = None
    query: str | None = None
    job_name: str | None = None
    error_type: str | None = None
    failed_from: datetime | None = None
    failed_before: datetime | None = None
    group_id: GroupId | None = None
    attempts_min: int | None = None
    attempts_max: int | None = None
    retried_min: int | None = None
    retried_max: int | None = None
    same_failures_min: int | None = None
    failed_again_in: OperationId | None = None
    entry_ids: tuple[EntryId, ...] = ()

    def __post_init__(self) -> None:
        for first, last in _RANGES:
            least, most = getattr(self, first), getattr(self, last)
            if least is not None and most is not None and most < least:
                raise ValueError(f"{last}: must not be below {least}")

    @property
    def is_by_time(self) -> bool:
        """Whether its list is ordered by when the entries failed: that of failed ones is. Other
        lists have the order in which a ledger recorded the failures."""
        return self.states == (EntryState.FAILED,)

    @property
    def indexed(self) -> EntryFilter:
        """The part of it that a ledger finds without looking at entries that do not fit: of an
        app and a group, the group."""
        if self.entry_ids:
            return EntryFilter(entry_ids=self.entry_ids, states=self.states)
        if not self.is_by_time:
            return EntryFilter(app_id=self.app_id)
        return EntryFilter(
            app_id=None if self.group_id is not None else self.app_id,
            group_id=self.group_id,
            states=self.states,
            failed_from=self.failed_from,
            failed_before=self.failed_before,
        )


MOST_COUNTED = 10_000
LOOKED_AT = 20_000
"""How many matches are counted, and how many entries are looked at for them, while somebody
waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchCount:
    """How many entries fit a filter: ``found``, or more than that where ``is_bounded``.

    A count is bounded after so many matches, or after so many entries that were looked at.
    """

    found: int
    is_bounded: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which rows of the audit trail a list shows; ``app_id`` takes in the app's single entries."""

    actor: str | None = None
    action: str | None = None
    app_id: AppId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityPoint:
    """How many failures and recoveries the ledger took in from ``at`` on, for one step."""

    at: datetime
    failed: int
    recovered: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonCount:
    """How many items of an operation ended alike."""

    state: ItemState
    reason: Reason | None
    items: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long what is over is kept; None keeps it for ever."""

    history: timedelta | None
    audit: timedelta | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OverEntry:
    """An entry that is over for so long that it may go, and the job that it is of."""

    entry_pk: int
    source: str
    queue: str
    job_id: JobId


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunedBatch:
    """What one batch of pruning removed; ``more`` says to go on, after ``position``."""

    removed: Mapping[Prunable, int]
    more: bool
    position: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Who did what, when, with what result. ``seq`` only grows.

    ``before`` and ``after`` are what it changed; both are None where nothing was changed.
    """

    seq: int
    at: datetime
    actor: str
    origin: str
    action: str
    scope: str
    reason: str
    result: str
    operation_id: OperationId | None
    counts: Mapping[str, int]
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A console user; ``session_epoch`` grows with every change that ends all sessions."""

    name: str
    password_hash: str
    session_epoch: int
    created_at: datetime
