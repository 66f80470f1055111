"""Bulk actions: start, refuse, progress, cancel."""

from __future__ import annotations

import httpx
import pytest

from redrive import wire
from redrive.domain import OperationId, OperationState
from tests.web.support import Console


async def start(
    client: httpx.AsyncClient, path: str = "retry/all", **body: str
) -> wire.BulkRetryResponse:
    response = await client.post(f"/admin/api/{path}", json=body or None)
    assert response.status_code == 202, response.text
    return wire.BulkRetryResponse.model_validate(response.json()["data"])


async def progress_of(client: httpx.AsyncClient, operation_id: str) -> wire.BulkProgressResponse:
    response = await client.get(f"/admin/api/retry/progress/{operation_id}")
    assert response.status_code == 200, response.text
    return wire.BulkProgressResponse.model_validate(response.json()["data"])


async def test_an_app_s_failures_are_retried_and_the_others_left_alone(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(f"a{number}", "acme")
    await console.fail("b", "other")
    started = await start(operator, "retry/app/acme", reason="fixed")
    assert started.message == "Retrying 3 entries of app acme."
    assert started.total == 3
    before = await progress_of(operator, started.operation_id)
    assert (before.state, before.completed) == (OperationState.QUEUED, 0)
    assert await console.run(started.operation_id) is OperationState.COMPLETED
    after = await progress_of(operator, started.operation_id)
    assert (after.completed, after.succeeded, after.failed, after.skipped) == (3, 3, 0, 0)
    assert after.cancelled is False
    apps = (await operator.get("/admin/api/apps")).json()["data"]["items"]
    assert {app["app_id"]: app["failed"] for app in apps} == {"acme": 0, "other": 1}


async def test_retry_all_covers_every_app(console: Console, operator: httpx.AsyncClient) -> None:
    for app_id in ("acme", "other"):
        await console.fail(app_id, app_id)
    started = await start(operator)
    assert started.message == "Retrying 2 entries of all apps."
    assert await console.run(started.operation_id) is OperationState.COMPLETED
    assert (await operator.get("/admin/api/overview")).json()["data"]["failed"] == 0


async def test_resync_of_an_app_says_what_it_does(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = await start(operator, "resync/app/acme")
    assert started.message == "Resyncing 1 entry of app acme."


@pytest.mark.parametrize("app_id", ["team/a", "ä ö", "all", "a?b#c", "%2F", "..."])
async def test_an_app_is_addressed_whatever_its_name(
    console: Console, operator: httpx.AsyncClient, app_id: str
) -> None:
    await console.fail("17", app_id)
    quoted = httpx.URL("http://x").copy_with(params={"a": app_id}).query.decode()[2:]
    path = quoted.replace("+", "%20")
    assert (await operator.get(f"/admin/api/apps/{path}")).json()["data"]["app_id"] == app_id
    assert (await start(operator, f"retry/app/{path}")).total == 1


async def test_an_unknown_app_and_an_app_without_failures_are_404(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    await operator.post("/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id})
    codes = {}
    for path in ("retry/app/acme", "retry/app/unknown", "resync/app/unknown", "retry/all"):
        response = await operator.post(f"/admin/api/{path}")
        assert response.status_code == 404
        assert "Nothing was changed" in response.json()["detail"]
        codes[path] = response.json()["code"]
    assert codes == {
        "retry/app/acme": "nothing_to_do",
        "retry/app/unknown": "app_not_found",
        "resync/app/unknown": "app_not_found",
        "retry/all": "nothing_to_do",
    }


async def test_a_second_start_over_the_same_entries_is_refused_with_the_first_one_s_id(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    first = await start(operator, "retry/app/acme")
    for path in ("retry/app/acme", "retry/all", "resync/app/acme"):
        response = await operator.post(f"/admin/api/{path}")
        assert (response.status_code, response.json()["code"]) == (409, "operation_overlap")
        assert response.json()["operation_id"] == first.operation_id


async def test_an_idempotency_key_starts_one_operation(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    first = await start(operator, idempotency_key="incident-42")
    again = await start(operator, idempotency_key="incident-42")
    assert (first.new, again.new) == (True, False)
    assert again.operation_id == first.operation_id
    assert "nothing new was started" in again.message
    response = await operator.post(
        "/admin/api/retry/app/acme", json={"idempotency_key": "incident-42"}
    )
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"resaon": "x"}, "body.resaon"),
        ({"reason": "x" * 501}, "body.reason"),
        ({"reason": "\x1b[2J"}, "body.reason"),
        ({"idempotency_key": "x" * 201}, "body.idempotency_key"),
    ],
)
async def test_a_malformed_start_names_the_field_and_starts_nothing(
    console: Console, operator: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    await console.fail("17")
    response = await operator.post("/admin/api/retry/all", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert (await operator.get("/admin/api/operations")).json()["data"]["items"] == []


async def test_a_cancel_before_the_first_entry_moves_nothing(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = await start(operator)
    response = await operator.post(f"/admin/api/retry/cancel/{started.operation_id}")
    assert response.status_code == 202
    answer = wire.CancelResponse.model_validate(response.json()["data"])
    assert answer.message == "The operation was cancelled before it took any entry."
    progress = await progress_of(operator, started.operation_id)
    assert (progress.cancelled, progress.state) == (True, answer.state)
    assert (progress.completed, progress.total) == (0, 1)
    with console.server.client() as redis:
        assert redis.zrange("bull:mail:failed", 0, -1) == ["17"]


async def test_a_running_operation_is_cancelling_first(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = await start(operator)
    await console.services.operations.take_over(OperationId(started.operation_id))
    response = await operator.post(f"/admin/api/retry/cancel/{started.operation_id}")
    assert response.json()["data"]["state"] == "cancelling"
    assert "no further entry is taken" in response.json()["data"]["message"]
    assert await console.run(started.operation_id) is OperationState.CANCELLED


async def test_a_finished_or_unknown_operation_cannot_be_cancelled(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = await start(operator)
    await console.run(started.operation_id)
    finished = await operator.post(f"/admin/api/retry/cancel/{started.operation_id}")
    assert (finished.status_code, finished.json()["code"]) == (409, "operation_finished")
    assert finished.json()["operation_id"] == started.operation_id
    unknown = await operator.post("/admin/api/retry/cancel/op_unknown")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "operation_not_found")


async def test_starts_and_cancels_leave_audit_rows(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = await start(operator, reason="fixed")
    await operator.post(f"/admin/api/retry/cancel/{started.operation_id}")
    rows = (await operator.get("/admin/api/audit")).json()["data"]["items"]
    ours = [row for row in rows if row["operation_id"] == started.operation_id]
    assert len(ours) >= 2
    assert {row["actor"] for row in ours} == {"admin"}
    assert "fixed" in {row["reason"] for row in ours}


async def test_progress_of_an_unknown_operation_is_404(operator: httpx.AsyncClient) -> None:
    for path in ("retry/progress/op_unknown", "retry/progress/op_unknown/stream"):
        response = await operator.get(f"/admin/api/{path}")
        assert (response.status_code, response.json()["code"]) == (404, "operation_not_found")


async def test_progress_is_still_told_when_redis_has_forgotten_it(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = await start(operator)
    await console.run(started.operation_id)
    with console.server.client() as redis:
        redis.delete(f"redrive:operation:{started.operation_id}")
    progress = await progress_of(operator, started.operation_id)
    assert (progress.state, progress.succeeded) == (OperationState.COMPLETED, 1)


async def test_a_finished_operation_can_be_undone_while_what_it_moved_waits(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(f"a{number}")
    started = await start(operator)
    assert await console.run(started.operation_id) is OperationState.COMPLETED
    path = f"/admin/api/retry/cancel/{started.operation_id}"

    response = await operator.post(path, json={"undo": True})
    assert response.status_code == 202
    answer = wire.CancelResponse.model_validate(response.json()["data"])
    assert answer.state is OperationState.CANCELLING
    assert "taken back (of 3 nothing is known yet)" in answer.message
    assert (await progress_of(operator, started.operation_id)).undo_wanted is True

    assert await console.run(started.operation_id) is OperationState.CANCELLED
    after = await progress_of(operator, started.operation_id)
    assert (after.succeeded, after.released, after.completed) == (0, 3, 0)
    assert (await operator.get("/admin/api/overview")).json()["data"]["failed"] == 3
    again = await operator.post(path, json={"undo": True})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_take_back")
    assert "Nothing was changed" in again.json()["detail"]


@pytest.mark.parametrize("body", [{"undo": "perhaps"}, {"redo": True}])
async def test_a_malformed_cancel_changes_nothing(
    console: Console, operator: httpx.AsyncClient, body: dict[str, object]
) -> None:
    await console.fail("17")
    started = await start(operator)
    response = await operator.post(f"/admin/api/retry/cancel/{started.operation_id}", json=body)
    assert response.status_code == 422
    assert (await progress_of(operator, started.operation_id)).state is OperationState.QUEUED
