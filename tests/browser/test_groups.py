"""From what fails to its group, its note, and its entries."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window
from tests.support.failing import accept, working

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

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
    await expect(actions.get_by_role("button", name="Retry all 60")).to_be_visible()
    for kind, name in (("retry", "Plan…"), ("dismiss", "Dismiss all 60")):
        link = actions.get_by_role("link", name=name)
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
    await expect(page.get_by_role("button", name="Retry all 3")).to_be_visible()
    await expect(field).to_have_value("half a sen")
    await expect(field).to_be_focused()


async def retry_slowly(scene: Scene, window: Window, queue: str) -> None:
    """A retry of the queue's group, at the beginning of its work for long, on its page."""
    await window.go(f"/admin/groups?queue={queue}")
    row = window.page.locator("tr[data-key]")
    asked = {"filter": {"group_id": await row.get_attribute("data-key")}, "rate": 2}
    token = scene.console.post("/operations/plan", asked).json()["data"]["plan_token"]
    started = scene.console.post("/operations", {"plan_token": token}).json()["data"]
    await window.go(f"/admin/operations/{started['operation_id']}")


async def test_a_group_of_the_list_is_retried_with_one_click_and_its_row_tells_so(
    scene: Scene, window: Window
) -> None:
    fail_alike(scene, "listed", 50)
    page = window.page
    await window.go("/admin/groups?queue=listed")
    button = page.get_by_role("button", name="Retry all 50 of TypeError no total for listed")
    fail_alike(scene, "listed", 2)
    async with working(scene.server.url, "listed", accept):
        await page.get_by_role("button", name="Retry all 52 of").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
        await expect(page.locator("#flash")).to_contain_text("Started: 52 entries of group")
    fail_alike(scene, "listed", 50)
    await retry_slowly(scene, window, "listed")
    await page.get_by_label("Reason of the pause").fill("a look at the list")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#paused")).to_be_visible()
    await window.go("/admin/groups?queue=listed&quiet=true")
    await expect(button).to_have_count(0)
    await page.locator("tbody").get_by_role("link", name="Paused:").click()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    assert window.complaints == []


async def test_the_second_click_of_a_double_click_meets_nothing_that_the_first_has_led_to(
    scene: Scene, window: Window
) -> None:
    fail_alike(scene, "doubled", 900)
    page = window.page
    await window.go("/admin/groups?queue=doubled")
    await page.get_by_role("button", name="Retry all 900").click()
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    await expect(cancel).to_be_visible()
    box = await cancel.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down(click_count=2)
    await page.mouse.up(click_count=2)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#paused")).to_be_visible()
    await cancel.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    assert window.complaints == []


async def test_one_click_needs_no_script_and_begins_with_the_canary(
    scene: Scene, windows: OpenWindow
) -> None:
    fail_alike(scene, "unscripted", 1010)
    window = await windows(java_script_enabled=False)
    page = window.page
    await window.log_in("/admin/groups?queue=unscripted")
    await expect(page.locator("tbody")).to_contain_text("a canary of 20 first")
    await page.locator("a[data-row]").click()
    button = page.get_by_role("button", name="Retry all 1,010")
    await expect(button).to_have_accessible_description(
        re.compile("^Retry all starts at once, a canary of 20 first")
    )
    await button.dblclick()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of group")
    started = scene.operation_of(page)
    assert started["total"] == 1010
    assert started["controls"]["canary"]["entries"] == 20
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    of_group = [
        one
        for one in scene.console.get("/operations")["items"]
        if one["filter"] == started["filter"]
    ]
    assert len(of_group) == 1


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


@pytest.mark.parametrize("place", ["overview", "list", "page"])
async def test_a_refresh_that_counts_more_leaves_the_focus_on_retry_all(
    scene: Scene, window: Window, place: str
) -> None:
    name = f"focused-{place}"
    fail_alike(scene, name, 90)
    page = window.page
    await window.go("/admin/" if place == "overview" else "/admin/groups")
    if place == "page":
        await page.locator("a[data-row]").filter(has_text=f"no total for {name}").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    of_it = "" if place == "page" else f" of TypeError no total for {name}"
    await page.get_by_role("button", name=f"Retry all 90{of_it}").focus()
    fail_alike(scene, name, 2)
    await expect(page.get_by_role("button", name=f"Retry all 92{of_it}")).to_be_focused()
    assert window.complaints == []
