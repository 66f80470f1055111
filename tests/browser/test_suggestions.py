"""The search box offers what it finds while it is typed into."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.support import Scene, Window, serious_issues

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def _box(window: Window) -> Locator:
    return window.page.get_by_role("combobox", name="Find an app")


async def test_an_app_is_chosen_from_the_suggestions_by_keyboard(
    scene: Scene, window: Window, axe: str
) -> None:
    page, box = window.page, _box(window)
    scene.fail("suggested-one", 2, queue="suggested", error="a quaint problem")
    scene.fail("suggested-two", 1, queue="suggested", error="a quaint problem")
    await window.go("/admin/")
    await expect(box).to_have_attribute("aria-expanded", "false")
    await box.press_sequentially("suggested")
    options = page.get_by_role("option")
    await expect(options).to_have_count(2)
    await expect(options.first).to_contain_text("suggested-one")
    await expect(options.first).to_contain_text("2 failed")
    await expect(page.locator("#announcer")).to_have_text("2 suggestions")
    assert await serious_issues(page, axe) == []
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    chosen = await box.get_attribute("aria-activedescendant")
    assert chosen == await options.nth(1).get_attribute("id")
    await expect(box).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("suggested-two")
    assert window.complaints == []


async def test_escape_closes_the_suggestions_first_and_enter_searches_as_ever(
    scene: Scene, window: Window
) -> None:
    page, box = window.page, _box(window)
    scene.fail("escaped", 3, queue="escaped", error="an odd problem")
    await window.go("/admin/")
    await box.press_sequentially("odd problem")
    await expect(page.get_by_role("option")).to_have_count(4)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_have_count(0)
    await expect(box).to_be_focused()
    await expect(box).to_have_value("odd problem")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option")).to_have_count(4)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Found for “odd problem”")


async def test_an_entry_is_chosen_with_the_mouse(scene: Scene, window: Window) -> None:
    page, box = window.page, _box(window)
    (entry_id,) = scene.fail("pointed", queue="pointed", error="<b>bold</b> & unique-words")
    await window.go("/admin/")
    await box.press_sequentially("unique-words")
    option = page.locator(f"[role=option][data-href$='{entry_id}']")
    await expect(option).to_contain_text("<b>bold</b> & unique-words")
    await option.click()
    await page.wait_for_url(f"**/admin/entries/{entry_id}")


async def test_leaving_the_box_closes_the_suggestions(scene: Scene, window: Window) -> None:
    page, box = window.page, _box(window)
    scene.fail("left-alone", queue="left")
    await window.go("/admin/")
    await box.press_sequentially("left-alone")
    await expect(page.get_by_role("option")).to_have_count(1)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("listbox")).to_have_count(0)
    await box.focus()
    await box.fill("nothing is like it")
    await expect(page.locator("#announcer")).to_have_text("No suggestions")
    await expect(page.get_by_role("listbox")).to_have_count(0)
