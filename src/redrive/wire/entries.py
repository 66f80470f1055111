"""Apps and entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from redrive import domain
from redrive.wire.base import Output, Shown
from redrive.wire.operations import Chapter


class App(Output):
    """One tenant, with how many of its entries are in each state."""

    app_id: Shown
    display_name: Shown
    failed: int
    counts: dict[domain.EntryState, int]
    first_seen_at: datetime
    last_failed_at: datetime | None
    failing_since: datetime | None = None
    """When the oldest of its failed entries failed."""


class Entry(Output):
    """One job that has failed at least once, as the ledger knows it."""

    entry_id: str
    app_id: Shown
    source: str
    queue: Shown
    job_id: Shown
    job_name: Shown
    state: domain.EntryState
    state_reason: Shown
    failures: int
    """How often it has failed."""
    failed_at: datetime
    first_failed_at: datetime
    created_at: datetime | None
    started_at: datetime | None
    recovered_at: datetime | None
    error_type: Shown
    error_message: Shown
    attempts_made: int
    data_size: int
    """Bytes of the job's data."""
    forgets: bool
    """The queue drops failed jobs by plan, so that a missing one may be rebuilt."""
    defect: Shown | None
    """What is wrong with a job that cannot be read properly."""
    operation_id: str | None
    """The operation that moved it last."""
    group_id: str | None = None
    """The failures of the same cause as its newest one."""
    same_failures: int = 0
    """How often in a row it failed the same way after it was put back."""


class Payload(Output):
    """What the job runs with. Values of keys that look like secrets are masked."""

    data: Shown
    """The job's data as the queue holds it: JSON text, so that no number loses a digit."""
    options: Shown
    """The job's options, JSON text."""
    extra: dict[str, Shown]
    """The engine's own further fields."""


class JobNow(Output):
    """Where the job is in its queue right now."""

    state: domain.JobState
    finished_at: datetime | None


class EntryDetail(Entry):
    """An entry with what is only read one at a time."""

    stacktrace: Shown
    payload: Payload | None
    """Null where the ledger keeps none."""
    job: JobNow | None
    """Null while the queue system cannot be reached."""
    history: list[Chapter]
    """The operations that took it, newest first, 100 at most, with what became of it in each."""
    has_older: bool = False
    """Older operations than these took it too."""

    @staticmethod
    def of(
        detail: domain.EntryDetail, payload: Payload | None, job: domain.JobStatus | None
    ) -> EntryDetail:
        """The entry with its payload as it may be shown."""
        fields: Mapping[str, object] = {
            **Entry.model_validate(detail.entry).model_dump(),
            "stacktrace": detail.stacktrace,
            "payload": payload,
            "job": job,
            "history": [Chapter.of(chapter) for chapter in detail.story],
            "has_older": detail.has_older,
        }
        return EntryDetail.model_validate(fields)
