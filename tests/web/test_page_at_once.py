"""All of a group is retried with one click: what that starts, and what it does not."""

from __future__ import annotations

import asyncio
import html
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from redrive.domain import EntryId, GroupId, OperationId, proposed_controls
from tests.support.servers import RedisServer
from tests.web.plan_pages import arrived, failing_the_same_way, text_of
from tests.web.support import BROWSER, Console, open_console
from tests.web.test_page_groups import fail, take_over

LEFT_OUT = "failed the same way three times or more after they were put back"


def place_of(group_id: str) -> str:
    return f"/admin/groups/{group_id}/retry"


async def group_of(console: Console, entry_id: str) -> GroupId:
    group_id = (await console.services.overview.entry(EntryId(entry_id))).entry.group_id
    assert group_id is not None
    return group_id


async def shown(
    browser: httpx.AsyncClient, group_id: str, page: str = ""
) -> tuple[httpx.Response, dict[str, str]]:
    """A page, the group's own if no other is named, and the fields of its one click."""
    read = await browser.get(page or f"/admin/groups/{group_id}")
    form = re.search(rf'<form [^>]*action="{place_of(group_id)}".*?</form>', read.text, re.DOTALL)
    assert form is not None, read.text
    return read, dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[0]))


async def click(browser: httpx.AsyncClient, group_id: str, page: str = "") -> httpx.Response:
    """What comes of one click on a page that shows the group."""
    _, fields = await shown(browser, group_id, page)
    return await browser.post(place_of(group_id), data=fields)


async def operations(browser: httpx.AsyncClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await browser.get("/admin/api/operations")).json()["data"][
        "items"
    ]
    return items


@pytest.mark.parametrize(
    "page", ["", "/admin/groups", "/admin/"], ids=["its page", "the list", "the overview"]
)
async def test_one_click_starts_exactly_what_is_failed_of_the_group_and_says_so(
    console: Console, browser: httpx.AsyncClient, page: str
) -> None:
    ids = [await console.fail("1"), await console.fail("2", "globex")]
    other = await console.fail("3", error="no such mailbox")
    group_id = await group_of(console, ids[0])
    sent = await click(browser, group_id, page)
    (started,) = await operations(browser)
    assert sent.headers["location"] == f"/admin/operations/{started['operation_id']}"
    assert (started["total"], started["filter"]) == (2, {"group_id": group_id})
    assert (started["controls"]["canary"], started["actor"]) == (None, "admin")
    later = await console.fail("4")
    said = text_of(await arrived(browser, sent))
    assert "Started: 2 entries of group “connection refused”. Failures from then on are not" in said
    undone = (
        "While it goes on it can be cancelled, and what no worker has started can be taken back."
    )
    assert undone in said
    await console.run(started["operation_id"])
    reading = console.services.overview
    states = [(await reading.entry(EntryId(one))).entry.state for one in (*ids, other, later)]
    assert states == ["queued", "queued", "failed", "failed"]
    assert ("admin", "retry.start", "started") in await console.audit_rows()


