"""Going to another page: in place, so that a console that is down does not take away this one."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.support import Scene, Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AWAY = "The console cannot be reached. This page stays as it was."


async def mark(page: Page) -> None:
    await page.evaluate("window.marked = true")


async def expect_still_there(page: Page) -> None:
    assert await page.evaluate("window.marked"), "the page was loaded anew"


async def expect_told_and_kept(page: Page) -> None:
    said = page.locator("#flash")
    await expect(said).to_contain_text(AWAY)
    assert page.url.endswith("/admin/apps/remaining")
    await said.get_by_role("button", name="Dismiss").click()
    await expect(said.locator("p")).to_have_count(0)


async def test_links_and_keys_keep_the_place_while_the_console_is_down(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("remaining", 2, queue="remaining")
    await window.go("/admin/apps/remaining")
    await mark(page)
    await window.context.set_offline(True)
    links = (
        page.get_by_role("navigation", name="Console").get_by_role("link", name="Audit"),
        page.get_by_role("link", name="Redrive"),
        page.locator("tbody tr").first.locator("a[data-row]"),
    )
    for link in links:
        await link.click()
        await expect_told_and_kept(page)
    await page.keyboard.type("ga")
    await expect_told_and_kept(page)
    await expect(page.locator("#link-state")).to_contain_text("No connection")
    await window.context.set_offline(False)
    await page.keyboard.type("gu")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    await expect_still_there(page)
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("remaining")
    await expect_still_there(page)


async def test_a_page_begins_at_its_top_though_it_is_the_one_that_is_there(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("topmost", 50, queue="topmost")
    await window.go("/admin/failures")
    await page.evaluate("window.scrollTo(0, 300)")
    navigation = page.get_by_role("navigation", name="Console")
    await navigation.get_by_role("link", name="Failures").click()
    await expect(page.locator("#main")).to_be_focused()
    assert await page.evaluate("window.scrollY") == 0


async def test_what_was_typed_into_a_field_of_one_page_is_not_in_one_of_another(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("typed", 1, queue="typed")
    await window.go("/admin/operations")
    await page.get_by_label("App (whole id)").fill("typed")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No operation fits this filter")).to_be_visible()
    await page.get_by_role("navigation", name="Console").get_by_role("link", name="Audit").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    for field in await page.locator("#main .filters input").all():
        await expect(field).to_have_value("")


async def test_a_search_is_in_place_and_its_box_follows_the_page(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("boxed-in", 1, queue="boxed-in")
    await window.go("/admin/apps")
    await mark(page)
    box = page.get_by_role("combobox", name="Find an app")
    await box.fill("boxed-in")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Found for")
    await expect(box).to_have_value("boxed-in")
    await page.get_by_role("link", name="Redrive").click()
    await expect(page.locator("#incident-title")).to_be_visible()
    await expect(box).to_have_value("")
    await expect_still_there(page)


async def test_the_audit_trail_is_filtered_in_place(window: Window) -> None:
    page = window.page
    await window.go("/admin/audit")
    await mark(page)
    await page.get_by_label("What").fill("nothing.like.it")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No row fits this filter")).to_be_visible()
    assert page.url.endswith("/admin/audit?action=nothing.like.it")
    await expect_still_there(page)


async def test_a_rate_from_before_the_connection_was_lost_is_told_as_such(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("frozen", 200, queue="frozen")
    started = scene.console.post("/retry/app/frozen", {"rate": 2}).json()["data"]
    operation_id = started["operation_id"]
    await window.go(f"/admin/operations/{operation_id}")
    fleeting = page.locator("[data-fleeting]").first
    await expect(fleeting).to_contain_text("a second")
    after = "one => getComputedStyle(one, '::after').content"
    assert await fleeting.evaluate(after) == "none"
    await window.context.set_offline(True)
    await expect(page.locator("html.lost")).to_be_attached()
    assert "before the connection was lost" in await fleeting.evaluate(after)
    await window.context.set_offline(False)
    await expect(page.locator("html.lost")).to_have_count(0)
    scene.console.post(f"/retry/cancel/{operation_id}")
