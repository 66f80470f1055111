"""What pruning leaves behind: entries without their operation, counters, and links to nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from redrive.domain import Prunable, Retention
from redrive.ledger import SqlRetentionLedger
from redrive.retention import Pruner
from redrive.testing import ManualClock
from redrive.wiring import open_services, run_runner
from tests.support.factories import ADA, AT
from tests.support.servers import RedisServer
from tests.support.waiting import eventually
from tests.web.support import Console, settings_of
from tests.web.test_probes import samples


async def prune(console: Console) -> None:
    """Everything older than the default, 31 days from now."""
    console.clock.advance(days=31)
    retention: Retention = console.services.settings.retention
    ledger = SqlRetentionLedger(console.services.database)
    engines = console.services.engines
    pruner = Pruner(ledger=ledger, engines=engines, retention=retention, clock=console.clock)
    await pruner.prune()


async def retried(console: Console, operator: httpx.AsyncClient) -> tuple[str, str]:
    """An entry that was put back, by an operation that was pruned since."""
    entry_id = await console.fail("17")
    body = (await operator.post("/admin/api/retry/all")).json()
    operation_id = body["data"]["operation_id"]
    await console.run(operation_id)
    await prune(console)
    return entry_id, operation_id


async def test_an_entry_whose_operation_was_pruned_is_shown(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id, operation_id = await retried(console, operator)
    async with console.operator() as client:
        answer = await client.get(f"/admin/api/entries/{entry_id}")
        assert answer.json()["data"]["entry_id"] == entry_id
        assert answer.json()["data"]["history"] == []
        page = await client.get(f"/admin/entries/{entry_id}")
        assert page.status_code == 200
        assert operation_id not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/admin/operations/{}",
        "/admin/api/operations/{}",
        "/admin/api/operations/{}/items",
    ],
)
async def test_a_pruned_operation_is_not_found(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    _, operation_id = await retried(console, operator)
    async with console.operator() as client:
        answer = await client.get(path.format(operation_id))
        assert answer.status_code == 404
        assert operation_id in answer.text


async def test_counters_of_the_metrics_outlive_the_rows(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await retried(console, operator)
    found = await samples(operator)
    assert found["redrive_retries_total", ("retry", "requeued")] == 1
    assert found["redrive_operation_duration_seconds_count", ("retry", "completed")] == 1
    assert found["redrive_pruned_total", ("operations",)] == 1
    assert found["redrive_pruned_total", ("items",)] == 1
    assert found["redrive_pruned_total", ("entries",)] == 0


async def test_a_runner_prunes(redis_server: RedisServer, tmp_path: Path) -> None:
    settings = settings_of(data_dir=tmp_path, redis_url=redis_server.url, audit_retention_days=1)
    clock, stop = ManualClock(AT), asyncio.Event()
    async with open_services(settings, migrate_first=True, clock=clock) as services:
        await services.accounts.audit(ADA, "login", "console")
        clock.advance(days=1)

        async def pruned() -> bool:
            return (await services.overview.pruned())[Prunable.AUDIT] == 1

        running = asyncio.create_task(run_runner(services, stop))
        await eventually(pruned, "the audit row is pruned")
        stop.set()
        await running
