"""A list stays under the pointer: opening an entry or acting on one moves no other row."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.support import Scene, Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def keys_of(page: Page) -> list[str]:
    keys: list[str] = await page.locator("[data-offer] tbody tr").evaluate_all(
        "rows => rows.map((row) => row.dataset.key)"
    )
    return keys


def offer_on(page: Page) -> Locator:
    return page.get_by_role("button", name="The list has changed")


async def test_opening_and_closing_an_entry_leaves_the_rows_where_they_are(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("opening", 3, queue="opening")
    await window.go("/admin/failures?app_id=opening")
    before = await keys_of(page)
    scene.fail("opening", 2, queue="opening")
    await page.locator("tbody tr").nth(1).locator("a[data-row]").click()
    await expect(page.get_by_role("complementary")).to_be_visible()
    assert await keys_of(page) == before
    await expect(page.locator("tr.chosen")).to_have_attribute("data-key", before[1])
    await expect(offer_on(page)).to_be_visible()
    await page.get_by_role("link", name="Close").click()
    await expect(page.get_by_role("complementary")).to_have_count(0)
    assert await keys_of(page) == before
    await page.go_back()
    await expect(page.get_by_role("complementary")).to_be_visible()
    assert await keys_of(page) == before
    await offer_on(page).click()
    await expect(page.locator("tbody tr")).to_have_count(5)
    await expect(offer_on(page)).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    ["/admin/failures?app_id={}", "/admin/apps/{}", "/admin/queues/{}?state=failed"],
)
async def test_a_retry_in_a_row_leaves_its_row_and_all_others_where_they_are(
    scene: Scene, window: Window, path: str
) -> None:
    page = window.page
    name = f"acting-{path.split('/')[2].split('?')[0]}"
    scene.fail(name, 4, queue=name)
    await window.go(path.format(name))
    before = await keys_of(page)
    row = page.locator("tbody tr").nth(1)
    await row.get_by_role("button", name="Retry").click()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    await expect(row).to_contain_text("changed")
    await expect(row.get_by_role("button")).to_have_count(0)
    assert await keys_of(page) == before
    await expect(page.locator("tbody").get_by_role("button", name="Retry")).to_have_count(3)
    await offer_on(page).click()
    await expect(page.locator("[data-offer] tbody tr")).to_have_count(3)


async def test_the_row_of_the_open_entry_stays_when_the_entry_is_retried(
    scene: Scene, window: Window
) -> None:
    page = window.page
    ids = scene.fail("staying", 3, queue="staying")
    await window.go(f"/admin/failures?app_id=staying&entry={ids[1]}")
    before = await keys_of(page)
    await page.get_by_role("complementary").get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("complementary")).to_contain_text("waiting in its queue")
    await expect(page.locator("tr.chosen")).to_have_attribute("data-key", ids[1])
    assert await keys_of(page) == before
    await page.locator(f"tr[data-key={ids[0]}] a[data-row]").click()
    await expect(page.locator("tr.chosen")).to_have_attribute("data-key", ids[0])


async def test_the_next_page_goes_on_after_the_rows_that_are_shown(
    scene: Scene, window: Window
) -> None:
    page = window.page
    ids = scene.fail("onward", 53, queue="onward")
    await window.go("/admin/failures?app_id=onward")
    shown = await keys_of(page)
    await page.locator("tbody tr").first.get_by_role("button", name="Retry").click()
    await expect(page.locator("tbody tr").first).to_contain_text("changed")
    await page.get_by_role("link", name="Older").click()
    await expect(page.locator("tbody tr")).to_have_count(3)
    assert set(await keys_of(page)) == set(ids) - set(shown)


async def test_a_filter_loads_the_list_afresh(scene: Scene, window: Window) -> None:
    page = window.page
    scene.fail("afresh", 2, queue="afresh")
    await window.go("/admin/failures?app_id=afresh")
    scene.fail("afresh", 1, queue="afresh", name="other")
    await page.get_by_label("Order").select_option("oldest")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await expect(offer_on(page)).to_have_count(0)


async def test_a_row_with_a_long_error_does_not_shift_when_it_is_clicked(
    scene: Scene, window: Window
) -> None:
    page = window.page
    scene.fail("shifting", 1, queue="shifting", error="the provider is down " * 40)
    await window.go("/admin/failures?app_id=shifting")
    link = page.locator("tbody tr a[data-row]")
    await link.click()
    await expect(page.get_by_role("complementary")).to_be_visible()
    await expect(link).to_be_focused()
    await link.evaluate("one => one.scrollIntoView({inline: 'center', block: 'nearest'})")
    assert await link.evaluate("one => one.closest('td').scrollLeft") == 0


@pytest.mark.parametrize(("width", "is_shown"), [(1366, False), (1440, True)])
async def test_a_wide_list_of_failures_names_the_queue(
    scene: Scene, window: Window, width: int, is_shown: bool
) -> None:
    page = window.page
    await page.set_viewport_size({"width": width, "height": 900})
    queue = f"queue-{width}"
    scene.fail("queued", 1, queue=queue)
    await window.go(f"/admin/failures?queue={queue}")
    await expect(page.get_by_role("cell", name=queue)).to_have_count(int(is_shown))
    await expect(page.get_by_role("columnheader", name="Queue")).to_have_count(int(is_shown))
