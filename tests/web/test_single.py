"""Retry and resync of one entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import httpx
import pytest

from redrive import wire
from redrive.domain import EntryId, EntryState, OperationState, RequeueBatch, RequeueResult
from redrive.errors import EngineUnavailable
from redrive.ports import Engine
from tests.support.servers import RedisServer
from tests.web.support import Console, open_console, retry_elsewhere


def job_data(server: RedisServer, job_id: str, queue: str = "mail") -> dict[str, object]:
    with server.client() as redis:
        data: dict[str, object] = json.loads(str(redis.hget(f"bull:{queue}:{job_id}", "data")))
        return data


async def state_of(console: Console, entry_id: str) -> EntryState:
    return (await console.services.overview.entry(EntryId(entry_id))).entry.state


async def test_a_retry_puts_the_job_back_and_says_so(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    response = await operator.post(
        "/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id, "reason": "fixed"}
    )
    assert response.status_code == 200
    answer = wire.RetryResponse.model_validate(response.json()["data"])
    assert (answer.message, answer.job_id) == ("Job 17 is back in its queue.", "17")
    assert answer.result == "requeued"
    assert await state_of(console, entry_id) is EntryState.QUEUED
    with console.server.client() as redis:
        assert redis.lrange("bull:mail:wait", 0, -1) == ["17"]
    assert job_data(console.server, "17")["isRescan"] is True


async def test_a_resync_runs_the_job_from_scratch(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    response = await operator.post(
        "/admin/api/resync", json={"app_id": "acme", "entry_id": entry_id}
    )
    assert response.status_code == 200
    assert job_data(console.server, "17")["isRescan"] is False


async def test_a_retry_leaves_an_audit_row_with_reason_and_address(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    body = {"app_id": "acme", "entry_id": entry_id, "reason": "provider is back"}
    await operator.post("/admin/api/retry", json=body)
    rows = (await operator.get("/admin/api/audit")).json()["data"]["items"]
    row = wire.AuditEntry.model_validate(rows[0])
    assert (row.actor, row.origin, row.reason) == ("admin", "192.0.2.1", "provider is back")
    assert "retry" in row.action
    assert entry_id in row.scope


@pytest.mark.parametrize("path", ["/admin/api/retry", "/admin/api/resync"])
async def test_an_entry_of_another_app_is_not_found_and_not_touched(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    entry_id = await console.fail("17")
    for body in (
        {"app_id": "other", "entry_id": entry_id},
        {"app_id": "acme", "entry_id": "ent_unknown"},
    ):
        response = await operator.post(path, json=body)
        assert (response.status_code, response.json()["code"]) == (404, "entry_not_found")
        assert "Nothing was changed" in response.json()["detail"]
    assert await state_of(console, entry_id) is EntryState.FAILED


@pytest.mark.parametrize("path", ["/admin/api/retry", "/admin/api/resync"])
async def test_an_entry_that_is_queued_already_is_a_conflict(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    body = {"app_id": "acme", "entry_id": await console.fail("17")}
    await operator.post("/admin/api/retry", json=body)
    response = await operator.post(path, json=body)
    assert (response.status_code, response.json()["code"]) == (409, "wrong_state")
    assert response.json()["state"] == "queued"
    with console.server.client() as redis:
        assert redis.lrange("bull:mail:wait", 0, -1) == ["17"]


async def test_a_job_that_another_tool_has_queued_is_not_queued_twice(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    retry_elsewhere(console.server, "17")
    response = await operator.post(
        "/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id}
    )
    assert (response.status_code, response.json()["code"]) == (409, "already_live")
    assert "was not moved" in response.json()["detail"]
    assert response.json()["operation_id"].startswith("op_")
    with console.server.client() as redis:
        assert redis.lrange("bull:mail:wait", 0, -1) == ["17"]


async def test_a_job_that_its_queue_has_forgotten_is_rebuilt_by_hand(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    with console.server.client() as redis:
        redis.zrem("bull:mail:failed", "17")
        redis.delete("bull:mail:17")
    response = await operator.post(
        "/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id}
    )
    assert response.status_code == 200, response.text
    assert response.json()["data"]["result"] == "recreated"
    assert job_data(console.server, "17")["app_id"] == "acme"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"app_id": "acme"}, "body.entry_id"),
        ({"app_id": "acme", "entry_id": "e", "entry": "e"}, "body.entry"),
        ({"app_id": "acme", "entry_id": ["e"]}, "body.entry_id"),
        ({"app_id": "a\x00", "entry_id": "e"}, "body.app_id"),
        ({"app_id": "a" * 257, "entry_id": "e"}, "body.app_id"),
        ({"app_id": "a", "entry_id": "e", "reason": "x" * 501}, "body.reason"),
        ([], "body"),
    ],
)
async def test_a_malformed_request_names_the_field(
    operator: httpx.AsyncClient, body: object, field: str
) -> None:
    response = await operator.post("/admin/api/retry", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert "Nothing was changed" in response.json()["detail"]


async def test_while_the_queue_system_is_away_the_entry_stays_as_it_was(
    redis_server: RedisServer, own_redis: RedisServer, tmp_path: Path
) -> None:
    sources = [{"url": own_redis.url}]
    async with open_console(redis_server, tmp_path, {"sources": sources}) as console:
        entry_id = await Console(
            server=own_redis, services=console.services, clock=console.clock, app=console.app
        ).fail("17")
        own_redis.kill()
        async with console.operator() as client:
            body = {"app_id": "acme", "entry_id": entry_id}
            response = await client.post("/admin/api/retry", json=body)
            assert (response.status_code, response.json()["code"]) == (503, "engine_unavailable")
            assert "Nothing was changed" in response.json()["detail"]
            shown = (await client.get(f"/admin/api/entries/{entry_id}")).json()["data"]
            assert (shown["state"], shown["error_message"]) == ("failed", "connection refused")
            assert shown["job"] is None
            own_redis.start()
            assert (await client.post("/admin/api/retry", json=body)).status_code == 200


class SilentEngine:
    """The real engine; it does what it is asked to, and every reply to a hand-over is lost."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        await self._engine.requeue(batch)
        raise EngineUnavailable(source="default", sent=True)


async def test_a_hand_over_without_reply_is_told_as_pending_and_is_settled_once(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    engines = cast("dict[str, object]", console.services.engines)
    engine = console.services.engines["default"]
    engines["default"] = SilentEngine(engine)
    response = await operator.post(
        "/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id}
    )
    engines["default"] = engine
    assert (response.status_code, response.json()["code"]) == (503, "hand_over_pending")
    assert "Nothing was changed" not in response.json()["detail"]
    operation_id = response.json()["operation_id"]
    assert await console.run(operation_id) is OperationState.COMPLETED
    assert await state_of(console, entry_id) is EntryState.QUEUED
    with console.server.client() as redis:
        assert redis.lrange("bull:mail:wait", 0, -1) == ["17"]
