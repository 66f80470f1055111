"""One browser for all, one console per module, and one window per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.support import (
    CHROMIUM_FLAGS,
    Scene,
    Window,
    axe_source,
    chromium,
    open_window,
)
from tests.support.console import ConsoleProcess
from tests.support.servers import running_redis

EXPECT_MILLIS = 60_000
"""How long a page may take to show what a test expects: no working machine takes so long."""

OpenWindow = Callable[..., Awaitable[Window]]


@pytest.fixture(scope="session")
def axe() -> str:
    return axe_source()


@pytest.fixture(scope="module")
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A console with the SETTINGS of its module, if that has any; where they say nothing else, its
    operations move one entry at a time, so that they can be watched."""
    chromium()
    settings: dict[str, str] = {"batch_size": "1", **getattr(request.module, "SETTINGS", {})}
    folder = tmp_path_factory.mktemp("scene")
    with running_redis(folder / "redis", appendonly=False) as server:
        console = ConsoleProcess(folder / "data", redis_url=server.url, **settings)
        try:
            console.start()
            console.log_in()
            yield Scene(server, console)
        finally:
            console.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=EXPECT_MILLIS)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium(), args=list(CHROMIUM_FLAGS)
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def windows(browser: Browser, scene: Scene) -> AsyncIterator[OpenWindow]:
    """Opens windows, each somebody else's; closes them after the test."""
    opened: list[Window] = []

    async def open_one(**options: Any) -> Window:
        opened.append(await open_window(browser, scene.base, **options))
        return opened[-1]

    yield open_one
    for window in opened:
        await window.context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def window(windows: OpenWindow) -> Window:
    """A window that has logged in."""
    opened = await windows()
    await opened.enter()
    return opened
