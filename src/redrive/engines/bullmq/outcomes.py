"""What happened to jobs, from the queues' event streams."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from redrive.domain import JobId, JobOutcome, OutcomeKind, from_millis
from redrive.engines.bullmq.calls import Calls
from redrive.engines.bullmq.keys import QueueKeys
from redrive.engines.bullmq.text import MESSAGE_LIMIT, clean, job_id_of
from redrive.errors import RedriveError

KINDS = {
    b"active": OutcomeKind.ACTIVE,
    b"completed": OutcomeKind.COMPLETED,
    b"failed": OutcomeKind.FAILED,
    b"removed": OutcomeKind.REMOVED,
    b"cleaned": OutcomeKind.REMOVED,
}
ANSWER_SECONDS = 10.0
"""How long an answer may take beyond the wait that was asked for."""

LOOKED_BACK = 100_000
"""Events that are looked at for the last of a job; the library keeps about 10,000 if not told."""

_LOOK_BACK_PAGE = 2_000
_STREAM_ID = re.compile(r"\d{1,19}-\d{1,19}")

Outcomes = dict[str, tuple[list[JobOutcome], str]]


async def read_outcomes(
    calls: Calls, prefix: str, cursors: Mapping[str, str], limit: int, wait_seconds: float
) -> Outcomes:
    """The queues about which there is news, each with its outcomes and its next cursor.

    A queue's list may be empty: then only events of other kinds were passed.
    """
    queues = {QueueKeys(prefix, queue).of("events"): queue for queue in cursors}
    try:
        answer = await _read_streams(calls, queues, cursors, limit, wait_seconds)
    except RedriveError as error:
        if "WRONGTYPE" not in str(error):
            raise
        queues = await _streams_only(calls, queues)
        answer = await _read_streams(calls, queues, cursors, limit, wait_seconds)
    streams = answer.items() if isinstance(answer, dict) else answer or ()
    return {queues[key.decode()]: _outcomes_of(events) for key, events in streams}


async def completed_last(calls: Calls, keys: QueueKeys, job_ids: Sequence[JobId]) -> set[JobId]:
    """Those of the jobs whose last outcome in the stream is that they completed.

    A removal says nothing of the work: one after the completion is passed over. The stream is in
    the order in which it happened, whatever clocks the workers have.
    """
    sought, completed, before = set(job_ids), set(), "+"
    for _ in range(0, LOOKED_BACK, _LOOK_BACK_PAGE):
        if not sought:
            break
        page = ("COUNT", _LOOK_BACK_PAGE)
        events = await calls.one("XREVRANGE", keys.of("events"), before, "-", *page)
        for outcome in _outcomes_of(events)[0] if events else ():
            if outcome.job_id in sought and outcome.kind is not OutcomeKind.REMOVED:
                sought.remove(outcome.job_id)
                if outcome.kind is OutcomeKind.COMPLETED:
                    completed.add(outcome.job_id)
        if len(events) < _LOOK_BACK_PAGE:
            break
        before = f"({events[-1][0].decode()}"
    return completed


async def _read_streams(
    calls: Calls,
    queues: Mapping[str, str],
    cursors: Mapping[str, str],
    limit: int,
    wait_seconds: float,
) -> Any:
    if not queues:
        await asyncio.sleep(wait_seconds)
        return None
    block = ("BLOCK", max(1, round(wait_seconds * 1000))) if wait_seconds > 0 else ()
    places = [_place(cursors[queue]) for queue in queues.values()]
    return await calls.one(
        *("XREAD", "COUNT", max(1, limit), *block, "STREAMS", *queues, *places),
        timeout=wait_seconds + ANSWER_SECONDS,
    )


def _place(cursor: str) -> str:
    return cursor if _STREAM_ID.fullmatch(cursor) else "0-0"


async def _streams_only(calls: Calls, queues: Mapping[str, str]) -> dict[str, str]:
    """Leave out keys that hold something else, so that one of them cannot silence the others."""
    types = await calls.many([("TYPE", key) for key in queues])
    return {
        key: queue
        for (key, queue), found in zip(queues.items(), types, strict=True)
        if found in (b"stream", b"none")
    }


def _outcomes_of(events: list[Any]) -> tuple[list[JobOutcome], str]:
    outcomes = []
    for event_id, fields in events:
        kind = KINDS.get(fields[1]) if fields and fields[0] == b"event" else None
        if kind is not None:
            named = dict(zip(fields[::2], fields[1::2], strict=False))
            if b"jobId" in named or fields[1] == b"cleaned":
                outcomes.append(_outcome(event_id, kind, named))
    return outcomes, events[-1][0].decode()


def _outcome(event_id: bytes, kind: OutcomeKind, fields: Mapping[bytes, bytes]) -> JobOutcome:
    return JobOutcome(
        job_id=job_id_of(fields.get(b"jobId", b"")),
        kind=kind,
        at=from_millis(int(event_id.partition(b"-")[0])),
        error_message=clean(fields.get(b"failedReason"), MESSAGE_LIMIT),
    )
