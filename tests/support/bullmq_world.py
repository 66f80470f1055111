"""The other side of the engine port: what producers, workers and other tools do to queues.

``QueueWorld`` is what the contract suite needs; one world is in memory, the other drives the real
library's own scripts on a real Redis, one step at a time and at a time of the test's choosing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, cast

from bullmq import Job, Queue

from redrive.domain import JobId, JobState, to_millis
from redrive.engines.bullmq import open_engine
from redrive.ports import Engine
from redrive.settings import Source
from redrive.testing.engine import InMemoryEngine
from tests.support.servers import RedisServer

TOKEN = "worker-token"


class QueueWorld(Protocol):
    @property
    def engine(self) -> Engine: ...

    async def add(
        self, queue: str, job_id: str, data: object = ..., *, forgets: bool = ...
    ) -> None: ...

    async def start(self, queue: str, job_id: str) -> None: ...

    async def take(self, queue: str) -> str | None: ...

    async def fail(
        self, queue: str, job_id: str, error: str = ..., *, at: datetime | None = ...
    ) -> None: ...

    async def complete(self, queue: str, job_id: str, *, keep: bool = ...) -> None: ...

    async def remove(self, queue: str, job_id: str) -> None: ...

    async def retry_elsewhere(self, queue: str, job_id: str) -> None: ...

    async def data(self, queue: str, job_id: str) -> object: ...

    async def close(self) -> None: ...


class MemoryWorld:
    """The queues of an InMemoryEngine."""

    def __init__(self) -> None:
        self.engine = InMemoryEngine()

    async def add(
        self, queue: str, job_id: str, data: object = None, *, forgets: bool = False
    ) -> None:
        assert data is None or isinstance(data, Mapping)
        self.engine.add(queue, job_id, data, forgets=forgets)

    async def start(self, queue: str, job_id: str) -> None:
        self.engine.start(queue, job_id)

    async def take(self, queue: str) -> str | None:
        return self.engine.take(queue)

    async def fail(
        self, queue: str, job_id: str, error: str = "boom", *, at: datetime | None = None
    ) -> None:
        self.engine.fail(queue, job_id, error, at=at)

    async def complete(self, queue: str, job_id: str, *, keep: bool = True) -> None:
        self.engine.complete(queue, job_id, keep=keep)

    async def remove(self, queue: str, job_id: str) -> None:
        self.engine.remove(queue, job_id)

    async def retry_elsewhere(self, queue: str, job_id: str) -> None:
        self.engine.retry_elsewhere(queue, job_id)

    async def data(self, queue: str, job_id: str) -> object:
        job = self.engine.job(queue, job_id)
        assert job is not None
        return json.loads(job.data)

    async def close(self) -> None:
        await self.engine.close()


class BullMQWorld:
    """Real queues on a real Redis, driven through the ``bullmq`` package."""

    def __init__(
        self, server: RedisServer, source: Source | None = None, payload_limit: int = 256 * 1024
    ) -> None:
        self.server = server
        self.source = source or Source()
        self.redis = server.client()
        self.engine = open_engine(self.source, server.url, payload_limit)
        self._queues: dict[str, Queue] = {}

    def queue(self, name: str) -> Queue:
        if name not in self._queues:
            options = {"connection": self.server.url, "prefix": self.source.prefix}
            self._queues[name] = Queue(name, options)
        return self._queues[name]

    def key(self, queue: str, name: str) -> str:
        return f"{self.source.prefix}:{queue}:{name}"

    async def add(
        self, queue: str, job_id: str, data: object = None, *, forgets: bool = False, **options: Any
    ) -> None:
        """``options`` are the library's own, in its own words."""
        keep = {"removeOnFail": {"count": 1000}} if forgets else {}
        await self.queue(queue).add(
            "job",
            {"app_id": "acme"} if data is None else data,
            {"jobId": job_id, "attempts": 1, **keep, **options},
        )

    async def start(self, queue: str, job_id: str) -> None:
        """A worker takes jobs until it has this one; the others stay active."""
        while self.redis.exists(self.key(queue, job_id) + ":lock") == 0:
            taken = await self.queue(queue).scripts.moveToActive(TOKEN, {"lockDuration": 60_000})
            assert taken[1], f"{job_id} is not waiting"

    async def take(self, queue: str) -> str | None:
        """The job that a worker gets next."""
        taken = await self.queue(queue).scripts.moveToActive(TOKEN, {"lockDuration": 60_000})
        return str(taken[1]) if taken and taken[1] else None

    async def fail(
        self,
        queue: str,
        job_id: str,
        error: str = "boom",
        *,
        at: datetime | None = None,
        stack: object = None,
    ) -> None:
        """Run to a failure for good; the job is added first if it is unknown."""
        if not self.redis.exists(self.key(queue, job_id)):
            await self.add(queue, job_id)
        await self.start(queue, job_id)
        job = await Job.fromId(self.queue(queue), job_id)
        fields = {
            "failedReason": error,
            "stacktrace": json.dumps([f"Error: {error}"] if stack is None else stack),
        }
        keys, arguments = self.queue(queue).scripts.moveToFailedArgs(
            job, error, job.opts.get("removeOnFail", False), TOKEN, False, fields
        )
        await self._finish(queue, job_id, keys, arguments, at)

    async def complete(
        self, queue: str, job_id: str, *, keep: bool = True, at: datetime | None = None
    ) -> None:
        await self.start(queue, job_id)
        job = await Job.fromId(self.queue(queue), job_id)
        keys, arguments = self.queue(queue).scripts.moveToCompletedArgs(
            job, "done", not keep, TOKEN, False
        )
        await self._finish(queue, job_id, keys, arguments, at)

    async def remove(self, queue: str, job_id: str) -> None:
        job = await Job.fromId(self.queue(queue), job_id)
        await job.remove()

    async def retry_elsewhere(self, queue: str, job_id: str) -> None:
        job = await Job.fromId(self.queue(queue), job_id)
        await job.retry()

    async def data(self, queue: str, job_id: str) -> object:
        return json.loads(self.raw_data(queue, job_id))

    def raw_data(self, queue: str, job_id: str) -> str:
        text = self.redis.hget(self.key(queue, job_id), "data")
        assert isinstance(text, str)
        return text

    def hash(self, queue: str, job_id: str) -> dict[str, str]:
        return cast("dict[str, str]", self.redis.hgetall(self.key(queue, job_id)))

    async def state(self, queue: str, job_id: str) -> JobState:
        [status] = await self.engine.statuses(queue, [JobId(job_id)])
        return status.state

    async def close(self) -> None:
        await self.engine.close()
        for queue in self._queues.values():
            await queue.close()
        self.redis.close()

    async def _finish(
        self, queue: str, job_id: str, keys: list[str], arguments: list[Any], at: datetime | None
    ) -> None:
        if at is not None:
            arguments[1] = to_millis(at)
        answer = await self.queue(queue).scripts.moveToFinished(job_id, keys, arguments)
        assert not isinstance(answer, int) or answer >= 0
