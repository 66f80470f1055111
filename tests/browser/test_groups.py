"""From what fails to its group, its note, and its entries."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

STACK = "TypeError: no total\n    at {name} (/srv/app/src/{name}.js:41:17)"


def fail_alike(scene: Scene, name: str, count: int) -> None:
    """Failures of one cause, in two apps."""
    stack = STACK.format(name=name)
    for app, part in ((f"{name}-a", count - 1), (f"{name}-b", 1)):
        scene.fail(app, part, queue=name, error=f"no total for {name}", stack=stack, name=name)


async def test_what_fails_leads_to_its_group_and_on_to_its_entries(
    scene: Scene, window: Window
) -> None:
    fail_alike(scene, "invoices", 60)
    page = window.page
    await window.go("/admin/")
    card = page.locator("section", has=page.get_by_role("heading", name="What fails"))
    row = card.get_by_role("listitem").filter(has_text="no total for invoices")
    await expect(row).to_contain_text("60")
    await expect(row).to_contain_text("still happening")
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("no total for invoices")
    await expect(page.get_by_role("list", name="Calls that count")).to_contain_text("invoices")
    group = page.url
    actions = page.locator(".page-head")
    for kind in ("retry", "dismiss"):
        link = actions.get_by_role("link", name=f"{kind.capitalize()} all 60")
        place = f"/admin/plan?kind={kind}&group_id={group.rsplit('/', 1)[1]}"
        await expect(link).to_have_attribute("href", place)
    await page.get_by_role("link", name="All 60").last.click()
    await expect(page.locator("#matches")).to_have_text("60 entries fit")
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.locator("a[data-row]").first.click()
    detail = page.get_by_role("complementary")
    await expect(detail).to_contain_text("no total for invoices")
    await detail.get_by_role("link", name="no total for invoices").click()
    await expect(page).to_have_url(group)
    await page.get_by_role("link", name="invoices-b").first.click()
    await expect(page.locator("#matches")).to_have_text("1 entry fits")
    assert window.complaints == []


@pytest.mark.parametrize("scripted", [True, False])
async def test_a_note_is_kept_with_a_group(
    scene: Scene, windows: OpenWindow, scripted: bool
) -> None:
    name = "scripted" if scripted else "plain"
    fail_alike(scene, name, 2)
    window = await windows(java_script_enabled=scripted)
    page = window.page
    await window.log_in("/admin/groups")
    await page.get_by_label("Queue").fill(name)
    if scripted:
        await page.keyboard.press("Enter")
    else:
        await page.get_by_role("button", name="Show").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.locator("a[data-row]").click()
    await page.get_by_role("link", name="Write one").click()
    await page.get_by_label("What others should know").fill("ada is on it\nsee the hoster's page")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#flash")).to_contain_text("The note was saved.")
    note = page.locator("#note")
    await expect(note).to_contain_text("see the hoster's page")
    await expect(note).to_contain_text("admin, just now")
    await expect(page.get_by_label("What others should know")).to_have_count(0)
    await page.get_by_role("link", name="Change").click()
    await page.get_by_label("What others should know").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#flash")).to_contain_text("The note was taken back.")
    await expect(note).to_contain_text("None yet")
    assert window.complaints == []


async def test_a_note_that_is_being_written_outlives_what_happens_meanwhile(
    scene: Scene, window: Window
) -> None:
    fail_alike(scene, "meanwhile", 2)
    page = window.page
    await window.go("/admin/groups?queue=meanwhile")
    await page.locator("a[data-row]").click()
    await page.get_by_role("link", name="Write one").click()
    field = page.get_by_label("What others should know")
    await expect(field).to_be_focused()
    await page.keyboard.type("half a sen")
    scene.fail(
        "meanwhile-a",
        queue="meanwhile",
        error="no total for meanwhile",
        stack=STACK.format(name="meanwhile"),
        name="meanwhile",
    )
    await expect(page.get_by_role("link", name=re.compile("Retry all 3"))).to_be_visible()
    await expect(field).to_have_value("half a sen")
    await expect(field).to_be_focused()


async def test_the_list_of_groups_is_reached_and_walked_by_keyboard(
    scene: Scene, window: Window
) -> None:
    fail_alike(scene, "keys", 3)
    page = window.page
    await page.locator("#main").focus()
    await page.keyboard.press("g")
    await page.keyboard.press("g")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Groups")
    await page.keyboard.press("j")
    first = await page.evaluate("document.activeElement.href")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(first)
