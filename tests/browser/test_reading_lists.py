"""What lists show: no word is torn apart, and what tells failures apart can be read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import pytest_asyncio

from tests.browser.conftest import OpenWindow
from tests.browser.support import Scene, Window, picture

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WIDTH = 1280
APP = "umbrella"
ERROR = "Client error '404 Not Found' for url 'https://hooks.example/v2/deliveries/1?attempt=3'"
STACK = f"httpx.HTTPStatusError: {ERROR}\n    at deliver_webhook (webhooks.js:1:1)"
REASON = "the receiver has mended its address, and says that nothing was lost"
TORN = """() => {
    const torn = [];
    for (const cell of document.querySelectorAll('.list td')) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            for (const word of texts.currentNode.data.matchAll(/(?<!\\S)[^\\s-]{1,24}(?!\\S)/g)) {
                const range = document.createRange();
                range.setStart(texts.currentNode, word.index);
                range.setEnd(texts.currentNode, word.index + word[0].length);
                const lines = new Set([...range.getClientRects()].map((one) => one.top));
                if (lines.size > 1) torn.push(word[0]);
            }
        }
    }
    return torn;
}"""
"""The words of lists that stand on more than one line; a longer one has to be torn somewhere."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(scene: Scene) -> Mapping[str, str]:
    """Every list, with texts of an ordinary length."""
    names = {"queue": "webhooks", "name": "deliver_webhook"}
    scene.fail(APP, 6, error=ERROR, stack=STACK, **names)
    group = scene.console.get("/entries", app_id=APP)["items"][0]["group_id"]
    asked = {"kind": "retry", "filter": {"group_id": group, "attempts_min": 1}}
    token = scene.console.post("/operations/plan", asked).json()["data"]["plan_token"]
    started = scene.console.post("/operations", {"plan_token": token, "reason": REASON})
    operation: str = started.json()["data"]["operation_id"]
    scene.until_over(operation)
    more = scene.fail(APP, 6, error=ERROR, stack=STACK, **names)
    return {
        "operations": "/admin/operations",
        "operation": f"/admin/operations/{operation}",
        "audit": "/admin/audit",
        "queues": "/admin/queues",
        "queue": "/admin/queues/webhooks?state=failed",
        "groups": "/admin/groups",
        "apps": "/admin/apps",
        "plan": f"/admin/plan?group_id={group}",
        "failures": f"/admin/failures?state=any&entry={more[0]}",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def desk(windows: OpenWindow) -> Window:
    window = await windows(viewport={"width": WIDTH, "height": 800})
    await window.log_in()
    return window


@pytest.mark.parametrize("width", [WIDTH, 390])
async def test_no_word_in_a_list_is_torn_apart(
    pages: Mapping[str, str], desk: Window, width: int
) -> None:
    found = {}
    await desk.page.set_viewport_size({"width": width, "height": 800})
    for name, path in pages.items():
        await desk.go(path)
        if torn := await desk.page.evaluate(TORN):
            found[name] = torn
        await picture(desk.page, f"words-{width}-{name}")
    assert not found


async def test_the_name_of_an_app_stays_whole_on_the_narrowest_phone(
    pages: Mapping[str, str], desk: Window
) -> None:
    await desk.page.set_viewport_size({"width": 320, "height": 800})
    for name in ("operations", "operation", "apps"):
        await desk.go(pages[name])
        assert APP not in await desk.page.evaluate(TORN), name


async def test_the_samples_of_a_plan_show_their_messages_whole(
    pages: Mapping[str, str], desk: Window
) -> None:
    await desk.go(pages["plan"])
    sample = desk.page.locator(".samples tbody a").first
    assert ERROR in await sample.inner_text()
    cut: bool = await sample.evaluate(
        """one => [one, one.closest('td')].some((box) =>
            box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1)"""
    )
    assert not cut
