"""What an operator does, from login to recovered."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window, ask_to_retry
from tests.support.console import PASSWORD
from tests.support.failing import fail_jobs, sample_jobs, working
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def deliver(job: Any, token: str) -> str:
    return "delivered"


async def test_an_entry_is_found_by_its_error_retried_and_recovers(
    scene: Scene, window: Window
) -> None:
    page = window.page
    await fail_jobs(scene.server.url, "orders", sample_jobs(20, apps=2))

    async def taken_in() -> bool:
        return len(scene.console.get("/entries", queue="orders")["items"]) == 20

    await eventually(taken_in, "the ledger has all failures")
    await page.get_by_role("combobox", name="Find an app").fill("provider refused 13")
    await page.keyboard.press("Enter")
    await page.locator("a[data-row]", has_text="the provider refused 13").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("deliver failed")
    await expect(page.get_by_role("group", name="Payload")).to_contain_text('"number": 13')
    await page.get_by_role("button", name="Retry").click()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    await expect(page.locator(".decide")).to_contain_text("Its job is waiting in its queue.")
    async with working(scene.server.url, "orders", deliver):
        await expect(page.locator(".detail-title")).to_contain_text("recovered")
    await expect(page.locator(".timeline")).to_contain_text("Recovered")
    assert window.complaints == []


async def test_an_app_is_retried_and_the_bar_watched_to_the_end_without_going_back(
    scene: Scene, window: Window
) -> None:
    page = window.page
    dialog = await ask_to_retry(scene, window, "watched", 150)
    await expect(dialog).to_contain_text("Retry 150 entries of app watched?")
    await page.evaluate(
        """() => { window.seen = [];
        new MutationObserver(() => {
          const at = document.querySelector('#progress')?.dataset.percent;
          if (at && at !== window.seen.at(-1)) window.seen.push(at);
        }).observe(document.body, {subtree: true, childList: true, attributes: true}); }"""
    )
    await dialog.get_by_label("Reason").fill("the provider is back")
    await dialog.get_by_role("button", name="Retry 150 entries").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of app watched")
    await expect(page.locator("#flash")).to_contain_text("150 entries of app watched")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    await expect(page.locator(".verdict")).to_have_text("150 moved.")
    noted = await page.evaluate("window.seen")
    assert noted, "the page was loaded anew"
    seen = [int(one.rstrip("%")) for one in noted]
    assert seen == sorted(seen)
    assert seen[-1] == 100
    await expect(page.get_by_text("the provider is back")).to_be_visible()
    async with working(scene.server.url, "watched", deliver):
        await expect(page.get_by_label("150 of 150 recovered")).to_be_visible()
    assert window.complaints == []


async def test_an_operation_is_cancelled_half_way_and_its_counts_add_up(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("halved", 1500, queue="halved")
    await window.go("/admin/failures?app_id=halved")
    await page.get_by_role("link", name="Retry all 1,500 of halved").click()
    dialog = page.get_by_role("dialog")
    button = dialog.get_by_role("button", name="Retry 1,500 entries")
    await expect(button).to_be_disabled()
    await dialog.get_by_label("Type 1,500 to go on").fill("1,499")
    await expect(button).to_be_disabled()
    await dialog.get_by_label("Type 1,500 to go on").fill("1500")
    # Nobody works these off: it rests at its canary until it is cancelled.
    await expect(dialog.get_by_label("Canary")).to_have_value("20")
    await button.click()
    await expect(page).to_have_title(re.compile(r"^[1-9]\d*% · Retry of app halved"))
    assert "icon-running" in (await page.locator("#icon").get_attribute("href") or "")
    await page.reload()
    await window.settled()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("running")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    operation = scene.operation_of(page)
    left = 1500 - operation["completed"]
    assert 0 < operation["succeeded"] < 1500
    assert scene.failed_of("halved") == left
    verdict = f"{operation['succeeded']:,} moved, {left:,} left as they were by the cancel."
    await expect(page.locator(".verdict")).to_have_text(verdict)
    await expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    assert window.complaints == []


async def test_a_second_operator_meets_the_operation_that_is_running(
    scene: Scene, window: Window, windows: OpenWindow
) -> None:
    second = await windows()
    scene.fail("shared", 200, queue="shared")
    await second.log_in("/admin/apps/shared")
    await window.go("/admin/apps/shared")
    for one in (window, second):
        await one.page.get_by_role("link", name="Retry all 200").click()
        dialog = one.page.get_by_role("dialog")
        await dialog.get_by_text("Pace and safety").click()
        await dialog.get_by_label("Rate").fill("2")
        # Both answer the question as it was asked, however long the other one takes.
        await one.page.route("**/admin/confirm*", lambda route: route.abort())
    for one in (window, second):
        await one.page.get_by_role("button", name="Retry 200 entries").click()
        await expect(one.page.get_by_role("heading", level=1)).to_contain_text(
            "Retry of app shared"
        )
    await expect(second.page.locator("#flash")).to_contain_text("Nothing new was started")
    assert second.page.url.split("?")[0] == window.page.url.split("?")[0]
    await window.go("/admin/apps/shared")
    await expect(window.page.get_by_role("link", name=re.compile("Running: "))).to_be_visible()
    await second.page.get_by_role("button", name="Cancel", exact=True).click()
    heading = second.page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("cancelled")
    await expect(window.page.get_by_role("link", name=re.compile("Retry all"))).to_be_visible()


async def test_a_list_does_not_move_under_the_pointer_but_offers_what_has_changed(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("moving", 3, queue="moving")
    await window.go("/admin/failures?app_id=moving")
    await expect(page.locator("tbody tr")).to_have_count(3)
    scene.fail("moving", 2, queue="moving", error="a newer one")
    offer = page.get_by_role("button", name="The list has changed")
    await expect(offer).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(3)
    await offer.click()
    await expect(page.locator("tbody tr")).to_have_count(5)
    await expect(offer).to_have_count(0)


async def test_a_refresh_keeps_focus_and_what_is_typed(scene: Scene, window: Window) -> None:
    page = window.page
    (entry_id,) = scene.fail("typing", queue="typing")
    await window.go("/admin/failures?app_id=typing")
    await page.get_by_role("textbox", name="Queue").fill("half a na")
    scene.fail("typing", 7, queue="typing")
    await expect(page.locator("h1 .num")).to_have_text("8")
    await expect(page.get_by_role("textbox", name="Queue")).to_be_focused()
    await expect(page.get_by_role("textbox", name="Queue")).to_have_value("half a na")
    assert scene.state_of(entry_id) == "failed"


async def test_the_whole_journey_works_by_keyboard_alone(scene: Scene, windows: OpenWindow) -> None:
    scene.fail("typist", 4, queue="typist", error="keys are stuck")
    opened = await windows()
    page = opened.page
    await opened.go("/admin/failures?app_id=typist")
    await page.keyboard.type("admin")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await opened.settled()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.locator("tbody tr:nth-child(2) a[data-row]")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary")).to_contain_text("keys are stuck")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("complementary")).to_have_count(0)
    await expect(page.locator("tbody tr:nth-child(2) a[data-row]")).to_be_focused()
    await page.keyboard.press("r")
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    await expect(page.locator("tbody tr:nth-child(2)")).to_contain_text("changed")
    await expect(page.locator("tbody tr:nth-child(2) a[data-row]")).to_be_focused()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Find an app")).to_be_focused()
    await page.keyboard.type("typist")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Found for")
    await opened.settled()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("typist")
    await opened.settled()
    retry = page.get_by_role("link", name="Retry all 3")
    for _ in range(40):
        if await retry.evaluate("(link) => link === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_focused()
    await page.keyboard.type("by keyboard")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert opened.complaints == []


async def test_when_the_session_ends_the_page_says_so_and_keeps_the_place(
    scene: Scene, windows: OpenWindow
) -> None:
    scene.fail("patient", queue="patient")
    opened = await windows()
    await opened.log_in("/admin/failures?app_id=patient")
    await opened.context.clear_cookies()
    ended = opened.page.get_by_role("dialog", name="Your session has ended")
    await expect(ended).to_be_visible()
    await ended.get_by_role("link", name="Log in again").click()
    await expect(opened.page.get_by_text("You come back to where you were")).to_be_visible()
    await opened.log_in(opened.page.url.removeprefix(scene.base))
    assert opened.page.url.endswith("/admin/failures?app_id=patient")


async def test_a_lost_connection_is_told_and_found_again(scene: Scene, window: Window) -> None:
    page = window.page
    await window.go("/admin/")
    await window.context.set_offline(True)
    await expect(page.locator("#link-state")).to_contain_text("No connection")
    await window.context.set_offline(False)
    await expect(page.locator("#link-state")).to_have_text("")


async def test_after_too_many_failures_the_login_page_says_how_long_to_wait(
    scene: Scene, windows: OpenWindow
) -> None:
    opened = await windows()
    page = opened.page
    await opened.go("/admin/login")
    for _ in range(6):
        await page.get_by_label("Name").fill("nobody-here")
        await page.get_by_label("Password").fill("wrong")
        await page.locator("form button").click()
        await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("try again in")
    await expect(page.locator("form button")).to_be_disabled()
    await expect(page.locator("form button")).to_be_enabled()
    await expect(page.get_by_label("Name")).to_have_value("nobody-here")


async def test_without_a_stream_the_progress_is_polled(scene: Scene, window: Window) -> None:
    page = window.page
    await page.route("**/stream", lambda route: route.abort())
    await ask_to_retry(scene, window, "polled", 60)
    await page.get_by_role("button", name="Retry 60 entries").click()
    await expect(page.locator(".verdict")).to_have_text("60 moved.")


async def test_the_end_of_an_operation_is_announced(scene: Scene, window: Window) -> None:
    page = window.page
    await ask_to_retry(scene, window, "spoken", 5)
    await page.get_by_role("button", name="Retry 5 entries").click()
    announcer = page.locator("#announcer")
    await expect(announcer).to_have_text("Retry of app spoken: finished, 5 of 5 (100%)")
    await expect(announcer).to_have_attribute("aria-live", "polite")
