"""The failures that a queue still holds: pages behind a place, and a walk over all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote_from_bytes, unquote_to_bytes

from redrive.domain import Failure, JobId, JobState, JobStatus
from redrive.engines.bullmq.calls import Argument, Calls
from redrive.engines.bullmq.keys import QueueKeys
from redrive.engines.bullmq.reading import DATA_READ_LIMIT, FailureReader, Record
from redrive.engines.bullmq.scripts import script
from redrive.engines.bullmq.text import finish_time, job_id_of

PAGE_BYTES = 8 * 1024 * 1024
"""How much of their records one answer may hold: pages of large jobs are shorter."""

_CURSOR = re.compile(r"-?(\d+(\.\d+)?(e[+-]?\d+)?|inf):", re.ASCII)

Named = tuple[Argument, ...]


async def failures_after(
    calls: Calls, reader: FailureReader, keys: QueueKeys, cursor: str, limit: int
) -> tuple[list[Failure], str]:
    """A page behind the cursor ``finish time:percent-encoded id``, and the next cursor.

    Any other text means the beginning: to read again is harmless, to stop would not be.
    """
    score, _, member = (cursor if _CURSOR.match(cursor) else "").partition(":")
    place: Named = ("after", score, unquote_to_bytes(member))
    records = await _records(calls, keys, limit, place)
    failures = [reader.failure(keys.queue, record) for record in records]
    if records:
        last = records[-1]
        cursor = f"{last.score.decode()}:{quote_from_bytes(last.raw_id, safe='')}"
    return failures, cursor


async def failures_named(
    calls: Calls, reader: FailureReader, keys: QueueKeys, job_ids: Sequence[JobId]
) -> list[Failure]:
    """The failures of those of the named jobs that are failed now, in the order of the names."""
    failures: list[Failure] = []
    missing = list(job_ids)
    while missing:
        records = await _records(calls, keys, len(missing), ("named", *missing))
        failures += [reader.failure(keys.queue, record) for record in records]
        if not records:
            break
        # A page that was cut at its size ends at a job, and the names behind it are still due.
        missing = missing[missing.index(job_id_of(records[-1].raw_id)) + 1 :]
    return failures


async def failed_page(
    calls: Calls, keys: QueueKeys, cursor: str, limit: int
) -> tuple[list[JobStatus], str | None]:
    """A step of a walk over all failed jobs. Each job that is there from the walk's beginning
    to its end is met, whatever comes and goes meanwhile; some may be met twice."""
    if await calls.one("TYPE", keys.of("failed")) != b"zset":
        return [], None
    following, flat = await calls.one(
        "ZSCAN", keys.of("failed"), cursor or "0", "COUNT", max(1, limit)
    )
    found = [
        JobStatus(
            job_id=job_id_of(flat[at]),
            state=JobState.FAILED,
            finished_at=finish_time(flat[at + 1]),
        )
        for at in range(0, len(flat), 2)
    ]
    return found, None if following == b"0" else following.decode()


async def _records(calls: Calls, keys: QueueKeys, limit: int, which: Named) -> list[Record]:
    answers = await calls.script(
        script("failures"),
        [keys.of("failed")],
        [keys.base, limit, PAGE_BYTES, DATA_READ_LIMIT, *which],
    )
    return [Record.of(answer) for answer in answers]
