"""Pages of a queue's jobs: by score and id where the queue keeps a sorted set, so that jobs which
come and go meanwhile put none on two pages or on none; by place in a list, which moves."""

from __future__ import annotations

import math
from typing import Any

from redrive.domain import JobState
from redrive.engines.bullmq.calls import Calls
from redrive.engines.bullmq.keys import QueueKeys
from redrive.errors import BadCursor

LISTS = {JobState.WAITING: "wait", JobState.ACTIVE: "active", JobState.PAUSED: "paused"}
SETS = {
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.DELAYED: "delayed",
    JobState.PRIORITIZED: "prioritized",
    JobState.WAITING_CHILDREN: "waiting-children",
}
NEWEST_FIRST = (JobState.COMPLETED, JobState.FAILED)

_FARTHEST = 1_000_000
_LOOK = 500


async def page_of_ids(
    calls: Calls, keys: QueueKeys, state: JobState, cursor: str, limit: int
) -> tuple[list[bytes], str | None]:
    """Up to ``limit`` ids after the cursor and, if there are more, the next cursor; a key that
    holds something else is an empty list. Raises BadCursor."""
    if state in LISTS:
        return await _of_list(calls, keys.of(LISTS[state]), cursor, limit)
    return await _of_set(calls, keys.of(SETS[state]), cursor, limit, state in NEWEST_FIRST)


async def _of_list(
    calls: Calls, key: str, cursor: str, limit: int
) -> tuple[list[bytes], str | None]:
    """Workers take from a list's end, so that its end is what comes first."""
    offset = _offset(cursor)
    [ids] = await calls.many([("LRANGE", key, -offset - limit - 1, -offset - 1)])
    if not isinstance(ids, list):
        return [], None
    ids.reverse()
    return ids[:limit], str(offset + limit) if len(ids) > limit else None


async def _of_set(
    calls: Calls, key: str, cursor: str, limit: int, newest_first: bool
) -> tuple[list[bytes], str | None]:
    """From the cursor's score on, without what the page before has shown of the same score."""
    after = _position(cursor)
    found: list[tuple[bytes, float]] = []
    skipped = 0
    while len(found) <= limit:
        rows = await _scored(calls, key, after, newest_first, skipped, max(limit + 1, _LOOK))
        found += [row for row in rows if after is None or _is_after(row, after, newest_first)]
        skipped += len(rows)
        if len(rows) < max(limit + 1, _LOOK):
            break
    shown = found[:limit]
    if len(found) <= limit or not shown:
        return [raw_id for raw_id, _ in shown], None
    last_id, last_score = shown[-1]
    return [raw_id for raw_id, _ in shown], f"{last_score!r}/{last_id.hex()}"


async def _scored(
    calls: Calls,
    key: str,
    after: tuple[float, bytes] | None,
    newest_first: bool,
    skipped: int,
    number: int,
) -> list[tuple[bytes, float]]:
    """Ids with their scores, the cursor's own score among them."""
    first, last = ("+inf", "-inf") if newest_first else ("-inf", "+inf")
    if after is not None:
        first = repr(after[0])
    command = "ZREVRANGEBYSCORE" if newest_first else "ZRANGEBYSCORE"
    [answer] = await calls.many(
        [(command, key, first, last, "WITHSCORES", "LIMIT", skipped, number)]
    )
    values: list[Any] = answer if isinstance(answer, list) else []
    if values and isinstance(values[0], list):  # how a pair comes depends on the protocol
        return [(raw_id, float(score)) for raw_id, score in values]
    pairs = zip(values[::2], values[1::2], strict=True)
    return [(raw_id, float(score)) for raw_id, score in pairs]


def _is_after(row: tuple[bytes, float], after: tuple[float, bytes], newest_first: bool) -> bool:
    place = (row[1], row[0])
    return place < after if newest_first else place > after


def _position(cursor: str) -> tuple[float, bytes] | None:
    if not cursor:
        return None
    score, _, raw_id = cursor.partition("/")
    try:
        position = float(score), bytes.fromhex(raw_id)
    except ValueError as error:
        raise BadCursor(cursor=cursor) from error
    if math.isnan(position[0]) or not position[1]:
        raise BadCursor(cursor=cursor)
    return position


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or int(cursor[:9]) > _FARTHEST:
        raise BadCursor(cursor=cursor)
    return int(cursor)
