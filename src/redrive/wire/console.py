"""The rest of what the console shows: overview, queues, audit trail, session, readiness."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from redrive import domain
from redrive.wire.base import Output, Shown
from redrive.wire.entries import App
from redrive.wire.operations import Operation


class Follower(Output):
    """How far behind a source its follower is."""

    source: str
    caught_up_at: datetime | None
    """When everything that had failed was in the ledger; null if none has said so for an hour,
    or where that is not known."""
    lag_seconds: float | None
    is_known: bool = True
    """False while Redrive's own Redis, which keeps the reports, does not answer."""


class Overview(Output):
    """The state of everything in one look."""

    failed: int
    failing_since: datetime | None = None
    """When the oldest of the entries that are failed now failed."""
    totals: dict[domain.EntryState, int]
    recovered_24h: int
    """Recoveries in the last 24 hours, counted in whole minutes."""
    apps: list[App]
    """The apps with the most failed entries, at most 20."""
    operations: list[Operation]
    """The open ones."""
    followers: list[Follower]


class Queue(Output):
    """How many jobs a queue holds in each state, by the queue system's own count."""

    source: str
    queue: Shown
    counts: dict[domain.JobState, int]
    paused: bool
    library: str = ""
    """Which library wrote the queue, where it says so."""
    problem: Shown | None = None
    """Why the counts could not be read."""


class Job(Output):
    """One job in a queue."""

    job_id: Shown
    name: Shown
    state: domain.JobState
    attempts_made: int
    created_at: datetime | None
    finished_at: datetime | None
    error_message: Shown


class AuditEntry(Output):
    """Who did what, when, from where, with what result."""

    seq: int
    at: datetime
    actor: str
    origin: str
    action: str
    scope: Shown
    reason: Shown
    result: Shown
    operation_id: str | None
    counts: dict[str, int]
    before: dict[str, Any] | None = None
    """What it changed, as it was; null where there was nothing, or nothing was changed."""
    after: dict[str, Any] | None = None
    """What it changed, as it was then."""


class Session(Output):
    """The session that the request came with."""

    user: str
    created_at: datetime
    idle_until: datetime
    """It ends then, unless it is used."""
    ends_at: datetime
    """It ends then in any case."""


class User(Output):
    """Who may log in."""

    name: str
    created_at: datetime


class Readiness(Output):
    """Which parts can be reached."""

    ready: bool
    components: dict[str, bool]
