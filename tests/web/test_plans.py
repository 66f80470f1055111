"""Plans over the API: what would happen, and the start of exactly that."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from redrive import wire
from redrive.domain import EntryId, OperationState
from redrive.web import hash_password
from tests.support.factories import id_of
from tests.web.plan_pages import failing_the_same_way
from tests.web.support import Console, log_in


async def plan(client: httpx.AsyncClient, **body: Any) -> wire.Plan:
    response = await client.post("/admin/api/operations/plan", json=body)
    assert response.status_code == 200, response.text
    return wire.Plan.model_validate(response.json()["data"])


async def start(client: httpx.AsyncClient, token: str | None, **body: Any) -> httpx.Response:
    return await client.post("/admin/api/operations", json={"plan_token": token, **body})


async def test_a_plan_is_told_and_exactly_that_is_started(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(f"a{number}", "acme")
    await console.fail("b", "other")
    planned = await plan(operator, filter={"app_id": "acme", "q": "refused"})
    assert (planned.total, planned.filter) == (3, {"app_id": "acme", "q": "refused"})
    assert planned.filter_in_words == "app=acme, text=refused"
    assert [(part.key, part.entries) for part in planned.apps.parts] == [("acme", 3)]
    assert [(part.key, part.source) for part in planned.queues.parts] == [("mail", "default")]
    assert [sample.job_id for sample in planned.samples] == ["a0", "a1", "a2"]
    await console.fail("a3", "acme")
    response = await start(operator, planned.plan_token, reason="fixed")
    assert response.status_code == 202, response.text
    started = wire.BulkRetryResponse.model_validate(response.json()["data"])
    assert (started.total, started.message) == (
        3,
        "Retrying 3 entries of a selection: app=acme, text=refused.",
    )
    assert await console.run(started.operation_id) is OperationState.COMPLETED
    shown = (await operator.get(f"/admin/api/operations/{started.operation_id}")).json()["data"]
    assert (shown["scope"], shown["plan_id"]) == ("filter", planned.plan_token)
    assert (shown["filter"], shown["succeeded"]) == ({"app_id": "acme", "q": "refused"}, 3)


async def test_planning_moves_nothing_and_leaves_no_audit_row(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    before = await console.audit_rows()
    await plan(operator, everything=True)
    assert await console.audit_rows() == before
    with console.server.client() as client:
        assert client.llen("bull:mail:wait") == 0


async def test_the_start_is_audited_with_the_filter(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    await start(operator, (await plan(operator, filter={"queue": "mail"})).plan_token)
    row = (await operator.get("/admin/api/audit")).json()["data"]["items"][0]
    assert (row["action"], row["scope"]) == ("retry.start", "a selection: queue=mail")


@pytest.mark.parametrize("body", [{}, {"filter": {}}, {"kind": "dismiss", "filter": {}}], ids=str)
async def test_an_empty_filter_is_refused_and_what_is_allowed_is_named(
    operator: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    response = await operator.post("/admin/api/operations/plan", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "empty_filter")
    detail = response.json()["detail"]
    for name in (*wire.EntriesFilter.model_fields, "everything: true", "Nothing was changed"):
        assert name in detail


async def test_everything_has_to_be_said_and_stands_alone(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    said = await plan(operator, everything=True)
    assert (said.total, said.filter_in_words) == (1, "everything")
    both = {"everything": True, "filter": {"app_id": "acme"}}
    response = await operator.post("/admin/api/operations/plan", json=both)
    assert (response.status_code, response.json()["code"]) == (422, "filter_and_everything")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"colour": "red"}}, "body.filter.colour"),
        ({"filter": {"app_id": ""}}, "body.filter.app_id"),
        ({"filter": {"attempts_min": -1}}, "body.filter.attempts_min"),
        ({"filter": {"attempts_min": 5, "attempts_max": 2}}, "body.filter.attempts_max"),
        ({"filter": {"failed_from": "2026-01-01T00:00:00"}}, "body.filter.failed_from"),
        ({"filter": {"entry_ids": ["e"] * 10_001}}, "body.filter.entry_ids"),
        ({"kind": "erase"}, "body.kind"),
        ({"rate": 0}, "body.rate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_request_that_is_not_valid_names_the_field(
    operator: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    response = await operator.post("/admin/api/operations/plan", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_ten_thousand_entries_can_be_named_by_hand(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    ids = [entry_id, *(id_of(str(number)) for number in range(100, 10_099))]
    planned = await plan(operator, filter={"entry_ids": ids})
    assert planned.total == 1
    assert planned.filter["entry_ids_count"] == 10_000
    assert [(left.reason, left.entries) for left in planned.left_out] == [("unknown", 9_999)]


async def test_a_body_beyond_the_plans_limit_is_refused(operator: httpx.AsyncClient) -> None:
    body = json.dumps({"filter": {"q": "x" * 600_000}})
    json_type = {"content-type": "application/json"}
    response = await operator.post("/admin/api/operations/plan", content=body, headers=json_type)
    assert (response.status_code, "512 KiB" in response.text) == (413, True)
    response = await operator.post("/admin/api/operations", content=body, headers=json_type)
    assert (response.status_code, "64 KiB" in response.text) == (413, True)


async def test_the_predicted_time_follows_the_pace(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail_many(100)
    slow = await plan(operator, everything=True, rate=4)
    assert (slow.rate, slow.predicted_seconds) == (4.0, 25.0)
    usual = await plan(operator, everything=True)
    assert (usual.rate, usual.predicted_seconds) == (20_000.0, 0.0)
    assert (await plan(operator, everything=True, rate=100_000)).rate == 20_000.0
    ramped = await plan(operator, everything=True, rate=100, floor=1)
    assert (ramped.rate, ramped.predicted_seconds > 10) == (100.0, True)


async def test_a_plan_keeps_its_limits_and_a_start_may_say_others(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(2):
        await console.fail(f"a{number}", f"app-{number}")
    limits = {"rate": 4, "canary": {"entries": 1, "percent": 80, "seconds": 300}}
    kept = await plan(operator, filter={"app_id": "app-0"}, **limits)
    other = await plan(operator, filter={"app_id": "app-1"}, **limits)
    assert kept.controls.model_dump(exclude_none=True) == {**limits, "low_priority": False}
    for planned, said, controls in (
        (kept, {}, limits),
        (other, {"rate": None, "low_priority": True}, {"canary": limits["canary"]}),
    ):
        response = await start(operator, planned.plan_token, **said)
        operation_id = response.json()["data"]["operation_id"]
        shown = (await operator.get(f"/admin/api/operations/{operation_id}")).json()["data"]
        told = wire.Operation.model_validate(shown).controls.model_dump(exclude_none=True)
        assert told == {**controls, "low_priority": "low_priority" in said}


@pytest.mark.parametrize("limit", [{"rate": 1}, {"canary": {"entries": 2}}], ids=str)
async def test_a_dismissal_with_limits_is_refused_wherever_they_are_said(
    console: Console, operator: httpx.AsyncClient, limit: dict[str, Any]
) -> None:
    await console.fail("17")
    body = {"kind": "dismiss", "everything": True, **limit}
    refused = await operator.post("/admin/api/operations/plan", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "limits_of_dismissal")
    token = (await plan(operator, kind="dismiss", everything=True)).plan_token
    refused = await start(operator, token, **limit)
    assert (refused.status_code, refused.json()["code"]) == (422, "limits_of_dismissal")
    assert "A dismissal takes no limits" in refused.json()["detail"]
    operation_id = (await start(operator, token)).json()["data"]["operation_id"]
    refused = await operator.patch(f"/admin/api/operations/{operation_id}", json=limit)
    assert (refused.status_code, refused.json()["code"]) == (422, "limits_of_dismissal")


async def test_a_paused_queue_is_a_warning(console: Console, operator: httpx.AsyncClient) -> None:
    await console.fail("17")
    with console.server.client() as client:
        client.hset("bull:mail:meta", "paused", "1")
    (warning,) = (await plan(operator, everything=True)).warnings
    assert (warning.code, warning.entries) == ("queue_paused", 1)
    assert "The queue mail is paused" in warning.message
    assert (await plan(operator, everything=True, kind="dismiss")).warnings == []


async def test_a_plan_that_selects_nothing_has_no_token(operator: httpx.AsyncClient) -> None:
    planned = await plan(operator, everything=True)
    assert (planned.total, planned.plan_token) == (0, None)


async def test_a_token_is_unknown_used_or_another_users(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    response = await start(operator, "plan_made_up")
    assert (response.status_code, response.json()["code"]) == (404, "plan_not_found")
    planned = await plan(operator, everything=True)
    await console.services.accounts.put_user("bob", hash_password("another password"))
    async with console.stranger() as bob:
        (await log_in(bob, "bob", "another password")).raise_for_status()
        response = await start(bob, planned.plan_token)
        assert (response.status_code, response.json()["code"]) == (403, "plan_of_another")
    first = await start(operator, planned.plan_token, idempotency_key="k")
    assert first.status_code == 202
    again = await start(operator, planned.plan_token, idempotency_key="k")
    assert (again.status_code, again.json()["data"]["new"]) == (202, False)
    response = await start(operator, planned.plan_token)
    assert (response.status_code, response.json()["code"]) == (409, "plan_used")
    assert response.json()["operation_id"] == first.json()["data"]["operation_id"]


async def test_overlaps_are_refused_both_ways_with_who_and_what(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    waiting = await plan(operator, everything=True)
    running = (await operator.post("/admin/api/retry/app/acme")).json()["data"]["operation_id"]
    response = await start(operator, waiting.plan_token)
    assert (response.status_code, response.json()["code"]) == (409, "operation_overlap")
    assert response.json()["operation_id"] == running
    assert (response.json()["actor"], response.json()["scope"]) == ("admin", "app acme")
    assert "of admin is already working on app acme" in response.json()["detail"]
    await operator.post(f"/admin/api/retry/cancel/{running}")
    planned = (await start(operator, waiting.plan_token)).json()["data"]["operation_id"]
    response = await operator.post("/admin/api/retry/all")
    assert (response.status_code, response.json()["operation_id"]) == (409, planned)


async def test_a_planned_dismissal_dismisses_and_asks_no_queue(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    planned = await plan(operator, kind="dismiss", filter={"entry_ids": [entry_id]})
    response = await start(operator, planned.plan_token, reason="test data")
    assert (
        response.json()["data"]["message"] == "Dismissing 1 entry of a selection: 1 entry by hand."
    )
    operation_id = response.json()["data"]["operation_id"]
    assert await console.run(operation_id) is OperationState.COMPLETED
    shown = (await operator.get(f"/admin/api/operations/{operation_id}")).json()["data"]
    assert (shown["dismissed"], shown["succeeded"], shown["completed"]) == (1, 1, 1)
    entry = (await operator.get(f"/admin/api/entries/{entry_id}")).json()["data"]
    assert (entry["state"], entry["state_reason"]) == (
        "dismissed",
        "dismissed by admin: test data",
    )
    with console.server.client() as client:
        assert client.zcard("bull:mail:failed") == 1
    told = 'redrive_retries_total{kind="dismiss",result="dismissed"} 1.0'
    assert told in (await operator.get("/metrics")).text


async def test_one_entry_is_dismissed_and_restored(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    body = {"app_id": "acme", "entry_id": entry_id, "reason": "known"}
    response = await operator.post("/admin/api/dismiss", json=body)
    assert response.status_code == 200, response.text
    assert "its entry is dismissed" in response.json()["data"]["message"]
    response = await operator.post("/admin/api/dismiss", json=body)
    assert (response.status_code, response.json()["code"]) == (409, "wrong_state")
    response = await operator.post("/admin/api/restore", json=body)
    assert response.json()["data"] == {
        "message": "The entry of job 17 is failed again.",
        "entry_id": entry_id,
        "state": "failed",
    }
    response = await operator.post("/admin/api/restore", json=body)
    assert (response.status_code, response.json()["code"]) == (409, "wrong_state")
    for route in ("dismiss", "restore"):
        response = await operator.post(f"/admin/api/{route}", json={**body, "entry_id": "ent_no"})
        assert (response.status_code, response.json()["code"]) == (404, "entry_not_found")
    actions = [action for _, action, _ in await console.audit_rows()]
    assert actions[-3:] == ["dismiss.start", "dismiss.end", "restore"]


async def test_dismissing_works_while_the_queue_system_is_away(
    console: Console, operator: httpx.AsyncClient
) -> None:
    (engine,) = console.services.engines.values()
    entry_id = EntryId(await console.fail("17"))
    await engine.close()
    body = {"app_id": "acme", "entry_id": entry_id}
    assert (await operator.post("/admin/api/dismiss", json=body)).status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"attempts_min": "1"}, 2),
        ({"attempts_min": "2"}, 0),
        ({"retried_min": "1"}, 0),
        ({"job_name": "send"}, 2),
        ({"job_name": "other"}, 0),
        ({"failed_from": "2025-01-01T00:00:00Z", "failed_before": "2030-01-01T00:00:00Z"}, 2),
        ({"failed_before": "2025-01-01T00:00:00Z"}, 0),
        ({"failed_again_in": "op_none"}, 0),
        ({"same_failures_min": "1"}, 0),
        ({"group_id": "grp_none"}, 0),
        ({"entry_id": id_of("17")}, 1),
    ],
    ids=str,
)
async def test_the_list_of_entries_takes_the_same_filter(
    console: Console, operator: httpx.AsyncClient, query: dict[str, str], found: int
) -> None:
    await console.fail("17")
    await console.fail("18")
    response = await operator.get("/admin/api/entries", params={"state": "failed", **query})
    assert response.status_code == 200, response.text
    assert len(response.json()["data"]["items"]) == found


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/retry/app/acme", {"filter": {"app_id": "acme"}}),
        ("/retry/all", {"everything": True}),
        ("/resync/app/acme", {"filter": {"app_id": "acme"}, "kind": "resync"}),
    ],
)
async def test_the_shorthands_take_what_a_plan_with_what_keeps_failing_takes(
    console: Console, operator: httpx.AsyncClient, path: str, asked: dict[str, Any]
) -> None:
    await console.fail("a1")
    await failing_the_same_way(console, await console.fail("a2"))
    await console.fail("b1", "globex")
    planned = await plan(operator, include_repeated=True, **asked)
    started = (await operator.post(f"/admin/api{path}", json={})).json()["data"]
    assert started["total"] == planned.total
    await console.run(started["operation_id"])
    items = await operator.get(f"/admin/api/operations/{started['operation_id']}/items")
    taken = {item["entry_id"] for item in items.json()["data"]["items"]}
    assert taken == {sample.entry_id for sample in planned.samples}