async def test_the_same_form_again_leads_to_what_it_has_started(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    _, fields = await shown(browser, group_id)
    sent = await asyncio.gather(
        *(browser.post(place_of(group_id), data=fields) for _ in range(2)),
    )
    (started,) = await operations(browser)
    place = f"/admin/operations/{started['operation_id']}"
    await console.run(started["operation_id"])
    sent.append(await browser.post(place_of(group_id), data=fields))
    await console.fail("1")
    sent.append(await browser.post(place_of(group_id), data=fields))
    assert {one.headers["location"] for one in sent} == {place}
    said = text_of(await arrived(browser, sent[-1]))
    assert "Nothing new was started: you have started this" in said
    assert len(await operations(browser)) == 1


async def test_over_the_limit_it_begins_with_the_canary_of_a_plan_and_says_so_before(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail_many(1001)
    (group,) = (await browser.get("/admin/api/groups")).json()["data"]["items"]
    page, fields = await shown(browser, group["group_id"])
    assert (
        "Retry all starts at once, a canary of 20 first: 80% of it must recover within"
        in text_of(page)
    )
    listed, _ = await shown(browser, group["group_id"], "/admin/groups")
    assert '<span class="second" aria-hidden="true">a canary of 20 first</span>' in listed.text
    sent = await browser.post(place_of(group["group_id"]), data=fields)
    started = (await operations(browser))[0]["operation_id"]
    operation = await console.services.overview.operation(OperationId(started))
    assert (operation.total, operation.controls) == (1001, proposed_controls(1001))
    said = text_of(await arrived(browser, sent))
    assert "It was started with a canary of 20 (80% within 5 min), a guard at 50%" in said


async def test_a_canary_that_the_button_promised_goes_first_although_fewer_are_left(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    page, fields = await shown(browser, group_id)
    assert "canary" not in text_of(page)
    assert "Retry all starts at once." in text_of(page)
    sent = await browser.post(place_of(group_id), data={**fields, "count": "1001"})
    (started,) = await operations(browser)
    assert started["controls"]["canary"]["entries"] == 20
    assert "1 entry of group “connection refused” (1,001 when asked)" in text_of(
        await arrived(browser, sent)
    )


async def test_what_a_plan_leaves_out_is_left_out_and_told(
    console: Console, browser: httpx.AsyncClient
) -> None:
    ids = [await console.fail(str(number)) for number in range(3)]
    group_id = await group_of(console, ids[0])
    await failing_the_same_way(console, ids[1])
    page = await arrived(browser, await click(browser, group_id))
    (started,) = await operations(browser)
    assert started["total"] == 2
    said = text_of(page)
    assert "Started: 2 entries of group “connection refused”. Failures" in said
    assert f"1 entry was left out: {LEFT_OUT}." in said
    link = re.search(r'href="([^"]+)">What was left out</a>', page.text)
    assert link is not None
    listed = await browser.get(html.unescape(link[1]))
    assert "1 entry fits" in text_of(listed)
    assert ids[1] in listed.text


@pytest.mark.parametrize("repeated", [True, False])
async def test_where_nothing_is_left_nothing_is_started_and_the_plan_says_why(
    console: Console, browser: httpx.AsyncClient, repeated: bool
) -> None:
    entry_id = await console.fail("1")
    group_id = await group_of(console, entry_id)
    _, fields = await shown(browser, group_id)
    if repeated:
        await failing_the_same_way(console, entry_id)
    else:
        body = {"app_id": "acme", "entry_id": entry_id}
        (await browser.post("/admin/api/retry", json=body)).raise_for_status()
    before = len(await operations(browser))
    sent = await browser.post(place_of(group_id), data=fields)
    assert sent.headers["location"] == f"/admin/plan?kind=retry&group_id={group_id}"
    said = text_of(await arrived(browser, sent))
    why = f"1 entry was left out: {LEFT_OUT}" if repeated else "No entry that can be taken is left"
    assert f"Nothing was started. {why}." in said
    assert ("Include it" in said) == repeated
    assert len(await operations(browser)) == before


async def test_an_operation_in_the_way_is_named_by_the_plan_and_nothing_is_started(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    await console.fail("2", "globex")
    running = (await browser.post("/admin/api/retry/app/acme")).json()["data"]["operation_id"]
    sent = await click(browser, group_id)
    assert sent.headers["location"] == f"/admin/plan?kind=retry&group_id={group_id}"
    page = await arrived(browser, sent)
    assert "Nothing new was started: your retry of app acme, started just now" in text_of(page)
    assert f'href="/admin/operations/{running}"' in page.text
    assert len(await operations(browser)) == 1


async def test_while_an_operation_has_the_group_in_hand_its_button_says_which(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    other = await group_of(console, await console.fail("2", error="no such mailbox"))
    place = (await click(browser, group_id)).headers["location"]
    page = await browser.get(f"/admin/groups/{group_id}")
    assert place_of(group_id) not in page.text
    assert "Running: Retry of group “connection refused” (0%), started by admin" in text_of(page)
    assert "starts at once" not in text_of(page)
    listed = (await browser.get("/admin/groups")).text
    assert (place_of(group_id) in listed, place_of(other) in listed) == (False, True)
    assert f'href="{place}"' in listed
    await browser.post(f"{place}/cancel", data={})
    await browser.post("/admin/api/retry/all")
    for one in (group_id, other):
        page = await browser.get(f"/admin/groups/{one}")
        assert place_of(one) not in page.text
        assert "Running: Retry of all apps" in text_of(page)


async def test_one_that_has_to_be_approved_waits_for_that(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with (
        open_console(redis_server, tmp_path, {"approval_over": 1}) as console,
        console.operator() as browser,
    ):
        browser.headers.update(BROWSER)
        group_id = await group_of(console, await console.fail("1"))
        await console.fail("2")
        said = text_of(await arrived(browser, await click(browser, group_id)))
        assert "Started: 2 entries of group “connection refused”. It is paused: over 1" in said
        assert "Waits for approval" in said
        assert ("admin", "retry.start", "waits for approval") in await console.audit_rows()


async def test_a_page_of_another_site_and_a_stranger_start_nothing(
    console: Console, browser: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    _, fields = await shown(browser, group_id)
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://elsewhere.test"}):
        refused = await browser.post(place_of(group_id), data=fields, headers=headers)
        assert refused.status_code == 403
    assert (await stranger.post(place_of(group_id), data=fields)).status_code == 401
    assert (await browser.get(place_of(group_id))).status_code == 405
    assert await operations(browser) == []


async def test_a_click_that_does_not_fit_starts_nothing(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    _, fields = await shown(browser, group_id)
    for wrong in ({"count": "-1"}, {"count": "many"}, {"key": ""}, {"other": "x"}):
        answer = await browser.post(place_of(group_id), data={**fields, **wrong})
        assert answer.status_code == 422, wrong
    assert (await browser.post(place_of("grp_1_none"), data=fields)).status_code == 404
    assert await operations(browser) == []


async def test_a_group_that_was_taken_over_is_retried_as_its_heir(
    console: Console, browser: httpx.AsyncClient
) -> None:
    now = console.clock.now()
    old = await fail(console, "1", "the disk is full", now - timedelta(hours=1))
    heir = await fail(console, "2", "no such table", now)
    _, fields = await shown(browser, old)
    await take_over(console, old, heir)
    sent = await browser.post(place_of(old), data=fields)
    (started,) = await operations(browser)
    assert (started["total"], started["filter"]) == (1, {"group_id": heir})
    assert "group “no such table”" in text_of(await arrived(browser, sent))


async def test_what_a_plan_warns_of_is_told_with_the_start(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    with console.server.client() as client:
        client.hset("bull:mail:meta", "paused", "1")
    said = text_of(await arrived(browser, await click(browser, group_id)))
    assert "The queue mail is paused: its job waits until it is resumed." in said
