"""How many bytes an entry takes: in the ledger, in its item after a retry, and in Redis."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from benchmarks.bulk_retry import ACTOR
from benchmarks.report import Measured, save, show
from benchmarks.seeding import seed_failed_jobs, take_in
from benchmarks.worlds import World
from redrive.domain import OperationKind, Scope, StartRequest
from redrive.settings import Settings
from redrive.wiring import build_runner, open_services

_TABLES = ("entries", "identities", "payloads", "items")


async def run(world: World, *, count: int) -> None:
    """Measure once on both databases, print and save."""
    client = world.server.client()
    client.flushall()
    empty = client.info("memory")["used_memory"]
    seed_failed_jobs(world.server, count)
    redis = client.info("memory")["used_memory"] - empty
    client.close()
    for backend in world.backends:
        seed_failed_jobs(world.server, count)
        settings = world.ledger(backend)
        found = await _measure(settings) | {"a failed job in Redis": redis}
        world.drop(settings)
        rows = [
            Measured(name=name, unit="bytes", values=[taken / count])
            for name, taken in found.items()
            if taken
        ]
        show(f"Bytes for each of {count:,} entries, {backend}", rows)
        save(f"space-{backend}", rows)


async def _measure(settings: Settings) -> dict[str, int]:
    """Bytes of all entries once they are taken in, and what a retry of all of them adds."""
    sizes = _file_size if settings.ledger_url.startswith("sqlite") else _table_sizes
    async with open_services(settings, migrate_first=True):
        pass
    empty = await sizes(settings.ledger_url)
    async with open_services(settings) as services:
        await take_in(services)
    failed = await sizes(settings.ledger_url)
    async with open_services(settings) as services:
        request = StartRequest(kind=OperationKind.RETRY, scope=Scope.everything(), actor=ACTOR)
        operation, _ = await services.recovery.start(request)
        await build_runner(services).run(operation.operation_id)
    retried = await sizes(settings.ledger_url)
    return {f"failed: {name}": failed[name] - empty[name] for name in failed} | {
        f"a retry adds: {name}": retried[name] - failed[name] for name in failed
    }


async def _file_size(url: str) -> dict[str, int]:
    """Of a SQLite ledger that nobody has open."""
    return {"all": Path(url.removeprefix("sqlite:///")).stat().st_size}


async def _table_sizes(url: str) -> dict[str, int]:
    """Of tables on PostgreSQL with their indexes, dead rows among them, and from now on until the
    end: nothing is vacuumed any more."""
    connection = await asyncpg.connect(url)
    for table in _TABLES:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    found = {
        table: await connection.fetchval("SELECT pg_total_relation_size($1::text)", table)
        for table in _TABLES
    }
    await connection.close()
    return found | {"all": sum(found.values())}
