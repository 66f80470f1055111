"""What an engine tells of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from redrive.domain.names import AppId, EntryId, JobId, OperationId, entry_id_of
from redrive.domain.states import JobState, OutcomeKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What is needed to run a job again, byte for byte as the engine held it.

    ``extra`` holds the engine's own further fields (parent, scheduler key, …), opaque elsewhere.
    """

    data: bytes
    options: bytes
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """Which hand-over moved a job last."""

    operation_id: OperationId
    generation: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One failure occurrence, as an engine reports it.

    ``failed_at`` is the engine's finish time of the run and, with the job, names the occurrence.
    ``forgets`` says that the engine drops failed jobs by plan, so that a missing one may be
    rebuilt. ``defect`` says what is wrong with a job that cannot be read properly.
    ``event_only`` means that the engine dropped the job at once and only said that it failed, so
    that ``failed_at`` is the time of the saying.
    """

    source: str
    queue: str
    job_id: JobId
    app_id: AppId
    job_name: str
    failed_at: datetime
    error_type: str
    error_message: str
    stacktrace: str
    attempts_made: int
    created_at: datetime | None = None
    started_at: datetime | None = None
    payload: Payload | None = None
    data_size: int = 0
    stamp: Stamp | None = None
    forgets: bool = False
    defect: str | None = None
    event_only: bool = False

    @property
    def entry_id(self) -> EntryId:
        return entry_id_of(self.source, self.queue, self.job_id)


DATA_UNREADABLE = "The job's data is not JSON."


OPTIONS_UNREADABLE = "The job's options are not JSON."
"""Defects of jobs that no worker can read."""


DROPPED_AT_ONCE = "its queue dropped the job at once: only the error is known"
"""The defect of a failure that was only announced (see ``Failure.event_only``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobOutcome:
    """Something that happened to a job, by the engine's clock.

    REMOVED with an empty ``job_id`` says that jobs were removed without naming them.
    """

    job_id: JobId
    kind: OutcomeKind
    at: datetime
    error_message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """Where a job is and, if it has finished, since when."""

    job_id: JobId
    state: JobState
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueCounts:
    """How many jobs a queue holds in each state, by the engine."""

    source: str
    queue: str
    counts: Mapping[JobState, int]
    paused: bool
    library: str = ""
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSummary:
    """One job in an engine's list."""

    job_id: JobId
    name: str
    state: JobState
    attempts_made: int
    created_at: datetime | None
    finished_at: datetime | None
    error_message: str
