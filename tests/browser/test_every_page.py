"""What holds for every page: no complaint, no way out of the page, readable by everyone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window, picture, serious_issues
from tests.support.failing import working

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>{{ 7 * 7 }}"
STACK = (
    "TypeError: Cannot read properties of undefined (reading 'total')\n"
    "    at Invoice.total (/srv/app/src/invoice.js:41:17)\n"
    "    at async deliver (/srv/app/src/worker.js:12:5)\n"
    "    at async Worker.processJob (/srv/app/node_modules/bullmq/dist/worker.js:513:28)\n"
    "    at node:internal/process/task_queues:95:5"
)
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}},
    "dark-wide": {"color_scheme": "dark", "viewport": {"width": 3840, "height": 2160}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}


async def deliver(job: Any, token: str) -> str:
    return "delivered"


async def refuse(job: Any, token: str) -> str:
    raise RuntimeError("the mailbox is full")


@pytest.fixture(scope="module")
def hostile_entry(scene: Scene) -> str:
    """An entry whose every field tries to be more than text."""
    data = {"app_id": HOSTILE, "note": HOSTILE, HOSTILE: [HOSTILE * 20], "api_key": "s3cret-value"}
    return scene.fail(
        HOSTILE, queue="hostile", error=HOSTILE, stack=HOSTILE, data=data, name=HOSTILE
    )[0]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(scene: Scene, hostile_entry: str) -> Mapping[str, str]:
    """Every page by name, with something on it."""
    (entry,) = scene.fail("acme", error="Cannot read properties of undefined", stack=STACK)
    scene.fail("acme", 40, error="the provider answered 503")
    scene.fail("globex", 25, queue="invoices", error="connect ECONNREFUSED 10.0.0.7:443")
    scene.fail("bulky", 1100, queue="bulky", error="a page too large for it")
    operation = _started(scene, "globex")
    dismissal = _dismissed(scene, "globex-test")
    scene.fail("initech", 1200, queue="slow")
    paused = _started(scene, "initech", rate=5, canary={"entries": 20}, guard={"percent": 50})
    scene.console.post(f"/operations/{paused}/pause", {"reason": "the provider asked for it"})
    scene.fail("umbrella", 1100, queue="slow")

    async def deliver(job: Any, token: str) -> str:
        return "delivered"

    group = _group_of(scene, entry)
    (poison,) = scene.fail("hooli", queue="poison")
    for _ in range(3):
        again = _started(scene, "hooli")
        async with working(scene.server.url, "poison", refuse):
            await asyncio.to_thread(scene.until_ended, again)
    scene.console.http.put(f"/admin/api/groups/{group}/note", json={"note": "ask ada\nshe knows"})

    async with working(scene.server.url, "invoices", deliver):
        await asyncio.to_thread(scene.until_ended, operation)
    return {
        "overview": "/admin/",
        "failures": "/admin/failures",
        "failures-empty": "/admin/failures?q=nothing+like+it",
        "detail": f"/admin/failures?entry={entry}",
        "entry": f"/admin/entries/{entry}",
        "entry-story": f"/admin/entries/{poison}",
        "entry-hostile": f"/admin/entries/{hostile_entry}",
        "groups": "/admin/groups",
        "groups-quiet": "/admin/groups?quiet=true",
        "groups-empty": "/admin/groups?q=nothing+like+it",
        "group": f"/admin/groups/{group}",
        "group-note": f"/admin/groups/{group}?edit=note",
        "group-hostile": f"/admin/groups/{_group_of(scene, hostile_entry)}",
        "failures-group": f"/admin/failures?group_id={group}",
        "apps": "/admin/apps",
        "app": "/admin/apps/acme",
        "operations": "/admin/operations",
        "operation": f"/admin/operations/{operation}",
        "operation-paused": f"/admin/operations/{paused}",
        "controls": f"/admin/operations/{paused}/controls",
        "queues": "/admin/queues",
        "queue": "/admin/queues/mail",
        "audit": "/admin/audit",
        "search": "/admin/search?q=acme",
        "search-empty": "/admin/search?q=nothing+like+it",
        "confirm": "/admin/confirm?kind=retry&app_id=acme",
        "plan": "/admin/plan?kind=retry&app_id=acme",
        "plan-dismiss": "/admin/plan?kind=dismiss&q=503",
        "plan-large": "/admin/plan?kind=retry&app_id=bulky",
        "failures-more": "/admin/failures?attempts_min=1&q=503",
        "dismiss": f"/admin/entries/{entry}/dismiss",
        "operation-planned": f"/admin/operations/{dismissal}",
        "confirm-large": "/admin/confirm?kind=retry&app_id=umbrella",
    }


@pytest.mark.parametrize("look", LOOKS)
async def test_pages_are_accessible_and_fit_and_never_complain(
    pages: Mapping[str, str], windows: OpenWindow, axe: str, look: str
) -> None:
    window = await windows(**LOOKS[look])
    await window.go("/admin/login")
    found = await _problems(window, "login", axe, look)
    await window.log_in()
    for name, path in pages.items():
        await window.go(path)
        found += await _problems(window, name, axe, look)
    assert not found, "\n".join(found)
    assert window.complaints == []


async def test_a_dialog_is_accessible(pages: Mapping[str, str], window: Window, axe: str) -> None:
    await window.go("/admin/apps/acme")
    await window.page.get_by_role("link", name="Retry all").click()
    await expect(window.page.get_by_role("dialog")).to_be_visible()
    assert await _problems(window, "dialog", axe, "light") == []
    await window.page.keyboard.press("Escape")
    await window.page.keyboard.press("?")
    assert await _problems(window, "help", axe, "light") == []


async def test_on_a_phone_an_entry_is_what_its_address_shows_first(
    pages: Mapping[str, str], windows: OpenWindow
) -> None:
    window = await windows(**LOOKS["narrow"])
    await window.log_in(pages["detail"])
    await expect(window.page.locator(".detail-title")).to_be_in_viewport()
    box = await window.page.locator(".split-detail").bounding_box()
    assert box is not None
    assert box["y"] < 100
    await expect(window.page.get_by_role("heading", name="Failures")).to_be_hidden()


async def test_on_a_phone_the_audit_trail_shows_result_and_reason(
    pages: Mapping[str, str], windows: OpenWindow
) -> None:
    window = await windows(**LOOKS["narrow"])
    await window.log_in("/admin/audit?action=retry.start")
    row = window.page.locator("tbody tr").first
    await expect(row.get_by_text("the provider is back").locator("visible=true")).to_have_count(1)
    await expect(row.get_by_text("started").locator("visible=true")).to_have_count(1)


async def test_html_and_script_in_a_job_stay_text(
    scene: Scene, window: Window, hostile_entry: str
) -> None:
    page = window.page
    for path in (
        f"/admin/entries/{hostile_entry}",
        f"/admin/failures?entry={hostile_entry}",
        "/admin/",
        "/admin/groups",
        f"/admin/groups/{_group_of(scene, hostile_entry)}",
        "/admin/apps",
        "/admin/queues/hostile",
        "/admin/search?q=window.hacked",
    ):
        await window.go(path)
        await expect(page.locator("body")).to_contain_text(HOSTILE[:30])
        assert await page.evaluate("window.hacked") is None
        assert await page.locator("main img, main script").count() == 0
    await window.go(f"/admin/entries/{hostile_entry}")
    await expect(page.locator("body")).not_to_contain_text("s3cret-value")
    await page.get_by_role("button", name="Retry").click()
    await expect(page.locator("#flash")).to_contain_text("is back in its queue")
    assert window.complaints == []


async def test_the_own_frames_of_a_trace_stand_before_those_of_libraries(
    pages: Mapping[str, str], window: Window
) -> None:
    await window.go(pages["entry"])
    stack = window.page.locator(".stack")
    await expect(stack.locator("> ol li")).to_have_count(2)
    await expect(stack.locator("> ol li").first).to_contain_text("Invoice.total")
    await expect(stack.get_by_text("worker.js:513")).to_be_hidden()
    await stack.get_by_text("2 library frames").click()
    await expect(stack.get_by_text("worker.js:513")).to_be_visible()


async def test_an_unknown_address_has_a_page_that_says_so(window: Window) -> None:
    for path in (
        "/admin/nothing",
        "/admin/entries/ent_unknown",
        "/admin/groups/grp_1_unknown",
        "/admin/apps/nobody",
    ):
        await window.go(path)
        await expect(window.page.get_by_role("heading")).to_have_text("There is nothing here")
        await expect(window.page.get_by_role("link", name="To the overview")).to_be_visible()


async def _problems(window: Window, name: str, axe: str, look: str) -> list[str]:
    """What is wrong with the page that is open; leaves a screenshot of it where that is wanted."""
    page = window.page
    await picture(page, f"{name}-{look}", whole=False)
    await page.evaluate("scrollTo(0, 0)")  # a field that has the focus may be further down
    found = [f"{name}: {issue}" for issue in await serious_issues(page, axe)]
    if await _overflows(page):
        found.append(f"{name}: scrolls sideways at {look}")
    return found


async def _overflows(page: Page) -> bool:
    answer: bool = await page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return answer


def _dismissed(scene: Scene, app: str) -> str:
    """An operation that dismisses all failures of an app."""
    scene.fail(app, 3, queue="test-data", error="a test")
    asked = {"kind": "dismiss", "filter": {"app_id": app}}
    token = scene.console.post("/operations/plan", asked).json()["data"]["plan_token"]
    answer = scene.console.post("/operations", {"plan_token": token, "reason": "test data"})
    operation_id: str = answer.json()["data"]["operation_id"]
    scene.until_over(operation_id)
    return operation_id


def _started(scene: Scene, app: str, **limits: Any) -> str:
    body = {"reason": "the provider is back", **limits}
    answer = scene.console.post(f"/retry/app/{app}", body)
    operation_id: str = answer.json()["data"]["operation_id"]
    return operation_id


def _group_of(scene: Scene, entry_id: str) -> str:
    group_id: str = scene.console.get(f"/entries/{entry_id}")["group_id"]
    return group_id
