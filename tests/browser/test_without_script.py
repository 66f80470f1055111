"""The whole journey with JavaScript off: links, forms, redirects."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene
from tests.support.failing import working

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def deliver(job: Any, token: str) -> str:
    return "delivered"


async def test_the_whole_journey_needs_no_script(scene: Scene, windows: OpenWindow) -> None:
    scene.fail("plain", 1200, queue="plain", error="no script here")
    window = await windows(java_script_enabled=False)
    page = window.page
    await window.log_in("/admin/failures")
    await page.get_by_role("combobox", name="App").fill("plain")
    await page.get_by_label("Error or id").fill("no script")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.locator("a[data-row]").first.click()
    await expect(page.get_by_role("complementary")).to_contain_text("no script here")
    await page.get_by_role("complementary").get_by_role("button", name="Retry").click()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    await expect(page.locator("#matches")).to_have_text("1,199 entries fit")
    await page.get_by_role("link", name="all failures of plain").click()
    await page.get_by_role("link", name="Retry all 1,199 of plain").click()
    await page.get_by_label("Type 1,199 to go on").fill("12")
    await page.get_by_role("button", name="Retry 1,199 entries").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was started")
    await page.get_by_label("Type 1,199 to go on").fill("1199")
    await page.get_by_role("button", name="Retry 1,199 entries").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of app plain")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    ended = page.get_by_role("heading", level=1, name=re.compile("cancelled|finished"))
    await expect(ended).to_be_visible()
    async with working(scene.server.url, "plain", deliver):
        moved = scene.operation_of(page)["succeeded"]
        await expect(page.get_by_label(f"{moved:,} of {moved:,} recovered")).to_be_visible()
    await page.get_by_role("searchbox", name="Find an app").fill("plain")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Found for")
    await page.locator(".menu summary").click()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("status")).to_contain_text("You have logged out")
