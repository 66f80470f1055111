"""Failed jobs in a real BullMQ queue, and a console on real services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI

from redrive.domain import OperationId, OperationState
from redrive.settings import Settings
from redrive.web import WebServices, create_app, hash_password
from redrive.wiring import Services, SystemClock, build_runner, open_services
from tests.support.factories import failure
from tests.support.ledgers import migrated_sqlite
from tests.support.servers import RedisServer

USER = "admin"
PASSWORD = "correct horse battery staple"
PASSWORD_HASH = hash_password(PASSWORD)
FAILED_AT_MILLIS = 1_760_000_000_000

BROWSER = {"accept": "text/html"}


class ManualClock:
    """Stands at the test's beginning until it is moved by hand."""

    def __init__(self) -> None:
        self._now = SystemClock().now()

    def now(self) -> datetime:
        return self._now

    def advance(self, **units: float) -> None:
        self._now += timedelta(**units)


@dataclass(frozen=True, kw_only=True)
class Console:
    """A console with its user, on services over a real Redis and a SQLite ledger.

    ``clock`` is that of the sessions and the login delay.
    """

    server: RedisServer
    services: Services
    clock: ManualClock
    app: FastAPI

    def stranger(
        self, base_url: str = "http://console.test", address: str = "192.0.2.1"
    ) -> httpx.AsyncClient:
        """A client without a session."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 40000))
        return httpx.AsyncClient(transport=transport, base_url=base_url)

    @asynccontextmanager
    async def operator(
        self, base_url: str = "http://console.test", address: str = "192.0.2.1"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A client that has logged in."""
        async with self.stranger(base_url, address) as client:
            (await log_in(client)).raise_for_status()
            yield client

    async def fail(
        self,
        job_id: str,
        app_id: str = "acme",
        queue: str = "mail",
        data: str | None = None,
        error: str = "connection refused",
    ) -> str:
        """A job that has failed, taken in by the ledger; returns its entry's id."""
        fail_job(self.server, job_id, app_id, queue, data, error)
        for name in await self.services.engines["default"].queues():
            failures, _ = await self.services.engines["default"].failures(name, "", 1000)
            await self.services.following.record_failures("default", name, failures, None)
            for found in failures:
                if (found.queue, found.job_id) == (queue, job_id):
                    return found.entry_id
        raise AssertionError(f"{job_id} is not among the failures")

    async def fail_many(self, number: int, app_id: str = "acme", name: str = "many") -> None:
        """Failures of jobs that no queue holds."""
        failures = [failure(f"{name}-{at}", app_id) for at in range(number)]
        await self.services.following.record_failures("default", "mail", failures, None)

    async def run(self, operation_id: str) -> OperationState:
        """Carry an operation out, as a runner would; returns the state it ended in."""
        await build_runner(self.services).run(OperationId(operation_id))
        return (await self.services.overview.operation(OperationId(operation_id))).state

    async def audit_rows(self) -> list[tuple[str, str, str]]:
        """Who did what with what result, oldest first."""
        page = await self.services.overview.audit_trail(None, 100)
        return [(row.actor, row.action, row.result) for row in reversed(page.items)]


def settings_of(**given: object) -> Settings:
    """Settings with these values and defaults for the rest."""
    return Settings.model_validate(given)


@asynccontextmanager
async def open_console(
    server: RedisServer, folder: Path, settings: Mapping[str, object] | None = None
) -> AsyncIterator[Console]:
    data = folder / "data"
    if not data.exists():
        data.mkdir(mode=0o700)
        (data / "ledger.db").write_bytes(await asyncio.to_thread(migrated_sqlite))
    given = settings_of(data_dir=data, redis_url=server.url, **(settings or {}))
    async with open_services(given, migrate_first=True) as services:
        await services.accounts.put_user(USER, PASSWORD_HASH)
        clock = ManualClock()
        app = create_app(
            WebServices(
                settings=given,
                recovery=services.recovery,
                planning=services.planning,
                overview=services.overview,
                accounts=services.accounts,
                redis=services.redis,
                clock=clock,
            )
        )
        yield Console(server=server, services=services, clock=clock, app=app)


async def log_in(
    client: httpx.AsyncClient, username: str = USER, password: str = PASSWORD
) -> httpx.Response:
    body = {"username": username, "password": password}
    return await client.post("/admin/api/login", json=body)


def fail_job(
    server: RedisServer,
    job_id: str,
    app_id: str,
    queue: str,
    data: str | None = None,
    error: str = "connection refused",
) -> None:
    """A failed job as BullMQ leaves it; another error comes from another place."""
    prefix = f"bull:{queue}"
    place = "send" if error == "connection refused" else "receive"
    with server.client() as client:
        finished = FAILED_AT_MILLIS + int(client.incr("test:failures"))
        client.hset(f"{prefix}:meta", mapping={"opts.maxLenEvents": "10000"})
        client.hset(
            f"{prefix}:{job_id}",
            mapping={
                "name": "send",
                "data": data if data is not None else json.dumps({"app_id": app_id}),
                "opts": '{"attempts":1}',
                "timestamp": str(finished - 1000),
                "processedOn": str(finished - 500),
                "finishedOn": str(finished),
                "atm": "1",
                "ats": "1",
                "failedReason": error,
                "stacktrace": json.dumps([f"Error: {error}\n    at {place} (mail.js:1:1)"]),
            },
        )
        client.zadd(f"{prefix}:failed", {job_id: finished})


def retry_elsewhere(server: RedisServer, job_id: str, queue: str = "mail") -> None:
    """What BullMQ's own ``job.retry()`` leaves, done by another tool."""
    with server.client() as client:
        client.zrem(f"bull:{queue}:failed", job_id)
        client.hdel(f"bull:{queue}:{job_id}", "finishedOn", "processedOn", "failedReason")
        client.lpush(f"bull:{queue}:wait", job_id)


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 20) -> None:
    """Return as soon as ``condition`` holds; fail, naming ``what``, if it never does."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - the condition is outside this process
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {seconds} seconds in vain: {what}") from None
