"""Things that happen at once: a second window, a refresh during an action, two visits."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RUNNING = re.compile(r"^\d+% · ")


async def test_a_page_that_is_not_looked_at_shows_an_operation_of_another_window(
    scene: Scene, window: Window
) -> None:
    scene.fail("unseen", 200, queue="unseen")
    pages = ["/admin/apps/unseen", "/admin/search?q=unseen"]
    opened = []
    for path in pages:
        one = Window(context=window.context, page=await window.context.new_page(), base=window.base)
        # Headless, no window is ever in the background.
        await one.page.add_init_script(
            "Object.defineProperty(document, 'hidden', {get: () => true})"
        )
        await one.go(path)
        opened.append(one)
    answer = await asyncio.to_thread(scene.console.post, "/retry/app/unseen", {"rate": 2})
    for one in opened:
        await expect(one.page).to_have_title(RUNNING)
        icon = await one.page.locator("#icon").get_attribute("href")
        assert "icon-running" in (icon or "")
    operation_id = answer.json()["data"]["operation_id"]
    await asyncio.to_thread(scene.console.post, f"/retry/cancel/{operation_id}")


async def test_a_refresh_during_an_action_does_not_let_it_be_sent_twice(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("twice", 2, queue="twice")
    await window.go("/admin/apps/twice")
    sent: list[str] = []
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        sent.append(route.request.url)
        await held.wait()
        await route.continue_()

    await page.route("**/retry", hold)
    button = page.locator("tbody tr").first.get_by_role("button", name="Retry")
    await button.click()
    await expect(button).to_have_attribute("aria-busy", "true")
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await button.click()
    held.set()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    assert len(sent) == 1


async def test_an_action_that_answers_late_does_not_lead_away_from_where_one_went_meanwhile(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("overtaken", 2, queue="overtaken")
    await window.go("/admin/failures?app_id=overtaken")
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/retry", hold)
    await page.locator("tbody tr").first.get_by_role("button", name="Retry").click()
    await page.locator("tbody tr").nth(1).locator("a[data-row]").click()
    await expect(page.get_by_role("complementary")).to_be_visible()
    held.set()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    await expect(page.get_by_role("complementary")).to_be_visible()
    assert "entry=" in page.url


async def test_a_page_from_the_browsers_memory_is_brought_up_to_date_at_once(
    scene: Scene, window: Window, windows: OpenWindow
) -> None:
    page = window.page
    scene.fail("remembered", 1, queue="remembered")
    await window.go("/admin/failures?app_id=remembered&q=provider")
    await expect(page.locator("tbody tr")).to_have_count(1)
    scene.fail("remembered", 1, queue="remembered")
    async with page.expect_request(lambda one: "x-redrive-poll" in one.headers, timeout=10_000):
        await page.evaluate(
            "window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
        )


async def test_a_way_back_that_failed_is_taken_when_the_console_answers_again(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("way-back", 2, queue="way-back")
    await window.go("/admin/failures?app_id=way-back")
    await page.get_by_label("Job name").fill("nothing")
    await page.get_by_label("Job name").press("Enter")
    await expect(page.get_by_text("No entry fits this filter")).to_be_visible()
    await window.context.set_offline(True)
    await page.go_back()
    await expect(page.locator("#flash")).to_contain_text("cannot be reached")
    await window.context.set_offline(False)
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.locator("#flash p")).to_have_count(0)
    await expect(page.get_by_label("Job name")).to_have_value("")
