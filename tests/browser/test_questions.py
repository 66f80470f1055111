"""The question before a bulk action: it stays true while it is open, and hides nothing."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.support import Scene, Window, ask_to_retry

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_open_question_follows_the_count_and_keeps_the_reason(
    scene: Scene, window: Window
) -> None:
    page = window.page
    dialog = await ask_to_retry(scene, window, "asked", 3)
    await dialog.get_by_label("Reason").fill("because")
    scene.fail("asked", 2, queue="asked")
    await expect(dialog.get_by_role("heading")).to_contain_text("Retry 5 entries")
    await expect(dialog.get_by_label("Reason")).to_have_value("because")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await dialog.get_by_role("button", name="Retry 5 entries").click()
    await expect(page.locator("#flash")).to_contain_text("5 entries of app asked")
    await expect(page.locator("#flash")).not_to_contain_text("when asked")
    await expect(page.get_by_text("because")).to_be_visible()
    assert window.complaints == []


async def test_the_page_behind_a_question_goes_on(scene: Scene, window: Window) -> None:
    page = window.page
    await ask_to_retry(scene, window, "behind", 2)
    await expect(page.get_by_role("dialog")).to_be_visible()
    scene.fail("behind", 1, queue="behind")
    await expect(page.locator("#main .tile dd").first).to_have_text("3")
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_a_number_that_is_being_typed_stays_and_title_and_button_tell_the_newer_one(
    scene: Scene, window: Window
) -> None:
    page = window.page
    dialog = await ask_to_retry(scene, window, "large", 1001)
    typed = dialog.get_by_label("Type 1,001 to go on")
    scene.fail("large", 1, queue="large")
    await expect(dialog.get_by_label("Type 1,002 to go on")).to_be_visible()
    await dialog.get_by_label("Type 1,002 to go on").fill("100")
    scene.fail("large", 1, queue="large")
    await expect(dialog.get_by_role("status")).to_have_text("It is 1,003 now.")
    await expect(dialog.get_by_role("heading")).to_contain_text("Retry 1,003 entries")
    await expect(dialog.get_by_role("button", name="Retry 1,003 entries")).to_be_disabled()
    await expect(typed).to_have_count(0)
    await expect(dialog.get_by_label("Type 1,002 to go on")).to_have_value("100")
    await dialog.get_by_label("Type 1,002 to go on").fill("1002")
    await dialog.get_by_role("button", name="Retry 1,003 entries").click()
    await expect(page.locator("#flash")).to_contain_text("1,003 entries of app large")
    await expect(page.locator("#flash")).to_contain_text("1,002 when asked")
    await page.get_by_role("button", name="Cancel", exact=True).click()


async def test_a_question_over_nothing_any_more_says_so(scene: Scene, window: Window) -> None:
    page = window.page
    (entry_id,) = scene.fail("emptied", queue="emptied")
    await window.go("/admin/apps/emptied")
    await page.get_by_role("link", name="Retry all 1").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Retry 1 entry")).to_be_visible()
    body = {"app_id": "emptied", "entry_id": entry_id}
    assert scene.console.post("/retry", body).status_code == 200
    await expect(dialog).to_contain_text("can be taken now")
    await expect(dialog.get_by_role("button")).to_have_count(0)


async def test_a_question_that_cannot_be_asked_leaves_the_page_in_place(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("unasked", queue="unasked")
    await window.go("/admin/apps/unasked")
    await window.context.set_offline(True)
    await page.get_by_role("link", name="Retry all 1").click()
    await expect(page.locator("#flash")).to_contain_text("The console cannot be reached")
    await expect(page.get_by_role("heading", level=1)).to_have_text("unasked")
    await window.context.set_offline(False)


async def test_a_question_is_closed_by_a_click_beside_it_only(scene: Scene, window: Window) -> None:
    page = window.page
    dialog = await ask_to_retry(scene, window, "pressed", 1)
    await dialog.get_by_label("Reason").fill("marked with the mouse")
    box = await dialog.bounding_box()
    field = await dialog.get_by_label("Reason").bounding_box()
    assert box is not None
    assert field is not None
    await page.mouse.click(box["x"] + 5, box["y"] + 5)
    await expect(dialog).to_be_visible()
    await page.mouse.move(field["x"] + 50, field["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(box["x"] - 50, field["y"] + 10)
    await page.mouse.up()
    await expect(dialog).to_be_visible()
    await expect(dialog.get_by_label("Reason")).to_have_value("marked with the mouse")
    await page.mouse.click(box["x"] - 50, field["y"] + 10)
    await expect(dialog).to_have_count(0)


async def test_a_refusal_stays_until_it_was_answered(scene: Scene, window: Window) -> None:
    page = window.page
    dialog = await ask_to_retry(scene, window, "grown", 1001)
    await dialog.get_by_label("Type 1,001 to go on").fill("1001")
    scene.fail("grown", 200, queue="grown")
    await dialog.get_by_role("button", name="Retry 1,001 entries").click()
    refusal = dialog.get_by_role("alert")
    await expect(refusal).to_contain_text("Nothing was started")
    scene.fail("grown", 1, queue="grown")
    await expect(dialog.get_by_role("status")).to_have_text("It is 1,202 now.")
    await expect(refusal).to_contain_text("It is 1,201 now, not 1,001")
    await dialog.get_by_label("Type 1,201 to go on").fill("1201")
    await dialog.get_by_role("button", name="Retry 1,202 entries").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of app grown")
    await page.get_by_role("button", name="Cancel", exact=True).click()
