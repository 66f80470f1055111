"""The engine port over BullMQ's keys in a Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

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
from redrive.engines.bullmq.calls import Calls
from redrive.engines.bullmq.discovery import Discovery
from redrive.engines.bullmq.failures import failed_page, failures_after, failures_named
from redrive.engines.bullmq.keys import QueueKeys
from redrive.engines.bullmq.library import check_versions
from redrive.engines.bullmq.moving import Mover
from redrive.engines.bullmq.outcomes import begun_anew, completed_last, read_outcomes
from redrive.engines.bullmq.reading import FailureReader
from redrive.engines.bullmq.views import read_counts, read_jobs, read_statuses
from redrive.ports import Page
from redrive.settings import Source

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0


class BullMQEngine:
    """BullMQ queues of one source (see :class:`redrive.ports.Engine` for the contract).

    ``client`` returns bytes and is closed with the engine; a blocking read holds a connection of
    its own.
    ``payload_limit`` is in bytes; data above it is not kept, 0 keeps none.
    """

    def __init__(self, source: Source, client: Redis, payload_limit: int) -> None:
        self.source = source.name
        self._prefix = source.prefix
        self._client = client
        self._calls = Calls(client, source.name)
        self._reader = FailureReader(source, payload_limit)
        self._discovery = Discovery(self._calls, source)
        self._mover = Mover(self._calls, source.rescan_key)

    async def check(self) -> None:
        await check_versions(self._calls)

    async def queues(self) -> list[str]:
        return await self._discovery.look()

    def problems(self) -> Mapping[str, str]:
        return dict(self._discovery.problems)

    async def failures(self, queue: str, cursor: str, limit: int) -> tuple[list[Failure], str]:
        return await failures_after(self._calls, self._reader, self._keys(queue), cursor, limit)

    async def failures_of(self, queue: str, job_ids: Sequence[JobId]) -> list[Failure]:
        return await failures_named(self._calls, self._reader, self._keys(queue), job_ids)

    async def failed_ids(
        self, queue: str, cursor: str, limit: int
    ) -> tuple[list[JobStatus], str | None]:
        return await failed_page(self._calls, self._keys(queue), cursor, limit)

    async def outcomes(
        self, cursors: Mapping[str, str], limit: int, wait_seconds: float
    ) -> dict[str, tuple[list[JobOutcome], str]]:
        return await read_outcomes(self._calls, self._prefix, cursors, limit, wait_seconds)

    async def statuses(self, queue: str, job_ids: Sequence[JobId]) -> list[JobStatus]:
        return await read_statuses(self._calls, self._keys(queue), job_ids)

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        return await self._mover.move(self._keys(batch.queue), batch)

    async def withhold(self, batch: RequeueBatch) -> list[RequeueResult]:
        return await self._mover.withhold(self._keys(batch.queue), batch)

    async def rebuild(
        self, batch: RequeueBatch, job_id: JobId, name: str, payload: Payload
    ) -> RequeueResult:
        return await self._mover.rebuild(self._keys(batch.queue), batch, job_id, name, payload)

    async def begun_anew(self, cursors: Mapping[str, str]) -> set[str]:
        return await begun_anew(self._calls, self._prefix, cursors)

    async def completed(self, queue: str, job_ids: Sequence[JobId]) -> dict[JobId, datetime]:
        return await completed_last(self._calls, self._keys(queue), job_ids)

    async def decline(self, batch: RequeueBatch, job_id: JobId) -> RequeueResult:
        return await self._mover.decline(self._keys(batch.queue), batch, job_id)

    async def take_back(self, batch: TakeBackBatch) -> list[TakeBackResult]:
        return await self._mover.take_back(self._keys(batch.queue), batch)

    async def counts(self, queue: str) -> QueueCounts:
        return await read_counts(self._calls, self._keys(queue), self.source)

    async def jobs(self, queue: str, state: JobState, cursor: str, limit: int) -> Page[JobSummary]:
        return await read_jobs(self._calls, self._keys(queue), state, cursor, limit)

    async def close(self) -> None:
        await self._client.aclose()

    def _keys(self, queue: str) -> QueueKeys:
        return QueueKeys(self._prefix, queue)


def open_engine(source: Source, default_url: str, payload_limit: int) -> BullMQEngine:
    """An engine with a client of its own; nothing is connected before the first call.

    ``default_url`` is used where the source names no URL. The client repeats nothing by itself:
    who repeats a move must know that it does.
    """
    client = Redis.from_url(
        source.url or default_url,
        decode_responses=False,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )
    return BullMQEngine(source, client, payload_limit)
