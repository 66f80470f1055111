"""Operations over a group say which failures they are about, and lead to the group."""

from __future__ import annotations

import html
import re

import httpx

from redrive.domain import EntryId
from tests.web.plan_pages import arrived, planned, start, text_of
from tests.web.support import Console
from tests.web.test_page_groups import take_over

TITLE = "connection refused"
NAME = f"Retry of group “{TITLE}”"


async def group_of(console: Console, entry_id: str) -> str:
    found = (await console.services.overview.entry(EntryId(entry_id))).entry.group_id
    assert found is not None
    return found


async def retried_group(
    console: Console, browser: httpx.AsyncClient, more: str = ""
) -> tuple[str, httpx.Response]:
    """The group whose entries are retried, and the page of the operation."""
    group_id = await group_of(console, await console.fail("1"))
    page = await planned(browser, f"group_id={group_id}{more}")
    sent = await start(browser, page, reason="a809 fixed it")
    return group_id, await arrived(browser, sent)


def row_of(page: httpx.Response) -> str:
    """The first cell of the only operation in a list, as a person reads it, line by line."""
    (cell,) = re.findall(r'<tr data-key="op_.*?</td>', page.text, re.DOTALL)
    shown = cell.split('<span class="below">')[0]
    return html.unescape("|".join(re.findall(r">([^<>]+)</(?:bdi|span|q)>", shown)))


async def test_the_page_of_an_operation_over_a_group_is_named_for_it_and_leads_to_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id, page = await retried_group(console, browser)
    assert f"<h1><bdi>{NAME}</bdi>" in page.text
    assert f"Started: 1 entry of group “{TITLE}”." in text_of(page)
    assert f'<dd><a href="/admin/groups/{group_id}"><bdi>{TITLE}</bdi></a></dd>' in page.text


async def test_lists_and_what_is_running_name_the_group_and_keep_the_reason_apart(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await retried_group(console, browser, "&app_id=acme&attempts_min=1")
    listed = await browser.get("/admin/operations")
    assert row_of(listed) == f"{NAME} in app acme|Attempts, at least: 1|a809 fixed it"
    assert f"Running: {NAME} in app acme" in text_of(await browser.get("/admin/apps/acme"))
    assert NAME in text_of(await browser.get("/admin/"))


async def test_the_plan_of_a_group_names_it_and_leads_back_to_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id = await group_of(console, await console.fail("1"))
    page = await planned(browser, f"group_id={group_id}")
    assert f'<dd><a href="/admin/groups/{group_id}"><bdi>{TITLE}</bdi></a></dd>' in page.text
    assert f'<p class="crumbs"><a href="/admin/groups/{group_id}">The group</a></p>' in page.text
    narrowed = await planned(browser, f"group_id={group_id}&app_id=acme")
    assert 'href="/admin/failures?app_id=acme&amp;group_id=' in narrowed.text
    assert ">The list</a>" in narrowed.text


async def test_the_plan_of_what_failed_again_leads_back_to_the_operation(
    console: Console, browser: httpx.AsyncClient
) -> None:
    page = await planned(browser, "failed_again_in=op_1&same_failures_min=1")
    assert '<p class="crumbs"><a href="/admin/operations/op_1">The operation</a></p>' in page.text


async def test_a_group_that_was_taken_over_is_named_for_its_heir_and_one_that_is_gone_is_a_group(
    console: Console, browser: httpx.AsyncClient
) -> None:
    group_id, page = await retried_group(console, browser)
    heir = await group_of(console, await console.fail("2", error="no such mailbox"))
    await take_over(console, group_id, heir)
    assert "Retry of group “no such mailbox”" in text_of(await browser.get(str(page.url)))
    gone = await planned(browser, "group_id=grp_gone&queue=mail")
    assert "<bdi>grp_gone</bdi></a></dd>" in gone.text


async def test_who_meets_an_operation_over_a_group_is_told_which(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await retried_group(console, browser)
    await console.fail("3")
    sent = await browser.post("/admin/start", data={"kind": "retry", "count": "1", "key": "k" * 16})
    assert f"your retry of group “{TITLE}”" in text_of(await arrived(browser, sent))
