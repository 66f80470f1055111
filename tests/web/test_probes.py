"""Health, readiness, metrics."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from redrive.errors import LedgerUnavailable
from redrive.web.gate import LARGEST_BODY
from tests.support.servers import PostgresServer, RedisServer
from tests.web.support import Console, log_in, open_console, retry_elsewhere

Samples = dict[tuple[str, tuple[str, ...]], float]


async def samples(client: httpx.AsyncClient) -> Samples:
    """Every sample by name and label values."""
    response = await client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_is_told_to_anyone(stranger: httpx.AsyncClient, method: str) -> None:
    assert (await stranger.request(method, "/healthz")).status_code == 200


async def test_ready_names_the_parts(stranger: httpx.AsyncClient) -> None:
    response = await stranger.get("/readyz")
    assert response.status_code == 200
    assert response.json()["data"] == {
        "ready": True,
        "components": {"ledger": True, "redis": True, "source:default": True},
    }


async def test_while_redis_is_away_the_console_lives_and_is_not_ready(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    own_redis.kill()
    async with open_console(own_redis, tmp_path) as console, console.stranger() as client:
        assert (await client.get("/healthz")).status_code == 200
        response = await client.get("/readyz")
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")
        assert response.json()["components"] == {
            "ledger": True,
            "redis": False,
            "source:default": False,
        }
        assert "redis, source:default" in response.json()["detail"]
        own_redis.start()
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_tell_entries_operations_retries_and_outcomes(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(str(number))
    retry_elsewhere(console.server, "0")
    started = (await operator.post("/admin/api/retry/all")).json()["data"]["operation_id"]
    await console.run(started)
    await console.fail("3")
    await console.services.reports.caught_up("default", console.services.clock.now())
    found = await samples(operator)
    assert found["redrive_entries", ("failed",)] == 1
    assert found["redrive_entries", ("recovered",)] == 0
    assert found["redrive_operations", ("retry", "completed")] == 1
    assert found["redrive_operation_duration_seconds_count", ("retry", "completed")] == 1
    assert found["redrive_operation_duration_seconds_sum", ("retry", "completed")] >= 0
    assert found["redrive_retries_total", ("retry", "requeued")] == 2
    assert found["redrive_retries_total", ("retry", "skipped")] == 1
    assert found["redrive_outcomes", ("retry", "failed_again")] == 0
    assert found["redrive_outcomes", ("retry", "waiting")] == 2
    assert found["redrive_failed_same_total", ("retry",)] == 0
    assert found["redrive_follower_lag_seconds", ("default",)] >= 0


async def test_metrics_tell_what_failed_again_the_same_way(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = (await operator.post("/admin/api/retry/all")).json()["data"]["operation_id"]
    await console.run(started)
    await console.fail("17")
    found = await samples(operator)
    assert found["redrive_outcomes", ("retry", "failed_again")] == 1
    assert found["redrive_outcomes", ("retry", "waiting")] == 0
    assert found["redrive_failed_same_total", ("retry",)] == 1


async def test_the_counter_of_moved_entries_does_not_go_down_with_an_undo(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(str(number))
    started = (await operator.post("/admin/api/retry/all")).json()["data"]["operation_id"]
    await console.run(started)
    await operator.post(f"/admin/api/retry/cancel/{started}", json={"undo": True})
    await console.run(started)
    found = await samples(operator)
    assert found["redrive_retries_total", ("retry", "requeued")] == 3
    assert found["redrive_retries_total", ("retry", "taken_back")] == 3


async def test_metrics_tell_operations_from_postgresql_too(
    redis_server: RedisServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    settings = {"database_url": postgres.create_database()}
    async with open_console(redis_server, tmp_path, settings) as console:
        entry_id = await console.fail("17")
        async with console.operator() as client:
            await client.post("/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id})
            found = await samples(client)
    assert found["redrive_operations", ("retry", "completed")] == 1
    assert found["redrive_operation_duration_seconds_sum", ("retry", "completed")] >= 0
    assert found["redrive_retries_total", ("retry", "requeued")] == 1


async def test_requests_are_counted_by_template_so_that_a_scan_does_not_grow_the_metrics(
    operator: httpx.AsyncClient,
) -> None:
    for number in range(20):
        await operator.get(f"/admin/api/apps/app-{number}")
        await operator.request(f"VERB{number}", f"/admin/api/nothing-{number}")
    found = await samples(operator)
    requests = "redrive_http_requests_total"
    assert found[requests, ("GET", "/admin/api/apps/{app_id}", "404")] == 20
    assert found[requests, ("other", "unmatched", "404")] == 20
    assert not any("nothing-" in label for _, labels in found for label in labels)


async def test_requests_that_are_refused_are_counted_under_their_route(
    console: Console, operator: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    entry, retry = "/admin/api/entries/{entry_id}", "/admin/api/retry"
    await stranger.get("/admin/api/entries/ent_1")
    await stranger.get("/admin/apps", headers={"accept": "text/html"})
    await stranger.get("/admin/api/openapi.json")
    await stranger.get(retry)
    await operator.post(retry, headers={"sec-fetch-site": "cross-site"})
    await operator.post(retry, content=b" " * (LARGEST_BODY + 1))
    await operator.post(retry, content=b"x", headers={"content-type": "text/plain"})
    found = await samples(operator)
    requests = "redrive_http_requests_total"
    assert found[requests, ("GET", entry, "401")] == 1
    assert found[requests, ("GET", "/admin/apps", "303")] == 1
    assert found[requests, ("GET", "/admin/api/openapi.json", "401")] == 1
    assert found[requests, ("GET", retry, "401")] == 1
    assert [found[requests, ("POST", retry, status)] for status in ("403", "413", "415")] == [1] * 3
    assert not any("unmatched" in labels for _, labels in found)


async def test_requests_that_are_refused_because_redis_is_away_are_counted_too(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with open_console(own_redis, tmp_path) as console, console.operator() as client:
        own_redis.kill()
        assert (await client.get("/admin/api/apps")).status_code == 503
        found = await samples(client)
        assert found["redrive_http_requests_total", ("GET", "/admin/api/apps", "503")] == 1


async def test_an_outcome_that_is_revised_may_go_down_so_it_is_a_gauge(
    stranger: httpx.AsyncClient,
) -> None:
    lines = (await stranger.get("/metrics")).text.splitlines()
    assert "# TYPE redrive_outcomes gauge" in lines
    assert "# TYPE redrive_retries_total counter" in lines


async def test_metrics_leave_out_what_cannot_be_reached(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with open_console(own_redis, tmp_path) as console, console.stranger() as client:
        own_redis.kill()
        await console.services.database.close()
        (console.services.settings.data_dir / "ledger.db").unlink()
        (console.services.settings.data_dir / "ledger.db").mkdir()
        await client.get("/healthz")
        found = await samples(client)
        assert found["redrive_http_requests_total", ("GET", "/healthz", "200")] == 1
        assert not any(name == "redrive_entries" for name, _ in found)
        assert (await client.get("/readyz")).json()["components"]["ledger"] is False


async def test_metrics_ask_the_ledger_once_in_a_while_only(
    console: Console, stranger: httpx.AsyncClient
) -> None:
    before = (await samples(stranger))["redrive_entries", ("failed",)]
    await console.fail("17")
    assert (await samples(stranger))["redrive_entries", ("failed",)] == before


async def test_what_the_database_says_is_not_told_to_strangers(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with open_console(own_redis, tmp_path) as console, console.stranger() as client:
        await console.services.database.close()
        ledger = console.services.settings.data_dir / "ledger.db"
        ledger.unlink()
        ledger.mkdir()
        with pytest.raises(LedgerUnavailable, match="unable to open database file"):
            await console.services.accounts.users()
        response = await log_in(client)
        assert response.status_code == 503
        assert response.json()["detail"] == "The ledger cannot be reached. Nothing was changed."
        assert "ledger.db" not in response.text + (await client.get("/readyz")).text
