"""Choosing entries, the plan page, and the start of what it shows."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from redrive.domain import OperationState
from tests.support.servers import RedisServer
from tests.web.plan_pages import (
    arrived,
    failing_the_same_way,
    form_of,
    planned,
    start,
    text_of,
)
from tests.web.support import BROWSER, Console, open_console


async def test_a_plan_tells_what_it_takes_and_starts_exactly_that(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(f"a{number}")
    await console.fail("b", "globex", queue="sms")
    page = await planned(browser, "kind=retry&app_id=acme&q=refused")
    said = text_of(page)
    for part in ("Retry 3 entries?", "Nothing has moved yet.", "App acme", "Error or id refused"):
        assert part in said, part
    for part in ("Causes 1", "Apps 1", "Queues 1", "All of them", "for 10 min"):
        assert part in said, part
    assert "globex" not in said
    assert (await browser.get("/admin/api/entries?state=failed")).json()["data"]["items"]
    await console.fail("a3")
    sent = await start(browser, page, reason="the provider is back")
    shown = text_of(await arrived(browser, sent))
    assert "Retry of a selection in app acme" in shown
    assert "Started: 3 entries of a selection in app acme" in shown
    assert "Error or id refused" in shown
    operation_id = sent.headers["location"].rsplit("/", 1)[1]
    assert await console.run(operation_id) is OperationState.COMPLETED
    done = (await browser.get(f"/admin/api/operations/{operation_id}")).json()["data"]
    assert (done["succeeded"], done["total"], done["reason"]) == (3, 3, "the provider is back")
    rows = await console.audit_rows()
    assert ("admin", "retry.start", "started") in rows


async def test_the_operation_leads_to_the_list_with_its_filter(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("a")
    page = await planned(
        browser, "app_id=acme&name=send&q=refused&attempts_min=1&start=2025-01-01T00:00"
    )
    operation = await arrived(browser, await start(browser, page))
    found = re.search(r'href="([^"]*)">All entries that fit this<', operation.text)
    assert found is not None
    query = parse_qs(urlsplit(html.unescape(found[1])).query)
    assert {name: query[name] for name in ("app_id", "name", "q", "attempts_min", "state")} == {
        "app_id": ["acme"],
        "name": ["send"],
        "q": ["refused"],
        "attempts_min": ["1"],
        "state": ["any"],
    }
    assert (await browser.get(html.unescape(found[1]))).status_code == 200
    listed = text_of(await browser.get("/admin/operations"))
    assert "Retry of a selection in app acme Error or id: refused, Job name: send" in listed


async def test_rows_are_chosen_and_planned_without_an_address(
    console: Console, browser: httpx.AsyncClient
) -> None:
    ids = [await console.fail(str(number)) for number in range(4)]
    form = {"rows": "true", "kind": "retry", "entry_id": ids[:2], "back": "/admin/failures"}
    page = await browser.post("/admin/plan", data=form)
    assert page.status_code == 200
    assert "Retry 2 entries?" in text_of(page)
    assert "Chosen by hand 2 entries" in text_of(page)
    sent = await start(browser, page)
    shown = text_of(await arrived(browser, sent))
    assert "Retry of 2 entries chosen by hand" in shown
    assert "Started: 2 entries chosen by hand." in shown
    assert "All entries that fit this" not in shown


async def test_the_whole_page_and_all_that_fit_are_chosen_without_a_script(
    console: Console, browser: httpx.AsyncClient
) -> None:
    ids = [await console.fail(str(number)) for number in range(3)]
    page = await browser.get("/admin/failures?q=refused")
    assert "All 3 that fit" in text_of(page)
    assert page.text.count("data-pick>") == 3
    form = {"rows": "true", "kind": "dismiss", "page": "true", "page_ids": " ".join(ids)}
    assert "Dismiss 3 entries?" in text_of(await browser.post("/admin/plan", data=form))
    form = {"rows": "true", "all": "true", "kind": "dismiss", "q": "refused", "back": "/admin/"}
    sent = await browser.post("/admin/plan", data=form)
    assert sent.headers["location"] == "/admin/plan?kind=dismiss&q=refused"
    assert "Dismiss 3 entries?" in text_of(await arrived(browser, sent))


async def test_choosing_nothing_plans_nothing(console: Console, browser: httpx.AsyncClient) -> None:
    await console.fail("1")
    form = {"rows": "true", "kind": "retry", "q": "refused", "back": "/admin/failures?q=refused"}
    sent = await browser.post("/admin/plan", data=form)
    assert sent.headers["location"] == "/admin/failures?q=refused"
    assert "Nothing was chosen" in text_of(await arrived(browser, sent))


async def test_a_plan_of_checked_rows_leads_back_to_the_list_when_it_is_loaded_anew(
    browser: httpx.AsyncClient,
) -> None:
    sent = await browser.get("/admin/plan")
    assert sent.headers["location"] == "/admin/failures"
    assert "check them again" in text_of(await arrived(browser, sent))


async def test_an_operation_that_waits_for_approval_says_so(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = {"approval_over": 1}
    async with open_console(redis_server, tmp_path, settings) as console, console.operator() as one:
        one.headers.update(BROWSER)
        await console.fail("1")
        await console.fail("2")
        shown = await arrived(one, await start(one, await planned(one, "app_id=acme")))
        said = text_of(shown)
        assert "Started: 2 entries of app acme. It is paused:" in said
        assert "Waits for approval" in said
        listed = await one.get("/admin/operations?state=paused")
        assert "Retry of app acme" in text_of(listed)


async def test_an_empty_filter_is_refused_and_says_what_there_is(
    browser: httpx.AsyncClient,
) -> None:
    page = await browser.get("/admin/plan?kind=retry")
    assert page.status_code == 422
    for part in ("App, Source, Queue", "Put back, at most", "Retry everything, on the overview"):
        assert part in text_of(page)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "Colour"),
        ("app_id=acme&attempts_min=3&attempts_max=1", "Attempts, at most"),
        ("kind=erase&app_id=acme", "Kind"),
        ("start=2026-01-02T00:00&end=2026-01-01T00:00", "Failed before"),
    ],
)
async def test_a_plan_that_does_not_fit_names_the_field(
    browser: httpx.AsyncClient, query: str, field: str
) -> None:
    page = await browser.get(f"/admin/plan?{query}")
    assert page.status_code == 422
    assert field in text_of(page)


async def test_a_form_with_the_key_of_another_plan_starts_nothing_and_leads_to_nothing_else(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    await console.fail("2", "globex")
    first = await planned(browser, "app_id=acme")
    assert (await start(browser, first)).status_code == 303
    other = await planned(browser, "app_id=globex")
    sent = await start(browser, other, key=form_of(first)["key"])
    assert sent.headers["location"].startswith("/admin/plan?")
    assert "which asked for something else. Nothing was changed." in text_of(
        await arrived(browser, sent)
    )
    listed = (await browser.get("/admin/api/operations")).json()["data"]["items"]
    assert len(listed) == 1


async def test_entries_that_keep_failing_are_left_out_until_they_are_included(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    stuck = await console.fail("2")
    await failing_the_same_way(console, stuck)
    page = await planned(browser, "app_id=acme")
    assert "Retry 1 entry?" in text_of(page)
    assert "1 failed the same way three times or more after they were put back" in text_of(page)
    sent = await start(browser, page, act="plan", include_repeated="true", reason="kept")
    again = await arrived(browser, sent)
    assert "Retry 2 entries?" in text_of(again)
    assert form_of(again)["reason"] == "kept"
    by_hand = {"rows": "true", "kind": "retry", "entry_id": [stuck]}
    page = await browser.post("/admin/plan", data=by_hand)
    assert "Retry 0 entries?" in text_of(page)
    page = await browser.post("/admin/plan", data={**by_hand, "include_repeated": "true"})
    assert "Retry 1 entry?" in text_of(page)
    assert form_of(page)["include_repeated"] == "true"


async def test_what_was_chosen_and_cannot_be_taken_is_named(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id, other = await console.fail("1"), await console.fail("2")
    await browser.post(f"/admin/entries/{entry_id}/dismiss", data={"app_id": "acme"})
    form = {"rows": "true", "kind": "retry", "entry_id": [entry_id, other, "ent_gone"]}
    said = text_of(await browser.post("/admin/plan", data=form))
    assert "Retry 1 entry?" in said
    assert "1 are dismissed" in said
    assert "1 are not known (any more)" in said


async def test_a_list_narrows_by_attempts_hand_overs_group_and_times(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    group = (await browser.get("/admin/api/entries")).json()["data"]["items"][0]["group_id"]
    for query, found in (
        ("attempts_min=1&attempts_max=1", 1),
        ("attempts_min=2", 0),
        ("retried_max=0", 1),
        ("retried_min=1", 0),
        ("same_failures_min=1", 0),
        (f"group_id={group}", 1),
        ("group_id=grp_1_none", 0),
        ("source=default", 1),
        ("start=2025-01-01T00:00&end=2030-01-01T00:00", 1),
        ("end=2025-01-01T00:00", 0),
    ):
        page = await browser.get(f"/admin/failures?{query}")
        entries = "1 entry fits" if found else "0 entries fit"
        assert entries in text_of(page), query
        assert re.search(r'<details class="more-filters"[^>]* open', page.text), query


async def test_more_filters_show_what_the_address_says(browser: httpx.AsyncClient) -> None:
    page = await browser.get(
        "/admin/failures?start=2026-01-05T10:00:00%2B02:00&end=2026-01-06T10:00&attempts_min=0"
    )
    assert 'name="start" value="2026-01-05T08:00"' in page.text
    assert 'name="end" value="2026-01-06T10:00"' in page.text
    assert re.search(r'name="attempts_min"[^>]* value="0"', page.text)
    plain = await browser.get("/admin/failures")
    assert not re.search(r'<details class="more-filters"[^>]* open', plain.text)
