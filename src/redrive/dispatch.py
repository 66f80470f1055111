"""Handing operations to runners: a BullMQ queue of Redrive's own.

A dead runner's operation comes back through BullMQ's stalled-job recovery: its lock lasts four
seconds and stalls are looked for every two, so another runner has it within ten. Any number of
stalls is allowed, because an operation never is a poison pill: it is always safe to go on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from bullmq import Queue, Worker
from redis.asyncio import Redis
from redis.exceptions import RedisError

from redrive.domain import OperationId
from redrive.errors import StoreUnavailable
from redrive.faultpoints import Step, reach

QUEUE = "redrive-operations"
_LOCK_MILLISECONDS = 4000
_STALL_CHECK_MILLISECONDS = 2000
_AFTER_ERROR_MILLISECONDS = 500
_CLOSE_SECONDS = 3.0

log = structlog.get_logger()


class BullMQOperationQueue:
    """:class:`redrive.ports.OperationQueue`, and the runners' end of it.

    ``connect`` makes a new client of Redrive's own Redis that returns text.
    """

    def __init__(self, connect: Callable[[], Redis]) -> None:
        self._connect = connect
        self._queue: Any = None

    async def put(self, operation_id: OperationId, turn: int = 0) -> None:
        if self._queue is None:
            self._queue = Queue(QUEUE, {"connection": self._connect()})
        # Of a name of its own in each turn: the job of the turn before may not have ended yet.
        name = f"{operation_id}-{turn}" if turn else operation_id
        options = {"jobId": name, "removeOnComplete": True, "removeOnFail": True}
        for last_try in (False, True):
            try:
                data = {"operation_id": operation_id, "turn": turn}
                await self._queue.add("operation", data, options)
            except (RedisError, OSError) as error:
                # A connection that broke while it lay idle says so only at its next use.
                if last_try:
                    raise StoreUnavailable from error
            else:
                return

    async def work(
        self,
        run: Callable[[OperationId], Awaitable[bool]],
        stop: asyncio.Event,
        concurrency: int = 4,
    ) -> None:
        """Give operations to ``run`` until ``stop`` is set, then wait for the batches in hand.

        ``run`` returns whether the operation is over. One that is not (this runner was asked to
        stop) is put back for another runner.
        """
        runs = _Runs(run)
        client = self._connect()
        worker = Worker(
            QUEUE,
            runs.process,
            {
                "connection": client,
                "autorun": False,
                "concurrency": concurrency,
                "lockDuration": _LOCK_MILLISECONDS,
                "stalledInterval": _STALL_CHECK_MILLISECONDS,
                "maxStalledCount": 1_000_000_000,
                "runRetryDelay": _AFTER_ERROR_MILLISECONDS,
                "drainDelay": 1,
            },
        )
        worker.on("error", _log_error)
        running = asyncio.create_task(self._run(worker))
        try:
            await stop.wait()
            await _close(worker, runs)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, RedisError, OSError):
                await running
            await client.aclose()
            for operation_id, turn in runs.unfinished:
                with suppress(StoreUnavailable):
                    await self.put(operation_id, turn)

    async def _run(self, worker: Any) -> None:
        """Run the worker; its first step fails while Redis is away, and is tried again."""
        while True:
            try:
                await worker.run()
            except (RedisError, OSError) as error:
                _log_error(error)
                await asyncio.sleep(_AFTER_ERROR_MILLISECONDS / 1000)
            else:
                return

    async def close(self) -> None:
        """Close the producing connection."""
        if self._queue is not None:
            await self._queue.close()
            self._queue = None


class _Runs:
    """The runs of one worker: those in hand, and the operations that they left unfinished."""

    def __init__(self, run: Callable[[OperationId], Awaitable[bool]]) -> None:
        self._run = run
        self._in_hand: dict[OperationId, tuple[int, asyncio.Future[None]]] = {}
        self.unfinished: set[tuple[OperationId, int]] = set()

    async def process(self, job: Any, _token: str) -> None:
        """Run the operation; one that is in hand already is waited for.

        After an outage longer than its lock, an operation comes back to the process that still
        runs it. Run twice it would be taken over again and again, because the end of the first
        run stops the renewal of the second one's lock. Of another turn (resumed before the run
        that paused it had ended), it is run after that.
        """
        operation_id, turn = OperationId(job.data["operation_id"]), int(job.data.get("turn", 0))
        while operation_id in self._in_hand:
            in_hand, ending = self._in_hand[operation_id]
            await asyncio.shield(ending)
            if in_hand == turn:
                return
        reach(Step.OPERATION_GIVEN)
        ended = asyncio.get_running_loop().create_future()
        self._in_hand[operation_id] = (turn, ended)
        try:
            if not await self._run(operation_id):
                self.unfinished.add((operation_id, turn))
            reach(Step.OPERATION_DONE)
        except Exception:
            log.exception("operation_run_failed", operation_id=operation_id)
            raise
        finally:
            del self._in_hand[operation_id]
            ended.set_result(None)

    async def ended(self) -> None:
        """Wait until nothing is in hand."""
        while self._in_hand:
            await asyncio.wait([ending for _, ending in self._in_hand.values()])


async def _close(worker: Any, runs: _Runs) -> None:
    """Close the worker as soon as nothing is in hand.

    While Redis is away a worker that closes asks it again and again, for ever. It is closed by
    force then; what it could not report comes back as a stall, and there is nothing left to do.
    """
    closing = asyncio.ensure_future(worker.close())
    await runs.ended()
    done, _ = await asyncio.wait([closing], timeout=_CLOSE_SECONDS)
    if not done:
        await runs.ended()
        await worker.close(force=True)
        await closing


def _log_error(error: object, *_more: object) -> None:
    log.warning("runner_queue_error", error=str(error))
