"""Turning pages: forward to the top of the list, back to where one was."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.support import Scene, Window
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_next_page_begins_at_its_top_and_back_leads_to_the_old_place(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("paged", 60, queue="paged")
    await window.go("/admin/failures?app_id=paged")
    first = await page.locator("tbody tr").first.get_attribute("data-key")
    await page.get_by_role("link", name="Older").scroll_into_view_if_needed()
    before = await page.evaluate("window.scrollY")
    assert before > 0
    await page.get_by_role("link", name="Older").click()
    await expect(page.locator("tbody tr")).to_have_count(10)
    assert await page.evaluate("window.scrollY") == 0
    await expect(page.locator("#main")).to_be_focused()
    await page.go_back()
    await expect(page.locator(f"tr[data-key={first}]")).to_be_attached()
    await _scrolled_to(page, before)
    await page.go_forward()
    await expect(page.locator("tbody tr")).to_have_count(10)
    await _scrolled_to(page, 0)


async def test_opening_a_row_keeps_the_list_where_it_is(scene: Scene, window: Window) -> None:
    page = window.page
    scene.fail("scrolled", 50, queue="scrolled")
    await window.go("/admin/failures?app_id=scrolled")
    row = page.locator("tbody tr:nth-child(30) a[data-row]")
    await row.scroll_into_view_if_needed()
    before = await page.evaluate("window.scrollY")
    assert before > 0
    await row.click()
    await expect(page.get_by_role("complementary")).to_be_visible()
    assert await page.evaluate("window.scrollY") == before


async def test_skipping_to_the_content_asks_for_nothing(scene: Scene, window: Window) -> None:
    page = window.page
    await window.go("/admin/failures")
    asked: list[str] = []

    def hear(request: Request) -> None:
        if "/failures" in request.url and "x-redrive-poll" not in request.headers:
            asked.append(request.url)

    page.on("request", hear)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/failures#main")
    await expect(page.locator("#main")).to_be_focused()
    assert asked == []


async def _scrolled_to(page: Page, place: float) -> None:
    async def is_there() -> bool:
        return bool(await page.evaluate("window.scrollY") == place)

    await eventually(is_there, f"the page is scrolled to {place}")
