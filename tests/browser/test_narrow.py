"""What a phone shows: texts of any length fit, and what matters is on the screen."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APP = "customer_" + "7f3a" * 16
QUEUE = "queue_" + "of_everything_" * 6
NAME = "send_" + "a_very_long_report_" * 6
ERROR = f"https://provider.example/{'path' * 60}?{'token' * 60}"
REASON = "because_" * 40
WIDTH = 360


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(scene: Scene) -> Mapping[str, str]:
    """Every page, with texts on it that nothing breaks."""
    scene.fail(APP, 3, queue=QUEUE, error=ERROR, name=NAME, stack=f"Error: {ERROR}")
    answer = scene.console.post(f"/retry/app/{APP}", {"reason": REASON})
    operation: str = answer.json()["data"]["operation_id"]

    async def ended() -> bool:
        return bool(scene.console.get(f"/operations/{operation}")["state"] == "completed")

    await eventually(ended, f"{operation} ends")
    ids = scene.fail(APP, 3, queue=QUEUE, error=ERROR, name=NAME, stack=f"Error: {ERROR}")
    return {
        "overview": "/admin/",
        "failures": f"/admin/failures?app_id={APP}",
        "detail": f"/admin/failures?entry={ids[0]}",
        "entry": f"/admin/entries/{ids[0]}",
        "apps": "/admin/apps",
        "app": f"/admin/apps/{APP}",
        "operations": "/admin/operations",
        "operation": f"/admin/operations/{operation}",
        "queues": "/admin/queues",
        "queue": f"/admin/queues/{QUEUE}?state=failed",
        "audit": "/admin/audit",
        "search": f"/admin/search?q={ERROR[:40]}",
        "search-long": f"/admin/search?q={NAME}",
        "confirm": f"/admin/confirm?kind=retry&app_id={APP}",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def phone(windows: OpenWindow) -> Window:
    window = await windows(viewport={"width": WIDTH, "height": 740})
    await window.log_in()
    return window


@pytest.mark.parametrize("width", [WIDTH, 1280])
async def test_texts_without_a_break_never_make_a_page_or_a_table_scroll_sideways(
    pages: Mapping[str, str], phone: Window, width: int
) -> None:
    found = []
    await phone.page.set_viewport_size({"width": width, "height": 740})
    for name, path in pages.items():
        await phone.go(path)
        wide: list[str] = await phone.page.evaluate(
            """() => [document.documentElement, ...document.querySelectorAll('.table-frame')]
            .filter((one) => one.scrollWidth > one.clientWidth)
            .map((one) => `${one.className || one.nodeName} ${one.scrollWidth}`)"""
        )
        found += [f"{name}: {one}" for one in wide]
    assert not found, "\n".join(found)


async def test_a_list_of_operations_shows_what_became_of_each(
    pages: Mapping[str, str], phone: Window
) -> None:
    await phone.go(f"/admin/operations?app_id={APP}")
    row = phone.page.locator("tbody tr").first
    for text in ("3 of 3 (100%)", "3 moved", "0 recovered"):
        await expect(row.get_by_text(text).locator("visible=true")).not_to_have_count(0)


async def test_the_badge_of_a_found_entry_is_shown_whole(
    pages: Mapping[str, str], phone: Window
) -> None:
    await phone.go(pages["search"])
    badge = phone.page.locator(".entries .badge", has_text="moved, waiting").first
    await expect(badge).to_be_visible()
    inside: bool = await badge.evaluate(
        """one => {
            const cell = one.closest('td').getBoundingClientRect();
            return one.getBoundingClientRect().right <= cell.right
                && one.getBoundingClientRect().left >= cell.left; }"""
    )
    assert inside
