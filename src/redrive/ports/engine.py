"""The seam to a queue system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from redrive.domain import (
    Failure,
    JobId,
    JobOutcome,
    JobState,
    JobStatus,
    JobSummary,
    Payload,
    QueueCounts,
    RequeueBatch,
    RequeueResult,
    TakeBackBatch,
    TakeBackResult,
)
from redrive.ports.common import Page


class Engine(Protocol):
    """One watched queue system. Every method raises EngineUnavailable when it cannot be reached.

    A cursor is opaque text that only the engine reads; ``""`` means the beginning.
    """

    source: str

    async def check(self) -> None:
        """Reach the queue system and refuse what is not supported (EngineUnsupported)."""

    async def queues(self) -> list[str]:
        """The names of the watched queues that exist now, sorted."""

    def problems(self) -> Mapping[str, str]:
        """Queues that :meth:`queues` found and left out, and why."""

    async def failures(self, queue: str, cursor: str, limit: int) -> tuple[list[Failure], str]:
        """The next failures that the engine still holds, oldest first, and the next cursor.

        Complete for failures from before Redrive came. An empty list means: caught up. A job
        that cannot be read comes as a Failure with a ``defect``; it never raises.
        """

    async def failures_of(self, queue: str, job_ids: Sequence[JobId]) -> list[Failure]:
        """The failures of those of the named jobs that are failed right now."""

    async def failed_ids(
        self, queue: str, cursor: str, limit: int
    ) -> tuple[list[JobStatus], str | None]:
        """A page of all failed jobs with their finish times; next cursor None at the end.

        Does not depend on finish times being in order, so a walk over all pages finds failures
        that :meth:`failures` passed by because a worker's clock was behind.
        """

    async def outcomes(
        self, cursors: Mapping[str, str], limit: int, wait_seconds: float
    ) -> dict[str, tuple[list[JobOutcome], str]]:
        """What happened to jobs since the cursors, by queue, oldest first; may miss what the
        engine has trimmed. Waits up to ``wait_seconds`` for something to happen."""

    async def begun_anew(self, cursors: Mapping[str, str]) -> set[str]:
        """Those of the queues whose outcomes, all of them, are numbered below their cursors: they
        were made anew since, by a server whose clock was set back. They are read from their
        beginning with the cursor ""."""

    async def statuses(self, queue: str, job_ids: Sequence[JobId]) -> list[JobStatus]:
        """Where each named job is now, in the order of the names. State MISSING: unknown."""

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        """Move the batch's jobs back to their queue, atomically, and leave a receipt.

        Called again for the same operation, number and queue it moves nothing and answers the
        same, even when jobs have completed since. One result per item, in order. Answers:
        REQUEUED, ALREADY_LIVE, SUPERSEDED (it failed again: ``failed_at`` differs), NOT_FAILED,
        MISSING, ERROR, or WITHHELD if :meth:`withhold` took the receipt first.

        ``low_priority``: the jobs, and their further attempts, run when no other job of the queue
        waits, in the order of the batches; the next hand-over without it gives them their own
        priority again. Ignored by an engine that knows no priorities.
        """

    async def withhold(self, batch: RequeueBatch) -> list[RequeueResult]:
        """Take the batch's receipt so that it can never be moved. If it was moved already,
        nothing changes and the results are those of the move (RECREATED for a job that was
        rebuilt since; WITHHELD for a missing one, which is not rebuilt any more); else all are
        WITHHELD."""

    async def rebuild(
        self, batch: RequeueBatch, job_id: JobId, name: str, payload: Payload
    ) -> RequeueResult:
        """Create a job that the engine has forgotten, under a receipt of its own.

        Answers RECREATED; ALREADY_LIVE when the engine knows the job after all. ``low_priority``
        holds as for :meth:`requeue`.
        """

    async def completed(self, queue: str, job_ids: Sequence[JobId]) -> dict[JobId, datetime]:
        """Those of the named jobs whose last outcome is that they completed, as far back as the
        engine remembers, and when. Not where the engine has given a number to another job."""

    async def decline(self, batch: RequeueBatch, job_id: JobId) -> RequeueResult:
        """Take the receipt of a job's rebuild because the job has completed elsewhere.

        Answers NOT_FAILED, as every later call for that rebuild does; or RECREATED or WITHHELD
        where that came before.
        """

    async def take_back(self, batch: TakeBackBatch) -> list[TakeBackResult]:
        """Take moved jobs that nobody has started back to where they were, and leave a receipt.

        A job that carries the stamp of this hand-over and still waits is failed again (or
        completed, after a resync) as it was: same finish time, error, data and counters, so that
        it is the same occurrence and no new one. One that the operation created is removed again.
        Atomic: no worker gets a job that is taken back, and none that a worker has taken, or has
        had, is touched. Nothing is told among the outcomes.

        Called again for the same operation and number it changes nothing and answers the same.
        One result per item, in order: TAKEN_BACK, STARTED, CHANGED (moved or added anew by
        somebody since), MISSING, LEFT (it waits and stays there; ``detail`` says why), ERROR.
        An engine that cannot take back answers LEFT.
        """

    async def counts(self, queue: str) -> QueueCounts:
        """How many jobs the queue holds in each state."""

    async def jobs(self, queue: str, state: JobState, cursor: str, limit: int) -> Page[JobSummary]:
        """Jobs of one state, the next to run or the newest finished first.

        Finished ones are each on exactly one page, whatever finishes or is taken meanwhile. Of a
        list that workers take from, a job may be on two pages or on none. Raises BadCursor.
        """

    async def close(self) -> None:
        """Give the connections back."""
