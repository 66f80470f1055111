"""Something that the console needs is away: the page waits for it without getting in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.support import chromium, open_window
from tests.support.console import ConsoleProcess
from tests.support.servers import RedisServer, running_redis

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A team's own Redis."""
    server = RedisServer(tmp_path_factory.mktemp("far"), appendonly=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, far: RedisServer) -> Iterator[ConsoleProcess]:
    """A console that follows it."""
    chromium()
    folder: Path = tmp_path_factory.mktemp("away")
    sources = json.dumps([{"name": "default"}, {"name": "far", "url": far.url}])
    with running_redis(folder / "redis", appendonly=False) as server:
        process = ConsoleProcess(folder / "data", redis_url=server.url, sources=sources)
        try:
            process.start()
            yield process
        finally:
            process.close()


async def test_the_page_stays_says_when_it_last_tried_and_goes_on_by_itself(
    console: ConsoleProcess, far: RedisServer, browser: Browser
) -> None:
    window = await open_window(browser, f"http://127.0.0.1:{console.port}")
    page = window.page
    await window.log_in()
    far.stop()
    await window.go("/admin/queues/mail?source=far")
    await expect(page.get_by_role("heading")).to_have_text("Something is away")
    await page.evaluate("window.stayed = true")
    await page.get_by_role("button", name="Try now").click()
    await expect(page.get_by_role("status")).to_have_text("Still away.")
    await expect(page.get_by_text("Last tried at")).to_be_visible()
    await expect(page.get_by_role("button", name="Try now")).to_be_focused()
    assert await page.evaluate("window.stayed")
    far.start()
    with far.client() as client:
        client.hset("bull:mail:meta", mapping={"opts.maxLenEvents": "10000"})
    await expect(page.get_by_role("heading", level=1)).to_contain_text("mail")
    assert await page.evaluate("window.stayed") is None
    await window.context.close()
