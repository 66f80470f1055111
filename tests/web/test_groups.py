"""Groups over HTTP."""

from __future__ import annotations

import httpx
import pytest

from redrive import wire
from redrive.fingerprint import fingerprint
from tests.web.support import Console
from tests.web.test_gate import assert_problem

SENT = fingerprint(
    "default",
    "mail",
    "send",
    "Error",
    "connection refused",
    "Error: connection refused\n    at send (mail.js:1:1)",
)


async def group_of(operator: httpx.AsyncClient, group_id: str = SENT.key) -> wire.GroupDetail:
    response = await operator.get(f"/admin/api/groups/{group_id}")
    assert response.status_code == 200, response.text
    return wire.GroupDetail.model_validate(response.json()["data"])


async def groups_of(operator: httpx.AsyncClient, **params: str) -> list[wire.Group]:
    response = await operator.get("/admin/api/groups", params=params)
    assert response.status_code == 200, response.text
    return wire.Page[wire.Group].model_validate(response.json()["data"]).items


async def test_groups_are_listed_and_shown(console: Console, operator: httpx.AsyncClient) -> None:
    await console.fail("1", "acme")
    newest = await console.fail("2", "globex")
    await console.fail_many(3, "initech")
    many, sent = await groups_of(operator)
    assert (many.failed, sent.failed) == (3, 2)
    assert sent.group_id == SENT.key
    assert [(one.module, one.function) for one in sent.frames] == [("mail", "send")]
    assert (sent.apps.found, sent.apps.is_bounded) == (2, False)
    assert len(sent.chart) == 24
    shown = await group_of(operator)
    assert wire.Group.model_validate(shown.model_dump()) == sent
    assert shown.example is not None
    assert shown.example.entry_id == newest == shown.example_entry_id
    assert shown.example.group_id == SENT.key


async def test_groups_are_filtered(console: Console, operator: httpx.AsyncClient) -> None:
    entry_id = await console.fail("1", "acme")
    await console.fail_many(1, "globex")
    assert [one.group_id for one in await groups_of(operator, app_id="acme")] == [SENT.key]
    assert [one.group_id for one in await groups_of(operator, q="refused")] == [SENT.key]
    assert await groups_of(operator, queue="other") == []
    await operator.post("/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id})
    assert await groups_of(operator, q="refused") == []
    assert [one.failed for one in await groups_of(operator, q="refused", quiet="true")] == [0]


async def test_entries_are_filtered_by_group(console: Console, operator: httpx.AsyncClient) -> None:
    await console.fail("1")
    await console.fail_many(2)
    params = {"group_id": SENT.key, "state": "failed"}
    response = await operator.get("/admin/api/entries", params=params)
    assert [item["job_id"] for item in response.json()["data"]["items"]] == ["1"]
    params = {"group_id": "grp_1_unknown"}
    response = await operator.get("/admin/api/entries", params=params)
    assert response.json()["data"]["items"] == []


async def test_a_note_is_kept_and_audited_with_what_was_before(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1")
    address = f"/admin/api/groups/{SENT.key}/note"
    for note in ("ask the hoster", "the relay\nis back", ""):
        response = await operator.put(address, json={"note": note})
        assert wire.GroupDetail.model_validate(response.json()["data"]).note == note
        shown = await group_of(operator)
        assert (shown.note, shown.noted_by) == (note, "admin" if note else None)
    rows = (await console.services.overview.audit_trail(None, 3)).items[::-1]
    assert [(row.result, row.before, row.after) for row in rows] == [
        ("saved", {"note": ""}, {"note": "ask the hoster"}),
        ("saved", {"note": "ask the hoster"}, {"note": "the relay\nis back"}),
        ("taken back", {"note": "the relay\nis back"}, {"note": ""}),
    ]


async def test_an_unknown_group_is_a_404(operator: httpx.AsyncClient) -> None:
    for response in (
        await operator.get("/admin/api/groups/grp_1_unknown"),
        await operator.put("/admin/api/groups/grp_1_unknown/note", json={"note": "x"}),
    ):
        assert_problem(response, 404)
        assert response.json()["code"] == "group_not_found"
        assert response.json()["group_id"] == "grp_1_unknown"


@pytest.mark.parametrize("body", [{}, {"note": None}, {"note": "x" * 2001}, {"note": "\x1b[2J"}])
async def test_a_note_that_is_not_valid_is_refused(
    console: Console, operator: httpx.AsyncClient, body: dict[str, object]
) -> None:
    await console.fail("1")
    response = await operator.put(f"/admin/api/groups/{SENT.key}/note", json=body)
    assert_problem(response, 422)
    assert (await group_of(operator)).note == ""


async def test_metrics_tell_how_many_groups_fail(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1")
    await console.fail_many(2)
    assert "redrive_failing_groups 2.0" in (await operator.get("/metrics")).text
