"""Queues in memory, seen from the other side: by producers, workers, other tools, and faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from redrive.domain import (
    JobId,
    JobOutcome,
    JobState,
    OutcomeKind,
    RequeueResult,
    Stamp,
    TakeBackResult,
    from_millis,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryJob:
    """A job as the queue system holds it; ``finished_at`` is None unless it has finished."""

    job_id: JobId
    name: str
    data: bytes
    state: JobState
    created_at: datetime
    forgets: bool = False
    finished_at: datetime | None = None
    error_message: str = ""
    attempts_made: int = 0
    stamp: Stamp | None = None
    low_priority: bool = False
    started: bool = False


@dataclass(slots=True)
class MemoryQueue:
    jobs: dict[JobId, MemoryJob] = field(default_factory=dict)
    outcomes: list[JobOutcome] = field(default_factory=list)
    receipts: dict[str, list[RequeueResult]] = field(default_factory=dict)
    undo_receipts: dict[str, list[TakeBackResult]] = field(default_factory=dict)
    before: dict[str, MemoryJob] = field(default_factory=dict)


_WAITING = (JobState.WAITING, JobState.PRIORITIZED)


class MemoryQueues:
    """Jobs in named queues. Times are those of a clock that never shows a millisecond twice."""

    def __init__(self) -> None:
        self.away = False
        self._replies_to_lose = 0
        self._queues: dict[str, MemoryQueue] = {}
        self._last_millis = 0
        self._news = asyncio.Event()

    def job(self, queue: str, job_id: str) -> MemoryJob | None:
        return self._queue(queue).jobs.get(JobId(job_id))

    def add(
        self,
        queue: str,
        job_id: str,
        data: Mapping[str, object] | None = None,
        *,
        app_id: str = "acme",
        forgets: bool = False,
    ) -> None:
        """A producer adds a job; it waits."""
        text = json.dumps({"app_id": app_id} if data is None else data, separators=(",", ":"))
        self._queue(queue).jobs[JobId(job_id)] = MemoryJob(
            job_id=JobId(job_id),
            name="job",
            data=text.encode(),
            state=JobState.WAITING,
            created_at=self._now(),
            forgets=forgets,
        )

    def take(self, queue: str) -> JobId | None:
        """A worker takes the next job: one of low priority when no other waits."""
        waiting = [job for job in self._queue(queue).jobs.values() if job.state in _WAITING]
        waiting.sort(key=lambda job: job.low_priority)
        if not waiting:
            return None
        self.start(queue, waiting[0].job_id)
        return waiting[0].job_id

    def start(self, queue: str, job_id: str) -> None:
        """A worker takes the job."""
        self._change(queue, job_id, state=JobState.ACTIVE, started=True)
        self._tell(queue, job_id, OutcomeKind.ACTIVE, self._now())

    def fail(
        self, queue: str, job_id: str, error: str = "boom", *, at: datetime | None = None
    ) -> datetime:
        """A worker runs the job (added if unknown) and it fails for good; returns when."""
        if self.job(queue, job_id) is None:
            self.add(queue, job_id)
        job = self._queue(queue).jobs[JobId(job_id)]
        told_at = self._now()
        failed_at = at or told_at
        self._change(
            queue,
            job_id,
            state=JobState.FAILED,
            started=True,
            finished_at=failed_at,
            error_message=error,
            attempts_made=job.attempts_made + 1,
        )
        self._tell(queue, job_id, OutcomeKind.FAILED, told_at, error)
        return failed_at

    def complete(self, queue: str, job_id: str, *, keep: bool = True) -> None:
        """A worker runs the job to its end; ``keep`` false: the queue forgets it at once."""
        now = self._now()
        self._change(queue, job_id, state=JobState.COMPLETED, started=True, finished_at=now)
        self._tell(queue, job_id, OutcomeKind.COMPLETED, now)
        if not keep:
            self.drop(queue, job_id)

    def remove(self, queue: str, job_id: str) -> None:
        """Somebody removes the job."""
        self.drop(queue, job_id)
        self._tell(queue, job_id, OutcomeKind.REMOVED, self._now())

    def drop(self, queue: str, job_id: str) -> None:
        """The queue drops the job by plan."""
        del self._queue(queue).jobs[JobId(job_id)]

    def retry_elsewhere(self, queue: str, job_id: str) -> None:
        """Another tool retries the job."""
        self._change(queue, job_id, state=JobState.WAITING, started=False, finished_at=None)

    def lose_reply(self, times: int = 1) -> None:
        """The next calls that change something take effect, and their answers do not arrive."""
        self._replies_to_lose += times

    def forget_everything(self) -> None:
        """The queue system restarts empty."""
        self._queues.clear()

    def _queue(self, name: str) -> MemoryQueue:
        return self._queues.setdefault(name, MemoryQueue())

    def _now(self) -> datetime:
        self._last_millis = max(self._last_millis + 1, time.time_ns() // 1_000_000)
        return from_millis(self._last_millis)

    def _failed(self, queue: str) -> list[MemoryJob]:
        jobs = self._queue(queue).jobs.values()
        return [job for job in jobs if job.state is JobState.FAILED]

    def _change(self, queue: str, job_id: str, **fields: Any) -> None:
        jobs = self._queue(queue).jobs
        jobs[JobId(job_id)] = replace(jobs[JobId(job_id)], **fields)

    def _tell(
        self, queue: str, job_id: str, kind: OutcomeKind, at: datetime, error: str = ""
    ) -> None:
        self._queue(queue).outcomes.append(
            JobOutcome(job_id=JobId(job_id), kind=kind, at=at, error_message=error)
        )
        self._news.set()
