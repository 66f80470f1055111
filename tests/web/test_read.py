"""Reading: lists, filters, pages, details."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from redrive import wire
from redrive.domain import JobState
from tests.web.support import Console, retry_elsewhere

LISTS = ("apps", "entries", "operations", "audit", "groups", "queues/mail/jobs")


async def items_of(client: httpx.AsyncClient, path: str, **params: str) -> list[dict[str, object]]:
    response = await client.get(f"/admin/api/{path}", params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, object]] = response.json()["data"]["items"]
    return items


async def ids(client: httpx.AsyncClient, **params: str) -> list[object]:
    return [item["job_id"] for item in await items_of(client, "entries", **params)]


async def test_the_overview_tells_failures_by_state_and_app(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for job_id, app_id in (("1", "acme"), ("2", "acme"), ("3", "other")):
        await console.fail(job_id, app_id)
    response = await operator.get("/admin/api/overview")
    overview = wire.Overview.model_validate(response.json()["data"])
    assert overview.failed == 3
    assert [(app.app_id, app.failed) for app in overview.apps] == [("acme", 2), ("other", 1)]
    assert [follower.source for follower in overview.followers] == ["default"]
    assert overview.operations == []
    started = (await operator.post("/admin/api/retry/all")).json()["data"]["operation_id"]
    response = await operator.get("/admin/api/overview")
    overview = wire.Overview.model_validate(response.json()["data"])
    assert [operation.operation_id for operation in overview.operations] == [started]


async def test_entries_are_filtered_by_app_state_queue_and_text(
    console: Console, operator: httpx.AsyncClient
) -> None:
    first = await console.fail("1", "acme", "mail")
    await console.fail("2", "other", "mail")
    await console.fail("3", "acme", "web hooks")
    await operator.post("/admin/api/retry", json={"app_id": "acme", "entry_id": first})
    assert await ids(operator) == ["3", "2", "1"]
    assert await ids(operator, order="oldest") == ["1", "2", "3"]
    assert await ids(operator, app_id="acme") == ["3", "1"]
    assert await ids(operator, state="failed") == ["3", "2"]
    assert await ids(operator, queue="web hooks") == ["3"]
    assert await ids(operator, q="REFUSED", app_id="other") == ["2"]
    assert await ids(operator, q="2") == ["2"]
    assert await ids(operator, q=first) == ["1"]
    assert await ids(operator, q="%") == []


@pytest.mark.parametrize("path", ["entries", "queues/mail/jobs"])
async def test_pages_follow_on_each_other_without_gap_or_repeat(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    for number in range(5):
        await console.fail(str(number))
    seen: list[object] = []
    params = {"limit": "2"}
    for _ in range(4):
        response = await operator.get(f"/admin/api/{path}", params=params)
        page = response.json()["data"]
        seen += [item["job_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == ["4", "3", "2", "1", "0"]


async def test_other_lists_have_pages_too(console: Console, operator: httpx.AsyncClient) -> None:
    for app_id in ("a", "b", "c"):
        entry_id = await console.fail(app_id, app_id)
        await operator.post("/admin/api/retry", json={"app_id": app_id, "entry_id": entry_id})
    for path in ("apps", "operations", "audit"):
        whole = await items_of(operator, path)
        first = (await operator.get(f"/admin/api/{path}?limit=1")).json()["data"]
        rest = await items_of(operator, path, cursor=first["next_cursor"])
        assert first["items"] + rest == whole


@pytest.mark.parametrize("path", LISTS)
async def test_a_parameter_that_is_not_valid_or_not_known_is_refused(
    operator: httpx.AsyncClient, path: str
) -> None:
    for name, value in (
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "many"),
        ("sate", "failed"),
        ("cursor", "x" * 513),
    ):
        response = await operator.get(f"/admin/api/{path}", params={name: value})
        assert response.status_code == 422
        assert [error["field"] for error in response.json()["errors"]] == [f"query.{name}"]


async def test_a_range_that_ends_before_it_begins_is_refused(operator: httpx.AsyncClient) -> None:
    bounds = {"retried_min": "5", "retried_max": "2"}
    response = await operator.get("/admin/api/entries", params=bounds)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["field"], error["message"]) == ("query.retried_max", "must not be below 5")


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_that_the_list_did_not_give_out_is_refused(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    await console.fail("1")
    for cursor in ("", "x", "-1", "99999999999999999999", "WyJhcHBzIl0", "ü", "²"):
        response = await operator.get(f"/admin/api/{path}", params={"cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (422, "bad_cursor"), cursor


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
@pytest.mark.parametrize(("path", "numbers"), [("apps", [1]), ("operations", [])])
async def test_a_made_up_cursor_that_no_database_can_encode_is_refused(
    operator: httpx.AsyncClient, path: str, numbers: list[int], text: str
) -> None:
    position = json.dumps([path, *numbers, text]).encode()
    cursor = base64.urlsafe_b64encode(position).decode().rstrip("=")
    response = await operator.get(f"/admin/api/{path}", params={"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "bad_cursor")


async def test_an_entry_shows_error_payload_job_and_history(
    console: Console, operator: httpx.AsyncClient
) -> None:
    data = '{"app_id":"acme","password":"hunter2","n":12345678901234567890}'
    entry_id = await console.fail("17", data=data)
    await operator.post("/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id})
    response = await operator.get(f"/admin/api/entries/{entry_id}")
    detail = wire.EntryDetail.model_validate(response.json()["data"])
    assert "at send (mail.js:1:1)" in detail.stacktrace
    assert detail.payload is not None
    assert detail.payload.data == '{"app_id":"acme","password":"••••••","n":12345678901234567890}'
    assert detail.job is not None
    assert detail.job.state == "waiting"
    assert [(item.state, item.reason) for item in detail.history] == [("requeued", "requeued")]
    with console.server.client() as redis:
        assert "hunter2" in str(redis.hget("bull:mail:17", "data"))


@pytest.mark.parametrize("data", ["not json", "\x00\x01", '"\\ud800"', "", "[" * 5000, "1e999"])
async def test_a_poisoned_job_is_shown(
    console: Console, operator: httpx.AsyncClient, data: str
) -> None:
    entry_id = await console.fail("17", "mail", data=data)
    response = await operator.get(f"/admin/api/entries/{entry_id}")
    assert response.status_code == 200, response.text
    assert len(await items_of(operator, "entries")) == 1
    assert len(await items_of(operator, "queues/mail/jobs")) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("apps/unknown", "app_not_found"),
        ("entries/ent_unknown", "entry_not_found"),
        ("operations/op_unknown", "operation_not_found"),
        ("operations/op_unknown/items", "operation_not_found"),
        ("queues/unknown/jobs", "queue_not_found"),
    ],
)
async def test_what_there_is_not_is_404(operator: httpx.AsyncClient, path: str, code: str) -> None:
    response = await operator.get(f"/admin/api/{path}")
    assert (response.status_code, response.json()["code"]) == (404, code)


async def test_an_operation_and_its_items_tell_what_became_of_each_entry(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1")
    await console.fail("2")
    retry_elsewhere(console.server, "2")
    operation_id = (await operator.post("/admin/api/retry/all")).json()["data"]["operation_id"]
    await console.run(operation_id)
    response = await operator.get(f"/admin/api/operations/{operation_id}")
    operation = wire.Operation.model_validate(response.json()["data"])
    assert (operation.total, operation.succeeded, operation.skipped) == (2, 1, 1)
    items = await items_of(operator, f"operations/{operation_id}/items")
    assert [(item["job_id"], item["reason"]) for item in items] == [
        ("1", "requeued"),
        ("2", "already_live"),
    ]
    skipped = await items_of(operator, f"operations/{operation_id}/items", state="skipped")
    assert [item["job_id"] for item in skipped] == ["2"]
    assert len(await items_of(operator, "operations", state="completed", app_id="")) == 1
    assert await items_of(operator, "operations", state="running") == []


async def test_queues_show_the_engine_s_own_counts(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1", queue="mail")
    await console.fail("2", queue="web hooks")
    queues = [wire.Queue.model_validate(one) for one in await items_of(operator, "queues")]
    assert {queue.queue: queue.counts[JobState.FAILED] for queue in queues} == {
        "mail": 1,
        "web hooks": 1,
    }
    jobs = await items_of(operator, "queues/web hooks/jobs", state="failed", source="default")
    assert [job["job_id"] for job in jobs] == ["2"]


async def test_an_app_can_be_given_a_name_and_the_change_is_audited(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    for name in ("Acme Ltd", ""):
        response = await operator.patch("/admin/api/apps/acme", json={"display_name": name})
        assert response.json()["data"]["display_name"] in (name, "acme")
    assert [row[1:] for row in await console.audit_rows()][1:] == [
        ("rename", "Acme Ltd"),
        ("rename", ""),
    ]
    row, *_ = await items_of(operator, "audit", action="rename")
    assert (row["before"], row["after"]) == ({"display_name": "Acme Ltd"}, {"display_name": ""})
    unknown = await operator.patch("/admin/api/apps/unknown", json={"display_name": "x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "app_not_found")
