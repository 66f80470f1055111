"""The queue-status view: counts, and lists of jobs by state."""

from __future__ import annotations

from collections.abc import Sequence

from redrive.domain import JobState, JobStatus, JobSummary, QueueCounts
from redrive.engines.bullmq.calls import Calls
from redrive.engines.bullmq.keys import QueueKeys
from redrive.engines.bullmq.library import problem_of
from redrive.engines.bullmq.lists import LISTS, SETS, page_of_ids
from redrive.engines.bullmq.scripts import script
from redrive.engines.bullmq.text import (
    MESSAGE_LIMIT,
    NAME_LIMIT,
    attempts_of,
    clean,
    finish_time,
    job_id_of,
    time_of,
)
from redrive.ports import Page

SUMMARY_FIELDS = ("name", "atm", "timestamp", "finishedOn", "failedReason")
STATUS_LETTERS = {
    "f": JobState.FAILED,
    "c": JobState.COMPLETED,
    "m": JobState.MISSING,
    "o": JobState.UNKNOWN,
    "d": JobState.DELAYED,
    "p": JobState.PRIORITIZED,
    "h": JobState.WAITING_CHILDREN,
    "a": JobState.ACTIVE,
    "w": JobState.WAITING,
    "z": JobState.PAUSED,
    "b": JobState.WAITING,
}


async def read_statuses(calls: Calls, keys: QueueKeys, job_ids: Sequence[str]) -> list[JobStatus]:
    """Where each named job is, all at one moment."""
    if not job_ids:
        return []
    answers = await calls.script(
        script("queue", "statuses"), keys.for_scripts, [keys.base, *job_ids]
    )
    return [
        JobStatus(
            job_id=job_id_of(job_id.encode()),
            state=STATUS_LETTERS[answer[:1].decode()],
            finished_at=finish_time(answer[1:]) if len(answer) > 1 else None,
        )
        for job_id, answer in zip(job_ids, answers, strict=True)
    ]


async def read_counts(calls: Calls, keys: QueueKeys, source: str) -> QueueCounts:
    """How many jobs are in each state. A key that holds something else counts as a problem."""
    states = [*LISTS, *SETS]
    answers = await calls.many(
        [
            *(("LLEN", keys.of(name)) for name in LISTS.values()),
            *(("ZCARD", keys.of(name)) for name in SETS.values()),
            ("HMGET", keys.of("meta"), "paused", "version"),
        ]
    )
    counts = {
        state: answer if isinstance(answer, int) else 0
        for state, answer in zip(states, answers, strict=False)
    }
    unreadable = [answer for answer in answers if isinstance(answer, Exception)]
    paused, version = answers[-1] if isinstance(answers[-1], list) else (None, None)
    return QueueCounts(
        source=source,
        queue=keys.queue,
        counts=counts,
        paused=paused is not None,
        library=clean(version, NAME_LIMIT),
        problem="One of the queue's own keys is not what the queue library writes."
        if unreadable
        else problem_of(version),
    )


async def read_jobs(
    calls: Calls, keys: QueueKeys, state: JobState, cursor: str, limit: int
) -> Page[JobSummary]:
    """A page of the jobs of one state: the next to run, or the newest finished, first."""
    ids, after = await page_of_ids(calls, keys, state, cursor, limit)
    commands = [("HMGET", keys.base.encode() + raw_id, *SUMMARY_FIELDS) for raw_id in ids]
    records = await calls.many(commands) if commands else []
    shown = [
        _summary(
            raw_id, record if isinstance(record, list) else [None] * len(SUMMARY_FIELDS), state
        )
        for raw_id, record in zip(ids, records, strict=True)
    ]
    return Page(items=shown, next_cursor=after)


def _summary(raw_id: bytes, record: list[bytes | None], state: JobState) -> JobSummary:
    name, attempts, created, finished, reason = record
    return JobSummary(
        job_id=job_id_of(raw_id),
        name=clean(name, NAME_LIMIT),
        state=state,
        attempts_made=attempts_of(attempts),
        created_at=time_of(created),
        finished_at=time_of(finished),
        error_message=clean(reason, MESSAGE_LIMIT),
    )
