"""Dismissing failures on their pages, and taking that back."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

import httpx

from redrive.domain import OperationState
from tests.web.plan_pages import (
    arrived,
    planned,
    start,
    text_of,
)
from tests.web.support import Console


async def test_many_are_dismissed_and_the_operation_says_so(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(str(number))
    page = await planned(browser, "kind=dismiss&app_id=acme")
    sent = await start(browser, page, reason="test data")
    operation_id = sent.headers["location"].rsplit("/", 1)[1]
    assert await console.run(operation_id) is OperationState.COMPLETED
    shown = await browser.get(sent.headers["location"])
    said = text_of(shown)
    for part in ("Dismissal of app acme finished, dismissed", "3 dismissed.", "100%"):
        assert part in said, part
    assert "What became of the dismissed entries" in said
    assert '<div data-key="dismissed">' in shown.text
    assert "moved" not in re.sub(r".*<main", "", said).split("Facts")[0].split("Scope")[0].lower()
    found = re.search(r'href="([^"]*)">Dismissed entries<', shown.text)
    assert found is not None
    listed = text_of(await browser.get(html.unescape(found[1])))
    assert "Entries 3" in listed
    assert "Retry…" not in listed
    assert "dismissed 3" in text_of(await browser.get("/admin/operations"))


async def test_one_entry_is_dismissed_after_a_question_and_restored(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    page = await browser.get(f"/admin/entries/{entry_id}")
    assert f'href="/admin/entries/{entry_id}/dismiss' in page.text
    question = text_of(await browser.get(f"/admin/entries/{entry_id}/dismiss"))
    assert "Dismiss send 17?" in question
    form: Mapping[str, str] = {"app_id": "acme", "reason": "known", "back": "/admin/failures"}
    sent = await browser.post(f"/admin/entries/{entry_id}/dismiss", data=form)
    assert sent.headers["location"] == "/admin/failures"
    assert "its entry is dismissed" in text_of(await arrived(browser, sent))
    assert "Only a failed entry can be dismissed." in text_of(
        await browser.get(f"/admin/entries/{entry_id}/dismiss")
    )
    page = await browser.get(f"/admin/entries/{entry_id}")
    assert "dismissed by admin: known" in text_of(page)
    assert f'action="/admin/entries/{entry_id}/restore"' in page.text
    form = {"app_id": "acme"}
    sent = await browser.post(f"/admin/entries/{entry_id}/restore", data=form)
    assert "The entry of job 17 is failed again." in text_of(await arrived(browser, sent))
    trail = text_of(await browser.get("/admin/audit?action=restore"))
    assert "restored state dismissed → failed" in trail
    assert "stopped by an error" not in trail
    sent = await browser.post(f"/admin/entries/{entry_id}/restore", data=form)
    assert "Nothing was changed." in text_of(await arrived(browser, sent))
