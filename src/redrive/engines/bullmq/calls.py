"""Talking to the queues' Redis: one place that knows what an error means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's name for it
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - the same
)

from redrive.engines.bullmq.scripts import Script
from redrive.errors import EngineUnavailable, RedriveError

Argument = str | bytes | int | float
Command = Sequence[Argument]

REFUSALS = (
    "READONLY",
    "OOM ",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "LOADING",
    "BUSY ",
    "CLUSTERDOWN",
    "NOAUTH",
    "NOPERM",
)
"""Answers with which a server refuses a write, or any command, before it has begun."""

REFUSING = (ReadOnlyError, OutOfMemoryError, NoPermissionError, ClusterDownError)
"""The same where an answer begins with such a word: redis-py takes it away then. Up to version 6 a
server has the word in the middle of what it answers to a script, from version 7 on in front."""


class Calls:
    """Commands to one source's Redis, with raw answers: bytes, integers and lists.

    Raises EngineUnavailable with the field ``sent``: False where the server surely executed
    nothing (no connection, or it refused), True where nobody knows. Nothing is repeated here.
    A call that is cancelled gives its connection up, so that the next one cannot read its answer.
    """

    def __init__(self, client: Redis, source: str) -> None:
        self._client = client
        self._source = source

    async def one(self, *command: Argument, timeout: float | None = None) -> Any:
        """One command's answer; an error answer raises. ``timeout`` (seconds) for the answer."""
        async with self._sent([command]) as connection:
            return await connection.read_response(timeout=timeout)

    async def many(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to some commands sent at once, not atomically; error answers as values."""
        if not commands:
            return []
        async with self._sent(commands) as connection:
            return [await _answer_or_error(connection) for _ in commands]

    async def script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Any:
        """Run a script, sending its text only to a server that does not know it yet."""
        try:
            return await self.one("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.one("EVAL", script.text, len(keys), *keys, *arguments)

    @asynccontextmanager
    async def _sent(self, commands: Sequence[Command]) -> AsyncIterator[AbstractConnection]:
        """A connection on which the commands are sent and their answers are to be read."""
        pool = self._client.connection_pool
        cancelled_before = _cancellations()
        try:
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # untyped in redis-py
        except (RedisError, OSError) as error:
            raise self._unavailable(error, sent=False) from error
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            if _cancellations() > cancelled_before:
                raise asyncio.CancelledError
            yield connection
        except NoScriptError:
            raise
        except (ConnectionError, TimeoutError, OSError) as error:
            await connection.disconnect(nowait=True)
            sent = not isinstance(error, BusyLoadingError)
            raise self._unavailable(error, sent=sent) from error
        except ResponseError as error:
            if _is_refusal(error):
                # The answers to the commands behind this one may still come.
                await connection.disconnect(nowait=True)
                raise self._unavailable(error, sent=False) from error
            raise RedriveError(f"The queue system {self._source} answered: {error}") from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)

    def _unavailable(self, error: BaseException, *, sent: bool) -> EngineUnavailable:
        return EngineUnavailable(source=self._source, sent=sent, detail=str(error))


def _cancellations() -> int:
    """How often the present task was cancelled. ``asyncio.wait_for`` of Python 3.11, in which
    redis-py connects and sends, drops a cancellation that comes as it ends; a blocking read
    would then go on waiting."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _answer_or_error(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        if _is_refusal(error):
            raise
        return error


def _is_refusal(error: ResponseError) -> bool:
    return isinstance(error, REFUSING) or any(word in str(error) for word in REFUSALS)
