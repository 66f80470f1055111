"""The composition root: the only place that knows which implementation stands behind a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from redrive.dispatch import BullMQOperationQueue
from redrive.engines.bullmq import open_engine
from redrive.errors import SettingsError, StoreUnavailable
from redrive.follower import Follower
from redrive.housekeeping import Housekeeping
from redrive.ledger import (
    Database,
    SqlAccounts,
    SqlFollowerLedger,
    SqlOperationLedger,
    SqlReadingLedger,
    SqlRegroupingLedger,
    SqlRetentionLedger,
    SqlTriageLedger,
    SqlUndoLedger,
    migrate,
    require_current_schema,
)
from redrive.overview import Overview
from redrive.planning import Planning, forget_plans
from redrive.ports import Clock, Engine
from redrive.progress import RedisFollowerReports, RedisProgressStore
from redrive.recovery import Recovery
from redrive.regrouping import Regrouper
from redrive.retention import Pruner
from redrive.runner import Runner
from redrive.settings import Settings
from redrive.sweeping import sweep
from redrive.undoing import Undoing
from redrive.web import WebServices, create_app

log = structlog.get_logger()

_SWEEP_SECONDS = 60.0
_SWEEP_AFTER_ERROR_SECONDS = 1.0


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything that is wired together."""

    settings: Settings
    clock: Clock
    database: Database
    redis: Redis
    operations: SqlOperationLedger
    triage: SqlTriageLedger
    following: SqlFollowerLedger
    accounts: SqlAccounts
    engines: Mapping[str, Engine]
    progress: RedisProgressStore
    reports: RedisFollowerReports
    queue: BullMQOperationQueue
    recovery: Recovery
    planning: Planning
    overview: Overview


def connect_redis(url: str) -> Redis:
    """A client of Redrive's own Redis that returns text.

    It repeats once, at once: a connection that was kept from before a restart of the server only
    shows when it is used. Everything that goes over it may be done twice.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=3,
        socket_timeout=30,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
    )


@asynccontextmanager
async def open_services(
    settings: Settings, *, migrate_first: bool = False, clock: Clock | None = None
) -> AsyncIterator[Services]:
    """Open the stores and put everything together; close it all at the end.

    Redis and the queue systems need not be up yet. Raises SchemaOutdated unless
    ``migrate_first``, LedgerUnavailable, EngineUnsupported, SettingsError without a Redis URL.
    """
    if settings.redis_url is None:
        raise SettingsError(
            ("redis_url (REDRIVE_REDIS_URL): not set, and only 'up' and 'demo' bring their own",)
        )
    redis_url = settings.redis_url
    clock = clock or SystemClock()
    if settings.database_url is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.ledger_url)
    redis = connect_redis(redis_url)
    engines: dict[str, Engine] = {}
    queue = BullMQOperationQueue(lambda: connect_redis(redis_url))
    try:
        await (migrate(database) if migrate_first else require_current_schema(database))
        for source in settings.sources:
            engines[source.name] = open_engine(source, redis_url, settings.payload_limit)
        yield _assemble(settings, clock, database, redis, engines, queue)
    finally:
        for engine in engines.values():
            await engine.close()
        with suppress(Exception):
            await queue.close()
        await redis.aclose()
        await database.close()


async def migrate_ledger(settings: Settings) -> str:
    """Bring the ledger's schema up to date; returns its revision. Needs no Redis."""
    if settings.database_url is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.ledger_url)
    try:
        return await migrate(database)
    finally:
        await database.close()


def _assemble(
    settings: Settings,
    clock: Clock,
    database: Database,
    redis: Redis,
    engines: Mapping[str, Engine],
    queue: BullMQOperationQueue,
) -> Services:
    operations = SqlOperationLedger(database, clock, settings.approval_over)
    triage = SqlTriageLedger(database, clock, settings.approval_over)
    accounts = SqlAccounts(database, clock)
    progress = RedisProgressStore(redis)
    reports = RedisFollowerReports(redis)
    recovery = Recovery(
        ledger=operations, engines=engines, progress=progress, queue=queue, clock=clock
    )
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        redis=redis,
        operations=operations,
        triage=triage,
        following=SqlFollowerLedger(database, clock),
        accounts=accounts,
        engines=engines,
        progress=progress,
        reports=reports,
        queue=queue,
        recovery=recovery,
        planning=Planning(ledger=triage, recovery=recovery, engines=engines),
        overview=Overview(
            reading=SqlReadingLedger(database),
            operations=operations,
            accounts=accounts,
            engines=engines,
            progress=progress,
            reports=reports,
            clock=clock,
            observe_for=settings.observe_for,
        ),
    )


def build_web(services: Services) -> FastAPI:
    """The console's application."""
    return create_app(
        WebServices(
            settings=services.settings,
            recovery=services.recovery,
            planning=services.planning,
            overview=services.overview,
            accounts=services.accounts,
            redis=services.redis,
            clock=services.clock,
        )
    )


def build_runner(services: Services, stop: asyncio.Event | None = None) -> Runner:
    """A runner on these services."""
    return Runner(
        ledger=services.operations,
        recovery=services.recovery,
        undoing=Undoing(
            ledger=SqlUndoLedger(services.database, services.clock),
            recovery=services.recovery,
            batch_size=services.settings.batch_size,
        ),
        progress=services.progress,
        clock=services.clock,
        batch_size=services.settings.batch_size,
        stop=stop,
    )


def build_pruner(services: Services, stop: asyncio.Event | None = None) -> Pruner:
    """What keeps the ledger from growing without end."""
    return Pruner(
        ledger=SqlRetentionLedger(services.database),
        engines=services.engines,
        retention=services.settings.retention,
        clock=services.clock,
        stop=stop,
    )


async def run_runner(services: Services, stop: asyncio.Event) -> None:
    """Carry out operations until ``stop`` is set."""
    runner = build_runner(services, stop)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(services.queue.work(runner.run, stop))
        tasks.create_task(_sweep_regularly(services, stop))
        tasks.create_task(build_pruner(services, stop).run())


async def _sweep_regularly(services: Services, stop: asyncio.Event) -> None:
    async def work() -> None:
        try:
            await services.redis.ping()
        except (OSError, RedisError) as error:
            raise StoreUnavailable from error
        await sweep(services.operations, services.recovery, services.clock.now())
        await forget_plans(services.triage)

    await Housekeeping(stop).passes(
        work,
        "sweep",
        every_seconds=_SWEEP_SECONDS,
        while_away_seconds=_SWEEP_AFTER_ERROR_SECONDS,
    )


def build_follower(services: Services, engine: Engine) -> Follower:
    """A follower of one source."""
    return Follower(
        engine=engine,
        ledger=services.following,
        progress=services.progress,
        reports=services.reports,
        clock=services.clock,
    )


def build_regrouper(services: Services, stop: asyncio.Event | None = None) -> Regrouper:
    """What brings entries to the groups of this version."""
    return Regrouper(ledger=SqlRegroupingLedger(services.database), stop=stop)


async def run_follower(services: Services, stop: asyncio.Event) -> None:
    """Follow every source until ``stop`` is set."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(build_regrouper(services, stop).run())
        for engine in services.engines.values():
            tasks.create_task(build_follower(services, engine).run(stop))
