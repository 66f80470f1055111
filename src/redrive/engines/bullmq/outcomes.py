"""What happened to jobs, from the queues' event streams."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
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
_LAST_MILLIS = 253_402_300_799_999
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


async def begun_anew(calls: Calls, prefix: str, cursors: Mapping[str, str]) -> set[str]:
    """The queues whose newest event is numbered below the cursor. A stream counts on from its
    server's clock, and one that is deleted forgets how far it had come."""
    named = {QueueKeys(prefix, queue).of("events"): queue for queue in cursors}
    queues = await _streams_only(calls, named)
    newest = await calls.many([("XREVRANGE", key, "+", "-", "COUNT", 1) for key in queues])
    return {
        queue
        for queue, events in zip(queues.values(), newest, strict=True)
        if events and _number_of(events[0][0].decode()) < _number_of(_place(cursors[queue]))
    }


async def completed_last(
    calls: Calls, keys: QueueKeys, job_ids: Sequence[JobId]
) -> dict[JobId, datetime]:
    """Those of the jobs whose last outcome in the stream is that they completed, and when.

    A removal says nothing of the work: one after the completion is passed over. A job that the
    library has numbered itself is another one, of the same number, if it was added after its
    failure: a queue that was obliterated counts from one again.
    """
    look = _LookBack(job_ids)
    before = "+"
    for _ in range(0, LOOKED_BACK, _LOOK_BACK_PAGE):
        if look.is_over:
            break
        page = ("COUNT", _LOOK_BACK_PAGE)
        events = await calls.one("XREVRANGE", keys.of("events"), before, "-", *page)
        for event_id, fields in events:
            look.pass_by(event_id, dict(zip(fields[::2], fields[1::2], strict=False)))
        if len(events) < _LOOK_BACK_PAGE:
            break
        before = f"({events[-1][0].decode()}"
    return look.completed


class _LookBack:
    """What the events of a stream, newest first, say of some jobs."""

    def __init__(self, job_ids: Sequence[JobId]) -> None:
        self.completed: dict[JobId, datetime] = {}
        self._sought = set(job_ids)
        self._numbered: set[JobId] = set()

    @property
    def is_over(self) -> bool:
        """Whether no older event can say more."""
        return not self._sought and not self._numbered

    def pass_by(self, event_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        job_id, event = job_id_of(fields.get(b"jobId", b"")), fields.get(b"event")
        if job_id in self._numbered and event in (b"failed", b"added"):
            self._numbered.discard(job_id)
            if event == b"added":
                del self.completed[job_id]
        elif job_id in self._sought and event in (b"completed", b"failed", b"active"):
            self._sought.discard(job_id)
            if event == b"completed":
                self.completed[job_id] = _time_of(event_id)
                if job_id.isdecimal():
                    self._numbered.add(job_id)


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


def _number_of(event_id: str) -> tuple[int, int]:
    millis, _, number = event_id.partition("-")
    return int(millis), int(number)


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
            if b"jobId" in named or (fields[1] == b"cleaned" and named.get(b"count") != b"0"):
                outcomes.append(_outcome(event_id, kind, named))
    return outcomes, events[-1][0].decode()


def _outcome(event_id: bytes, kind: OutcomeKind, fields: Mapping[bytes, bytes]) -> JobOutcome:
    return JobOutcome(
        job_id=job_id_of(fields.get(b"jobId", b"")),
        kind=kind,
        at=_time_of(event_id),
        error_message=clean(fields.get(b"failedReason"), MESSAGE_LIMIT),
    )


def _time_of(event_id: bytes) -> datetime:
    """The server's time of an event; one beyond all calendars, given by hand, is cut."""
    return from_millis(min(int(event_id.partition(b"-")[0]), _LAST_MILLIS))
