"""Some of these fail because of one cause: it is fixed, and just these are retried."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window, picture
from tests.support.failing import accept, fail_jobs, run_jobs, sample_jobs, working
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SETTINGS = {"batch_size": "10"}


async def test_400_of_one_cause_are_retried_with_one_click_and_recover_and_the_others_stay(
    scene: Scene, window: Window
) -> None:
    page = window.page
    await fail_jobs(scene.server.url, "orders", sample_jobs(400, apps=2))
    scene.fail("app-0", 30, queue="letters", error="there is no such mailbox", name="other")

    async def taken_in() -> bool:
        return len(scene.console.get("/entries", queue="orders", limit="500")["items"]) == 400

    await eventually(taken_in, "the ledger has all failures")
    await window.go("/admin/")
    causes = page.locator("section", has=page.get_by_role("heading", name="What fails"))
    await causes.get_by_role("link", name="the provider refused").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("the provider refused")
    await page.get_by_role("button", name="Retry all 400").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Retry of group “the provider refused"
    )
    await expect(page.locator("#flash")).to_contain_text(
        "Started: 400 entries of group “the provider refused"
    )
    async with working(scene.server.url, "orders", accept):
        await expect(page.get_by_label("400 of 400 recovered")).to_be_visible()
    await expect(page.locator(".verdict")).to_have_text("400 moved.")
    await page.get_by_role("link", name="All entries that fit this").click()
    await expect(page.locator("#matches")).to_have_text("400 entries fit")
    await expect(page.locator("tbody")).to_contain_text("recovered")
    assert scene.failed_of("app-0") == 30
    assert len(scene.console.get("/operations")["items"]) == 1
    assert window.complaints == []


async def test_rows_are_chosen_by_keyboard_and_stay_chosen_while_the_list_lives(
    scene: Scene, window: Window
) -> None:
    page = window.page
    ids = scene.fail("picked", 6, queue="picked")
    await window.go("/admin/failures?app_id=picked")
    await expect(page.locator("#picked")).to_have_text("None chosen")
    await expect(page.get_by_role("button", name="Retry…")).to_be_disabled()
    for key in ("j", "x", "j", "j", "x"):
        await page.keyboard.press(key)
    await expect(page.locator("#picked")).to_have_text("2 chosen")
    scene.fail("picked", 1, queue="picked")
    await expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
    await expect(page.locator("#picked")).to_have_text("2 chosen")
    await page.get_by_role("button", name="Dismiss…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dismiss 2 entries?")
    assert page.url.endswith("/admin/plan")
    await page.get_by_role("button", name="Dismiss 2 entries").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("finished, dismissed")
    states = [scene.state_of(one) for one in ids]
    assert (states.count("dismissed"), states.count("failed")) == (2, 4)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Choose the row, or not")
    assert window.complaints == []


async def test_this_page_means_the_rows_that_are_shown_and_no_newer_ones(
    scene: Scene, window: Window
) -> None:
    page = window.page
    ids = scene.fail("shown", 3, queue="shown")
    await window.go("/admin/failures?app_id=shown")
    await page.locator("[data-pick]").first.check()
    scene.fail("shown", 2, queue="shown")
    await expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
    await page.locator("a[data-row]").nth(1).click()
    await expect(page.get_by_role("complementary")).to_contain_text("the provider is down")
    await expect(page.locator("#picked")).to_have_text("1 chosen")
    await page.get_by_label("This page").check()
    await expect(page.locator("#picked")).to_have_text("3 chosen")
    await page.get_by_role("button", name="Retry…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Retry 3 entries?")
    chosen = page.locator("#plan input[name=entry_id]")
    assert {await one.get_attribute("value") for one in await chosen.all()} == set(ids)
    assert window.complaints == []


async def test_a_plan_that_is_over_says_so_and_is_made_anew_with_what_was_typed(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("late", 2, queue="late")
    await page.clock.install()
    await window.go("/admin/plan?kind=retry&app_id=late")
    button = page.get_by_role("button", name="Retry 2 entries")
    await page.get_by_label("Reason").fill("fixed")
    await expect(button).to_be_enabled()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await page.clock.fast_forward("11:00")
    await expect(page.locator("time[data-until]")).to_contain_text("plan again to start it")
    await expect(button).to_be_disabled()
    assert asked == [], "a plan is not made anew behind the operator's back"
    await page.clock.set_system_time(0)
    await page.get_by_role("button", name="Plan again").click()
    await expect(button).to_be_enabled()
    await expect(page.get_by_label("Reason")).to_have_value("fixed")
    assert window.complaints == []


async def test_limits_that_do_not_fit_a_large_plan_are_mended_where_they_stand(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("limited", 1010, queue="limited")
    await window.go("/admin/plan?kind=retry&app_id=limited")
    button = page.get_by_role("button", name="Retry 1,010 entries")
    rate = page.get_by_label("Rate")
    await expect(page.get_by_label("Canary")).to_have_value("20")
    await rate.fill("fast")
    await page.get_by_label("Reason").fill("fixed")
    await page.get_by_label("Type 1,010").fill("101")
    await expect(button).to_be_disabled()
    await page.get_by_label("Type 1,010").fill("1,010")
    await button.click()
    await expect(rate).to_be_focused()
    await expect(rate).to_have_value("fast")
    await expect(rate).to_have_accessible_description("Rate must be a number, such as 50 or 0.5")
    await expect(page.get_by_role("alert")).to_have_text(
        "The limits do not fit. Nothing was started."
    )
    await picture(page, "journey-plan-refused")
    await rate.fill("1")
    await page.get_by_role("button", name="Plan again").click()
    await expect(page.get_by_text("1 entries a second, a canary of 20")).to_be_visible()
    await expect(page.get_by_label("Reason")).to_have_value("fixed")
    await page.get_by_label("Type 1,010").fill("1010")
    await button.click()
    await expect(page.locator("#pace")).to_contain_text("1 a second")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    assert window.complaints == []


async def test_a_page_and_all_that_fit_are_chosen(scene: Scene, window: Window) -> None:
    page = window.page
    scene.fail("paged", 60, queue="paged")
    await window.go("/admin/failures?queue=paged")
    await page.get_by_label("This page").check()
    await expect(page.locator("#picked")).to_have_text("50 chosen")
    await page.locator("[data-pick]").first.uncheck()
    await expect(page.locator("#picked")).to_have_text("49 chosen")
    await expect(page.get_by_label("This page")).not_to_be_checked()
    await page.get_by_role("button", name="Retry…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Retry 49 entries?")
    await page.go_back()
    await page.get_by_label("All 60 that fit").check()
    await expect(page.locator("#picked")).to_have_text("60 chosen")
    await expect(page.get_by_role("button", name="Resync…")).to_be_disabled()
    await page.get_by_role("button", name="Retry…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Retry 60 entries?")
    await expect(page).to_have_url(re.compile(r"/admin/plan\?kind=retry&queue=paged$"))
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Retry 60 entries?")
    assert window.complaints == []


async def test_an_entry_is_dismissed_after_a_question_and_restored(
    scene: Scene, window: Window
) -> None:
    page = window.page
    (entry_id,) = scene.fail("single", queue="single")
    await window.go(f"/admin/entries/{entry_id}")
    await page.get_by_role("link", name="Dismiss").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("a test")
    await dialog.get_by_role("button", name="Dismiss").click()
    await expect(page.locator("#flash")).to_contain_text("its entry is dismissed")
    await expect(page.locator(".detail-title")).to_contain_text("dismissed")
    await page.get_by_role("button", name="Restore").click()
    await expect(page.locator(".detail-title")).to_contain_text("failed")
    assert window.complaints == []


async def test_choosing_planning_and_starting_need_no_script(
    scene: Scene, windows: OpenWindow
) -> None:
    scene.fail("unscripted", 1010, queue="unscripted", error="nobody has a script")
    window = await windows(java_script_enabled=False)
    page = window.page
    await window.log_in("/admin/failures")
    await page.get_by_text("More filters").click()
    await page.get_by_label("Attempts, at least").fill("1")
    await page.get_by_label("Error or id").fill("nobody has a script")
    await page.get_by_role("button", name="Show").click()
    await page.get_by_role("button", name="Retry…").click()
    await expect(page.locator("#flash")).to_contain_text("Nothing was chosen")
    await page.locator("[data-pick]").first.check()
    await page.get_by_role("button", name="Dismiss…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dismiss 1 entry?")
    await page.get_by_role("button", name="Dismiss 1 entry").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Dismissal of 1 entry")
    await window.go("/admin/failures?queue=unscripted&attempts_min=1")
    await page.get_by_label("All 1,0").check()
    await page.get_by_role("button", name="Retry…").click()
    await expect(page.locator("time[data-until]")).to_contain_text("for 10 min")
    await expect(page.get_by_label("Canary")).to_have_value("20")
    await page.get_by_label("Canary").fill("")
    await page.get_by_label("Pauses over").fill("")
    await page.get_by_label("Rate").fill("2")
    await page.get_by_label("Type 1,0").fill("7")
    await page.get_by_role("button", name=re.compile("Retry 1,0")).click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was started")
    await expect(page.get_by_label("Canary")).to_have_value("")
    await type_the_number(page)
    await page.get_by_role("button", name=re.compile("Retry 1,0")).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of a selection")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await run_jobs(scene.server.url, "unscripted", accept)


async def type_the_number(page: Page) -> None:
    asked: Any = page.locator("[data-typed]")
    await asked.fill(await asked.get_attribute("data-typed"))
