"""An operation is watched, paused, slowed down and taken back by who watches it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window, ask_to_retry, picture
from tests.support.console import PASSWORD
from tests.support.failing import ProviderError, fail_jobs, working
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


SETTINGS = {"approval_over": "400"}


async def deliver(job: Any, token: str) -> str:
    return "delivered"


async def test_the_fix_did_not_work_and_the_canary_stopped_it_after_20(
    scene: Scene, window: Window
) -> None:
    page = window.page
    ran: list[str] = []

    async def still_fails(job: Any, token: str) -> None:
        ran.append(job.id)
        raise ProviderError("the provider is down")

    jobs = [{"app_id": "canaried", "number": number} for number in range(60)]
    await fail_jobs(scene.server.url, "canaried", jobs, process=still_fails)

    async def taken_in() -> bool:
        return len(scene.console.get("/entries", queue="canaried", limit="100")["items"]) == 60

    await eventually(taken_in, "the ledger has all failures")
    ran.clear()
    await window.go("/admin/groups?queue=canaried")
    await page.locator("a[data-row]").click()
    await page.get_by_role("link", name="Plan…").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Retry 60 entries?")
    await expect(page.get_by_role("region", name="Causes")).to_contain_text("60")
    await expect(page.get_by_role("region", name="Apps")).to_contain_text("canaried")
    await expect(page.locator("time[data-until]")).to_have_text(re.compile(r"for \d+ min \d+ s"))
    assert scene.console.get("/operations")["items"] == []
    await page.get_by_text("Pace and safety").click()
    await page.get_by_label("Canary").fill("20")
    await page.get_by_label("Reason").fill("the provider says that it is back")
    async with working(scene.server.url, "canaried", still_fails):
        await page.get_by_role("button", name="Retry 60 entries").click()
        banner = page.locator("#paused")
        await expect(banner).to_contain_text("Paused by the canary")
    await expect(banner).to_contain_text("0 of 20 recovered, 20 failed again, 0 without an outcome")
    await expect(banner).to_contain_text("40 entries are left as they were.")
    await expect(page).to_have_title(
        re.compile("^Paused 33% · Retry of group “the provider is down”")
    )
    assert len(ran) == len(set(ran)) == 20
    assert scene.operation_of(page)["succeeded"] == 20
    await expect(page.locator("#verdict")).to_contain_text("None of 20 recovered")
    await picture(page, "journey-canary-stopped")
    await window.go("/admin/")
    await expect(page.locator(".running-list")).to_contain_text("Paused by the canary")
    await page.get_by_role("link", name="Retry of group “the provider is down”").first.click()
    async with working(scene.server.url, "canaried", deliver):
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#flash")).to_contain_text("40 of 60 are left")
        await expect(page.get_by_role("heading", level=1)).to_contain_text(
            "finished, partly recovered"
        )
    await expect(page.locator("#paused")).to_have_count(0)
    verdict = page.locator("#verdict")
    await expect(verdict).to_contain_text("40 of 60 recovered; 20 failed again the same way.")
    await expect(page.get_by_label("40 of 60 recovered")).to_be_visible()
    again = verdict.get_by_role("link", name="Retry the part that failed again (20)")
    operation_id = scene.operation_of(page)["operation_id"]
    await expect(again).to_have_attribute(
        "href", f"/admin/plan?kind=retry&failed_again_in={operation_id}"
    )
    await expect(verdict.get_by_role("link", name="Dismiss")).to_have_count(0)
    await picture(page, "journey-canary-recovered")
    assert window.complaints == []


async def test_an_operation_is_paused_slowed_down_resumed_and_taken_back(
    scene: Scene, window: Window
) -> None:
    page = window.page
    dialog = await ask_to_retry(scene, window, "steered", 400)
    await dialog.get_by_text("Pace and safety").click()
    await dialog.get_by_label("Rate").fill("4")
    await dialog.get_by_role("button", name="Retry 400 entries").click()
    pace = page.locator("#pace")
    await expect(pace).to_contain_text("4 a second")
    await expect(pace).to_contain_text("the wanted rate")
    await expect(page.locator("#undo")).to_be_visible()
    await picture(page, "journey-running")
    await page.get_by_label("Reason of the pause").fill("the provider asked for it")
    await page.get_by_role("button", name="Pause").click()
    banner = page.locator("#paused")
    await expect(banner).to_contain_text("Paused by you")
    await expect(banner).to_contain_text("The provider asked for it")
    moved = scene.operation_of(page)["succeeded"]

    await page.get_by_role("link", name="Change").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Rate").fill("fast")
    await dialog.get_by_role("button", name="Change").click()
    wrong = dialog.get_by_label("Rate")
    await expect(wrong).to_be_focused()
    await expect(wrong).to_have_accessible_description("Rate must be a number, such as 50 or 0.5")
    await picture(page, "journey-limits-refused")
    await wrong.fill("200")
    await dialog.get_by_role("button", name="Change").click()
    await expect(page.locator("#flash")).to_have_text(
        re.compile("From the next batch on: 200 entries a second")
    )
    await expect(pace).to_contain_text("200 a second")
    assert scene.operation_of(page)["succeeded"] == moved

    await page.get_by_role("button", name="Resume").click()
    await expect(banner).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("running")
    await page.get_by_role("button", name="Cancel and take back what has not started").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    await expect(page.locator(".verdict")).to_contain_text(
        re.compile("^0 moved, [0-9]+ taken back")
    )
    await picture(page, "journey-undone")
    assert scene.failed_of("steered") == 400
    # The browser notes every answer that refuses something.
    assert [one for one in window.complaints if "422" not in one] == []


async def test_a_second_user_approves_what_the_one_who_started_it_may_not(
    scene: Scene, window: Window, windows: OpenWindow
) -> None:
    page = window.page
    added = scene.console.run("user", "add", "grace", typed=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    dialog = await ask_to_retry(scene, window, "approved", 401)
    await dialog.get_by_text("Pace and safety").click()
    await dialog.get_by_label("Rate").fill("2")
    await dialog.get_by_role("button", name="Retry 401 entries").click()
    banner = page.locator("#paused")
    await expect(banner).to_contain_text("Waits for approval")
    await expect(banner).to_contain_text("Over 400 entries: another user has to approve it")
    approve = banner.get_by_role("button", name="Approve")
    await expect(approve).to_be_disabled()
    await expect(approve).to_have_accessible_description(
        "You have started it: another user has to approve it."
    )
    pace = page.locator("#pace")
    await expect(pace).to_contain_text("It is approved with these limits, or cancelled.")
    await expect(pace.get_by_role("link", name="Change")).to_have_count(0)
    operation = scene.operation_of(page)["operation_id"]
    refused = scene.console.post(f"/operations/{operation}/resume")
    assert (refused.status_code, refused.json()["code"]) == (403, "approval_needed")
    await picture(page, "journey-waits-for-approval")

    second = await windows()
    await second.log_in("/admin/", name="grace")
    running = second.page.locator(".running-list")
    await expect(running).to_contain_text("Waits for approval")
    await running.get_by_role("link", name="Retry of app approved").click()
    await second.page.get_by_role("button", name="Approve").click()
    await expect(second.page.locator("#flash")).to_contain_text("Approved by grace.")
    await expect(second.page.get_by_role("heading", level=1)).to_contain_text("running")
    await expect(banner).to_have_count(0)
    await expect(page.locator("dl div").filter(has_text="Approved by")).to_contain_text("grace")
    await expect(pace.get_by_role("link", name="Change")).to_be_visible()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    assert window.complaints == second.complaints == []


async def test_an_operation_is_steered_without_script(scene: Scene, windows: OpenWindow) -> None:
    scene.fail("plainly", 80, queue="plainly")
    window = await windows(java_script_enabled=False)
    page = window.page
    await window.log_in("/admin/apps/plainly")
    await page.get_by_role("link", name="Retry all 80").click()
    await page.get_by_text("Pace and safety").click()
    await page.get_by_label("Rate").fill("0")
    await page.get_by_role("button", name="Retry 80 entries").click()
    await expect(page.get_by_label("Rate")).to_have_accessible_description(re.compile("from 0.01"))
    await page.get_by_label("Rate").fill("1")
    await page.get_by_role("button", name="Retry 80 entries").click()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#paused")).to_contain_text("Paused by you")
    await page.get_by_role("link", name="Change").click()
    await page.get_by_label("Rate").fill("")
    await page.get_by_role("button", name="Change").click()
    await expect(page.locator("#flash")).to_contain_text("From the next batch on: no limits.")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("finished, observing")
    await page.get_by_role("button", name="Take back what has not started").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    assert scene.failed_of("plainly") == 80
