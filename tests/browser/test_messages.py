"""What the page says about the last action: for as long as it is true."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.support import Scene, Window
from tests.support.failing import working

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def deliver(job: Any, token: str) -> str:
    return "delivered"


async def test_what_was_said_about_a_job_ends_when_the_job_goes_on(
    scene: Scene, window: Window
) -> None:
    page = window.page
    (entry_id,) = scene.fail("told", queue="told")
    await window.go(f"/admin/entries/{entry_id}")
    await page.get_by_role("button", name="Retry").click()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    async with working(scene.server.url, "told", deliver):
        await expect(page.locator(".detail-title")).to_contain_text("recovered")
    await expect(page.locator("#flash p")).to_have_count(0)


async def test_what_was_said_about_a_cancel_ends_with_the_operation(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("stopped", 200, queue="stopped")
    started = scene.console.post("/retry/app/stopped", {"rate": 2}).json()["data"]
    await window.go(f"/admin/operations/{started['operation_id']}")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("cancelled")
    await expect(page.locator("#flash", has_text="is being cancelled")).to_have_count(0)


async def test_a_message_stays_over_refreshes_says_when_and_can_be_dismissed(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("dismissed", 2, queue="dismissed")
    await window.go("/admin/apps/dismissed")
    await page.locator("tbody tr").first.get_by_role("button", name="Retry").click()
    flash = page.locator("#flash")
    await expect(flash).to_contain_text("is back in its queue")
    scene.fail("dismissed", 4, queue="dismissed")
    await expect(page.locator("#main .tile dd").first).to_have_text("5")
    await expect(flash).to_contain_text("is back in its queue")
    await expect(flash.locator("time")).to_be_visible()
    await flash.get_by_role("button", name="Dismiss").click()
    await expect(flash.locator("p")).to_have_count(0)
    scene.fail("dismissed", 1, queue="dismissed")
    await expect(page.locator("#main .tile dd").first).to_have_text("6")
    await expect(flash.locator("p")).to_have_count(0)
    assert window.complaints == []
