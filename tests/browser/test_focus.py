"""Keys and focus: a key that is pressed at once counts, and a refresh takes the focus nowhere."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.support import Scene, Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CLOSE_AND_PRESS = """key => {
    const help = document.getElementById('help');
    help.querySelector('#keys-on').focus();
    help.close();
    const press = new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true});
    document.activeElement.dispatchEvent(press);
}"""


async def test_a_key_pressed_before_the_closed_dialog_has_gone_from_the_screen_counts(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("hasty", 3, queue="hasty")
    await window.go("/admin/failures?app_id=hasty")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    await page.evaluate(CLOSE_AND_PRESS, "j")
    await expect(page.locator("tbody tr:nth-child(1) a[data-row]")).to_be_focused()


async def test_the_list_of_shortcuts_does_not_begin_in_its_checkbox(window: Window) -> None:
    page = window.page
    await window.go("/admin/")
    await page.keyboard.press("?")
    await expect(page.get_by_role("button", name="Close")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_closed_dialog_gives_the_focus_back(scene: Scene, window: Window) -> None:
    page = window.page
    scene.fail("returned", 2, queue="returned")
    await window.go("/admin/failures?app_id=returned")
    assert await page.evaluate("document.activeElement === document.body")
    await page.keyboard.press("?")
    await page.keyboard.press("Escape")
    await expect(page.locator("#main")).to_be_focused()
    await page.keyboard.press("j")
    await page.keyboard.press("?")
    await page.keyboard.press("Escape")
    await expect(page.locator("tbody tr:nth-child(1) a[data-row]")).to_be_focused()


async def test_a_key_that_is_held_down_retries_one_entry_only(scene: Scene, window: Window) -> None:
    page = window.page
    scene.fail("held", 3, queue="held")
    await window.go("/admin/failures?app_id=held")
    await page.keyboard.press("j")
    await page.keyboard.down("r")
    await expect(page.locator("tbody tr:nth-child(1)")).to_contain_text("changed")
    await page.keyboard.down("r")
    await page.keyboard.up("r")
    await page.get_by_role("link", name="Clear all filters").click()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert scene.failed_of("held") == 2


async def test_an_offer_that_was_taken_leaves_the_focus_in_the_content(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("offered", 1, queue="offered")
    await window.go("/admin/failures?app_id=offered")
    scene.fail("offered", 1, queue="offered")
    await page.get_by_role("button", name="The list has changed").press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.locator("#main")).to_be_focused()


async def test_single_keys_work_while_a_checkbox_has_the_focus(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("boxed", 2, queue="boxed")
    await page.set_viewport_size({"width": 700, "height": 800})
    await window.go("/admin/failures?app_id=boxed")
    await page.get_by_role("checkbox", name="Filters").focus()
    await page.keyboard.press("j")
    await expect(page.locator("tbody tr:nth-child(1) a[data-row]")).to_be_focused()


async def test_a_refresh_leaves_the_focus_on_its_row_when_a_row_above_has_changed(
    scene: Scene, window: Window
) -> None:
    page = window.page
    ids = scene.fail("shrinking", 4, queue="shrinking")
    await window.go("/admin/apps/shrinking")
    kept = page.locator(f"tr[data-key={ids[1]}] a[data-row]")
    await kept.focus()
    body = {"app_id": "shrinking", "entry_id": ids[2]}
    assert scene.console.post("/retry", body).status_code == 200
    await expect(page.locator(f"tr[data-key={ids[2]}]")).to_contain_text("changed")
    await expect(kept).to_be_focused()
