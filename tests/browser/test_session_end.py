"""The end of a session: told while it lasts, noticed when it is over, nothing typed lost."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window, ask_to_retry, serious_issues
from tests.support.console import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_dialog_can_be_closed_but_a_banner_stays(
    scene: Scene, windows: OpenWindow, axe: str
) -> None:
    opened, page = await _signed_out(scene, windows, "closed-over")
    ended = page.get_by_role("dialog", name="Your session has ended")
    await page.keyboard.press("Escape")
    await expect(ended).to_have_count(0)
    banner = page.get_by_role("status").filter(has_text="Your session has ended")
    await expect(banner).to_be_visible()
    assert await serious_issues(page, axe) == []
    await page.locator("a[data-row]").click()
    await expect(ended).to_be_visible()
    await page.keyboard.press("Escape")
    await banner.get_by_role("link", name="Log in again").click()
    await opened.log_in(page.url.removeprefix(scene.base))
    assert page.url.endswith("/admin/failures?app_id=closed-over")
    await expect(banner).to_have_count(0)


async def test_a_login_in_another_window_is_noticed_and_the_page_goes_on(
    scene: Scene, windows: OpenWindow
) -> None:
    opened, page = await _signed_out(scene, windows, "elsewhere")
    other = Window(context=opened.context, page=await opened.context.new_page(), base=scene.base)
    await other.log_in()
    await page.bring_to_front()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator("#session-banner")).to_be_hidden()
    scene.fail("elsewhere", queue="elsewhere")
    await expect(page.get_by_role("link", name="Retry all 2 of elsewhere")).to_be_visible()


async def test_what_was_typed_into_a_question_is_there_again_after_the_login(
    scene: Scene, windows: OpenWindow
) -> None:
    opened, question = await _half_answered(
        scene, windows, "half-typed", 1001, "the provider is back"
    )
    page = opened.page
    await question.get_by_label("Type 1,001").fill("1001")
    await question.get_by_label("Behind live traffic").check()
    await opened.context.clear_cookies()
    await question.get_by_role("button", name="Retry 1,001 entries").click()
    ended = page.get_by_role("dialog", name="Your session has ended")
    await ended.get_by_role("link", name="Log in again").click()
    await _log_in_here(opened)
    await expect(question.get_by_label("Reason")).to_have_value("the provider is back")
    await expect(question.get_by_label("Type 1,001")).to_have_value("1001")
    await expect(question.get_by_label("Behind live traffic")).to_be_checked()
    assert await page.evaluate("sessionStorage.length") == 0
    assert scene.failed_of("half-typed") == 1001
    await question.get_by_role("button", name="Retry 1,001 entries").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of app half-typed")
    await expect(page.get_by_text("the provider is back")).to_be_visible()
    await page.get_by_role("button", name="Cancel", exact=True).click()


async def test_a_question_stays_open_over_a_login_in_another_window(
    scene: Scene, windows: OpenWindow
) -> None:
    opened, question = await _half_answered(scene, windows, "kept-open", 2, "typed before")
    page = opened.page
    await opened.context.clear_cookies()
    await expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    other = Window(context=opened.context, page=await opened.context.new_page(), base=scene.base)
    await other.log_in()
    await page.bring_to_front()
    await expect(page.get_by_role("dialog", name="Your session has ended")).to_have_count(0)
    await expect(question.get_by_label("Reason")).to_have_value("typed before")
    await question.get_by_role("button", name="Retry 2 entries").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of app kept-open")


async def _signed_out(scene: Scene, windows: OpenWindow, app: str) -> tuple[Window, Page]:
    """A window whose session has ended, on a list of one failure."""
    scene.fail(app, queue=app)
    opened = await windows()
    await opened.log_in(f"/admin/failures?app_id={app}")
    await opened.context.clear_cookies()
    await expect(opened.page.get_by_role("dialog", name="Your session")).to_be_visible()
    return opened, opened.page


async def _half_answered(
    scene: Scene, windows: OpenWindow, app: str, count: int, reason: str
) -> tuple[Window, Locator]:
    """A window with an open question whose reason is typed."""
    opened = await windows()
    await opened.log_in()
    await ask_to_retry(scene, opened, app, count)
    question = opened.page.get_by_role("dialog", name=f"Retry {count:,} entries")
    await question.get_by_label("Reason").fill(reason)
    return opened, question


async def _log_in_here(window: Window) -> None:
    """Log in on the page that is open."""
    await window.page.get_by_label("Name").fill("admin")
    await window.page.get_by_label("Password").fill(PASSWORD)
    await window.page.get_by_role("button", name="Log in").click()
    await expect(window.page.locator("#nav")).to_be_visible()
    await window.settled()
