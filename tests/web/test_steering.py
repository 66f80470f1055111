"""Pausing, resuming and pacing operations over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from redrive import wire
from redrive.domain import CanaryState, Limit, OperationId, OperationState, Pace, progress_of
from tests.support.servers import RedisServer
from tests.web.support import PASSWORD, PASSWORD_HASH, Console, log_in, open_console

LIMITS = {
    "rate": 50,
    "floor": 5,
    "canary": {"entries": 2, "percent": 50, "seconds": 60},
    "guard": {"percent": 20, "outcomes": 10},
    "low_priority": True,
}


async def started(console: Console, client: httpx.AsyncClient, **body: Any) -> str:
    for number in range(3):
        await console.fail(f"a{number}", "acme")
    answer = await client.post("/admin/api/retry/all", json=body)
    assert answer.status_code == 202, answer.text
    operation_id: str = answer.json()["data"]["operation_id"]
    return operation_id


async def operation_of(client: httpx.AsyncClient, operation_id: str) -> wire.Operation:
    answer = await client.get(f"/admin/api/operations/{operation_id}")
    return wire.Operation.model_validate(answer.json()["data"])


@pytest.mark.parametrize("path", ["retry/all", "retry/app/acme", "resync/app/acme"])
async def test_every_bulk_start_takes_limits(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    await console.fail("17")
    answer = await operator.post(f"/admin/api/{path}", json=LIMITS)
    operation = await operation_of(operator, answer.json()["data"]["operation_id"])
    assert operation.controls.model_dump() == LIMITS
    assert (operation.wanted_rate, operation.canary) == (50, CanaryState.PENDING)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rate": 0}, "body.rate"),
        ({"rate": 1e9}, "body.rate"),
        ({"rate": "fast"}, "body.rate"),
        ({"canary": {"entries": 0}}, "body.canary.entries"),
        ({"canary": {"entries": 5, "percent": 101}}, "body.canary.percent"),
        ({"guard": {"percent": 100}}, "body.guard.percent"),
        ({"guard": {}}, "body.guard.percent"),
        ({"floor": 5}, "body.floor"),
        ({"floor": 5, "rate": 1}, "body.floor"),
    ],
)
async def test_limits_out_of_bounds_are_refused_and_nothing_starts(
    console: Console, operator: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    await console.fail("17")
    answer = await operator.post("/admin/api/retry/all", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert "Nothing was changed" in answer.json()["detail"]
    assert (await console.services.overview.operations(None, None, None, 1)).items == []


async def test_a_queued_operation_is_paused_and_resumed(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await started(console, operator)
    address = f"/admin/api/operations/{operation_id}"
    paused = await operator.post(f"{address}/pause", json={"reason": "lunch"})
    assert paused.status_code == 202
    assert paused.json()["data"] == {
        "message": "The operation is paused.",
        "operation_id": operation_id,
        "state": "paused",
    }
    shown = await operation_of(operator, operation_id)
    assert (shown.paused_by, shown.pause_reason, shown.limited_by) == ("admin", "lunch", "paused")
    assert await console.run(operation_id) is OperationState.PAUSED
    resumed = await operator.post(f"{address}/resume")
    assert resumed.status_code == 202
    assert resumed.json()["data"]["message"] == "The operation goes on; 3 of 3 are left."
    assert await console.run(operation_id) is OperationState.COMPLETED
    assert [action for _, action, _ in await console.audit_rows()][-3:] == [
        "operation.pause",
        "operation.resume",
        "retry.end",
    ]


async def test_a_running_operation_tells_the_pace_that_its_runner_says(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await started(console, operator, rate=50)
    running = await console.services.operations.take_over(OperationId(operation_id))
    assert running is not None
    pace = Pace(effective_rate=50.0, measured_rate=48.25, limited_by=Limit.RATE)
    now = console.services.clock.now()
    await console.services.progress.write(progress_of(running, now, pace))
    shown = await operation_of(operator, operation_id)
    assert (shown.wanted_rate, shown.effective_rate) == (50, 50)
    assert (shown.measured_rate, shown.limited_by) == (48.25, "rate")


async def test_limits_are_changed_and_taken_away_one_by_one(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await started(console, operator, **LIMITS)
    answer = await operator.patch(
        f"/admin/api/operations/{operation_id}", json={"rate": 20, "canary": None}
    )
    assert answer.status_code == 200
    assert answer.json()["data"]["message"] == (
        "From the next batch on: rate 20/s, from 5/s; guard 20 % of 10; low priority."
    )
    operation = await operation_of(operator, operation_id)
    assert (operation.controls.rate, operation.controls.canary) == (20, None)
    assert operation.controls.floor == 5
    assert (await console.audit_rows())[-1][1] == "operation.pace"


@pytest.mark.parametrize("body", [{}, {"rate": 1}, {"rate": None}, {"speed": 5}])
async def test_changes_that_say_nothing_or_do_not_fit_are_refused(
    console: Console, operator: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    operation_id = await started(console, operator, rate=10, floor=5)
    before = await operation_of(operator, operation_id)
    answer = await operator.patch(f"/admin/api/operations/{operation_id}", json=body)
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.json()["detail"]
    assert await operation_of(operator, operation_id) == before


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/pause"), ("POST", "/resume"), ("PATCH", "")]
)
async def test_what_is_unknown_or_over_cannot_be_steered(
    console: Console, operator: httpx.AsyncClient, method: str, path: str
) -> None:
    body = {"rate": 5} if method == "PATCH" else None
    unknown = await operator.request(method, f"/admin/api/operations/op_no{path}", json=body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "operation_not_found")
    operation_id = await started(console, operator)
    await console.run(operation_id)
    address = f"/admin/api/operations/{operation_id}{path}"
    over = await operator.request(method, address, json=body)
    assert (over.status_code, over.json()["code"]) == (409, "operation_finished")


async def test_what_goes_on_cannot_be_resumed(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await started(console, operator)
    answer = await operator.post(f"/admin/api/operations/{operation_id}/resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_paused")


async def test_a_paused_operation_stands_in_the_way_of_overlapping_ones(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await started(console, operator)
    await operator.post(f"/admin/api/operations/{operation_id}/pause")
    answer = await operator.post("/admin/api/retry/all")
    assert (answer.status_code, answer.json()["operation_id"]) == (409, operation_id)


async def test_a_large_operation_waits_for_another_user(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with open_console(redis_server, tmp_path, {"approval_over": 2}) as console:
        await console.services.accounts.put_user("second", PASSWORD_HASH)
        async with console.operator() as admin, console.stranger() as second:
            (await log_in(second, "second", PASSWORD)).raise_for_status()
            operation_id = await started(console, admin)
            assert (await operation_of(admin, operation_id)).paused_by == "approval"
            assert await console.run(operation_id) is OperationState.PAUSED
            address = f"/admin/api/operations/{operation_id}/resume"
            refused = await admin.post(address)
            assert (refused.status_code, refused.json()["code"]) == (403, "approval_needed")
            assert "another user than admin" in refused.json()["detail"]
            changes = {"rate": 500}
            for user in (admin, second):
                answer = await user.patch(f"/admin/api/operations/{operation_id}", json=changes)
                assert (answer.status_code, answer.json()["code"]) == (409, "waits_for_approval")
                assert answer.json()["operation_id"] == operation_id
            approved = await second.post(address)
            assert approved.json()["data"]["message"].startswith("Approved by second.")
            assert (await operation_of(admin, operation_id)).approved_by == "second"
            assert await console.run(operation_id) is OperationState.COMPLETED
