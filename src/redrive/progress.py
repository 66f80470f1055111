"""The fast view of progress: one Redis hash per operation, published at every change.

The hash ``redrive:operation:{operation_id}`` lives for an hour after its last change; the ledger
holds the truth and answers when it is gone. Values are absolute, so that writing twice (a lost
reply, a takeover) changes nothing, and the script lets no count and no state go back, so that a
writer that was asleep cannot pull a bar backwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from redrive.domain import (
    TERMINAL_STATES,
    CanaryState,
    Limit,
    OperationId,
    OperationState,
    Pace,
    Progress,
    from_millis,
    to_millis,
)
from redrive.errors import StoreUnavailable

LIFETIME_SECONDS = 3600
_POLL_SECONDS = 1.0

_STAGES = {
    OperationState.QUEUED: 0,
    OperationState.PAUSED: 0,
    OperationState.RUNNING: 1,
    OperationState.CANCELLING: 2,
}
_STAGES_OF_A_TURN = len(_STAGES)
_LAST_STAGE = 1_000_000_000
_UNDO_STAGE = _LAST_STAGE + 1
"""An operation that was over and is undone stands further on its way than at its first end."""

# KEYS[1] the hash. ARGV[1] its lifetime in seconds, ARGV[2] how far the written state is on an
# operation's way, then field, value pairs. Returns 1 if written, 0 if what is there is newer.
# Atomic.
_WRITE = """
local known = redis.call('HMGET', KEYS[1], 'completed', 'released', 'stage',
                         'recovered', 'failed_again', 'vanished')
local given = {}
for i = 3, #ARGV, 2 do given[ARGV[i]] = ARGV[i + 1] end
local moved = (tonumber(known[1]) or 0) + (tonumber(known[2]) or 0)
local moving = tonumber(given['completed']) + tonumber(given['released'])
local settled = (tonumber(known[4]) or 0) + (tonumber(known[5]) or 0) + (tonumber(known[6]) or 0)
local settling = tonumber(given['recovered']) + tonumber(given['failed_again'])
               + tonumber(given['vanished'])
if moving < moved or tonumber(ARGV[2]) < (tonumber(known[3]) or 0) then return 0 end
if moving == moved and settling < settled then return 0 end
redis.call('HSET', KEYS[1], 'stage', ARGV[2], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[1]))
redis.call('PUBLISH', KEYS[1], given['state'])
return 1
"""


def key_of(operation_id: OperationId) -> str:
    """The hash's key, which is also the channel of its changes."""
    return f"redrive:operation:{operation_id}"


class RedisProgressStore:
    """:class:`redrive.ports.ProgressStore` on Redis. ``redis`` returns text."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE)

    async def write(self, progress: Progress) -> None:
        values: list[str | int] = [LIFETIME_SECONDS, _stage(progress)]
        for name, value in _fields(progress).items():
            values += [name, value]
        with _reaching():
            await self._write(keys=[key_of(progress.operation_id)], args=values)

    async def read(self, operation_id: OperationId) -> Progress | None:
        with _reaching():
            values = await cast(
                "Awaitable[dict[str, str]]", self._redis.hgetall(key_of(operation_id))
            )
        return _progress(values) if values.get("operation_id") else None

    @asynccontextmanager
    async def listen(self, operation_id: OperationId) -> AsyncIterator[Any]:
        """Subscribe to an operation's changes; yields a function that waits for the next one."""
        with _reaching():
            async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(key_of(operation_id))

                async def wait(seconds: float = _POLL_SECONDS) -> bool:
                    with _reaching():
                        return await channel.get_message(timeout=seconds) is not None

                yield wait

    async def changes(self, operation_id: OperationId) -> AsyncIterator[Progress]:
        async with self.listen(operation_id) as wait:
            last: Progress | None = None
            while True:
                progress = await self.read(operation_id)
                if progress is None:
                    return
                if progress != last:
                    yield progress
                    last = progress
                if progress.state in TERMINAL_STATES:
                    return
                await wait()


class RedisFollowerReports:
    """:class:`redrive.ports.FollowerReports`: one hash, source to milliseconds."""

    _KEY = "redrive:followers"

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def caught_up(self, source: str, at: datetime) -> None:
        with _reaching():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(self._KEY, source, to_millis(at))
                pipeline.expire(self._KEY, LIFETIME_SECONDS)
                await pipeline.execute()

    async def read(self) -> Mapping[str, datetime]:
        with _reaching():
            values = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(self._KEY))
        return {source: from_millis(int(millis)) for source, millis in values.items()}


class _reaching:  # noqa: N801 - used like a function
    """Turns Redis's errors into StoreUnavailable, and does not lose a cancellation.

    ``asyncio.wait_for`` of Python 3.11, in which redis-py connects and reads, drops a cancellation
    that comes as it ends: a stream whose client has gone would then go on for ever.
    """

    def __enter__(self) -> None:
        self._cancelled_before = _cancellations()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RedisError | OSError):
            raise StoreUnavailable from error
        if error is None and _cancellations() > self._cancelled_before:
            raise asyncio.CancelledError


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _stage(progress: Progress) -> int:
    """How far the state is on the operation's way; each pause and each resume begins a turn."""
    stage = _LAST_STAGE
    if not progress.state.terminal:
        stage = progress.turn * _STAGES_OF_A_TURN + _STAGES[progress.state]
    return stage + _UNDO_STAGE * progress.undo_wanted


def _fields(progress: Progress) -> dict[str, str | int]:
    """A pace that the writer does not know is left as the runner wrote it last."""
    values = {
        field.name: _text(getattr(progress, field.name))
        for field in fields(progress)
        if field.name != "pace"
    }
    if progress.pace is not None:
        for field in fields(progress.pace):
            values[field.name] = _text(getattr(progress.pace, field.name))
    return values


def _text(value: object) -> str | int:
    if isinstance(value, datetime):
        return to_millis(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, datetime):
        return to_millis(value)
    return "" if value is None else str(value)


def _progress(values: Mapping[str, str]) -> Progress:
    def number(name: str) -> int:
        return int(values.get(name) or 0)

    def decimal(name: str) -> float | None:
        text = values.get(name)
        return float(text) if text else None

    limit, measured = values.get("limited_by"), decimal("measured_rate")
    pace = None
    if measured is not None:
        pace = Pace(
            effective_rate=decimal("effective_rate"),
            measured_rate=measured,
            limited_by=Limit(limit) if limit else None,
        )
    canary = values.get("canary")
    finished = values.get("finished_at")
    return Progress(
        operation_id=OperationId(values["operation_id"]),
        state=OperationState(values["state"]),
        total=number("total"),
        completed=number("completed"),
        succeeded=number("succeeded"),
        failed=number("failed"),
        skipped=number("skipped"),
        released=number("released"),
        recovered=number("recovered"),
        failed_again=number("failed_again"),
        vanished=number("vanished"),
        cancelled=values.get("cancelled") == "1",
        rate=float(values.get("rate") or 0),
        turn=number("turn"),
        wanted_rate=decimal("wanted_rate"),
        canary=CanaryState(canary) if canary else None,
        paused_by=values.get("paused_by") or None,
        pause_reason=values.get("pause_reason") or None,
        pace=pace,
        waiting=number("waiting"),
        failed_same=number("failed_same"),
        finished_at=from_millis(int(finished)) if finished else None,
        undo_wanted=values.get("undo_wanted") == "1",
    )
