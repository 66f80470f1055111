"""A browser, a console as a real process, and queues that really fail."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from redrive.domain import entry_id_of
from tests.support.console import PASSWORD, ConsoleProcess
from tests.support.servers import RedisServer
from tests.support.waiting import until

NODE_FOLDER = Path(__file__).parent / "node"
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
WANTED = bool(os.environ.get("REDRIVE_SCREENSHOTS"))
"""Whether the tests keep how the pages look: painting whole pages takes long."""

SERIOUS = ("serious", "critical")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SLOWDOWN = float(os.environ.get("REDRIVE_BROWSER_SLOWDOWN", "1"))
"""How many times slower the pages' own scripts run, to find what depends on a fast machine."""

INTAKE_SECONDS = 90
"""How long the ledger may take to hear of a failure, on the slowest machine."""


def missing(problem: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI") or os.environ.get("REDRIVE_REQUIRE_ALL"):
        pytest.fail(problem)
    pytest.skip(problem)


def chromium() -> str:
    """Where the browser is; skips without one."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    missing("Chromium is not installed")
    raise AssertionError


def axe_source() -> str:
    """The accessibility checker, installed once; several test processes may come here at once."""
    if shutil.which("npm") is None:
        missing("npm is not installed")
    script = NODE_FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    with (NODE_FOLDER / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.exists():
            done = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"],
                cwd=NODE_FOLDER,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if done.returncode:
                missing(f"npm install failed: {done.stderr[-500:]}")
    return script.read_text(encoding="utf-8")


@dataclass
class Window:
    """A browser window of its own, with everything that its console complained about."""

    context: BrowserContext
    page: Page
    base: str
    scripted: bool = True
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        """Open a page; where it has a script, wait until that has taken over."""
        await self.page.goto(self.base + path)
        if self.scripted and await self.page.locator("#nav").count():
            await self.settled()

    async def log_in(self, path: str = "/admin/", name: str = "admin") -> None:
        """Log in and arrive at a page."""
        await self.go(path)
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Log in").click()
        await expect(self.page.locator("#nav")).to_be_visible()
        if self.scripted:
            await self.settled()

    async def enter(self, path: str = "/admin/") -> None:
        """Arrive at a page as somebody who has logged in before."""
        given = {"username": "admin", "password": PASSWORD}
        answer = await self.context.request.post(f"{self.base}/admin/api/login", data=given)
        assert answer.ok, await answer.text()
        await self.go(path)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def settled(self) -> None:
        """The page's own script has taken over."""
        await expect(self.page.locator("html.scripted")).to_be_attached()


async def open_window(browser: Browser, base: str, **options: Any) -> Window:
    context = await browser.new_context(**{"viewport": {"width": 1366, "height": 820}, **options})
    scripted = options.get("java_script_enabled", True)
    window = Window(context=context, page=await context.new_page(), base=base, scripted=scripted)
    window.page.on("console", window.heard)
    window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
    if SLOWDOWN > 1:
        session = await context.new_cdp_session(window.page)
        await session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    return window


class Scene:
    """A console over a team's own Redis."""

    def __init__(self, server: RedisServer, console: ConsoleProcess) -> None:
        self.server = server
        self.console = console
        self._number = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.console.port}"

    def fail(
        self,
        app: str,
        count: int = 1,
        *,
        queue: str = "mail",
        error: str = "the provider is down",
        stack: str = "",
        data: object = None,
        name: str = "deliver",
    ) -> list[str]:
        """Leave failed jobs as BullMQ does, wait until the ledger has them; returns entry ids."""
        before = self._number
        finished = int(time.time() * 1000)
        with self.server.client() as client, client.pipeline(transaction=False) as pipeline:
            pipeline.hset(f"bull:{queue}:meta", mapping={"opts.maxLenEvents": "10000"})
            for _ in range(count):
                self._number += 1
                job_id = str(self._number)
                payload = {"app_id": app, "number": self._number} if data is None else data
                pipeline.hset(
                    f"bull:{queue}:{job_id}",
                    mapping={
                        "name": name,
                        "data": json.dumps(payload),
                        "opts": '{"attempts":1}',
                        "timestamp": str(finished - 1000),
                        "processedOn": str(finished - 500),
                        "finishedOn": str(finished),
                        "atm": "1",
                        "ats": "1",
                        "failedReason": error,
                        "stacktrace": json.dumps(
                            [stack or f"Error: {error}\n    at send (mail.js:1:1)"]
                        ),
                    },
                )
                pipeline.zadd(f"bull:{queue}:failed", {job_id: finished})
            pipeline.execute()
        ids: list[str] = [
            entry_id_of("default", queue, str(number))
            for number in range(before + 1, self._number + 1)
        ]

        def taken_in() -> bool:
            return all(self.state_of(one) == "failed" for one in (ids[-1], ids[0]))

        until(taken_in, f"the ledger has {ids[0]} to {ids[-1]}", INTAKE_SECONDS)
        return ids

    def state_of(self, entry_id: str) -> str | None:
        answer = self.console.http.get(f"/admin/api/entries/{entry_id}")
        return answer.json()["data"]["state"] if answer.status_code == 200 else None

    def failed_of(self, app: str) -> int:
        failed: int = self.console.get(f"/apps/{app}")["failed"]
        return failed

    def until_ended(self, operation_id: str) -> None:
        """Wait for an operation, and for the outcome of everything that it moved."""

        def ended() -> bool:
            counts = self.console.get(f"/operations/{operation_id}")
            known: int = counts["recovered"] + counts["failed_again"] + counts["vanished"]
            return bool(counts["state"] == "completed" and known == counts["succeeded"])

        until(ended, f"{operation_id} and its outcomes end")

    def until_over(self, operation_id: str) -> None:
        """Wait until an operation has taken everything that it selected."""

        def over() -> bool:
            return bool(self.console.get(f"/operations/{operation_id}")["state"] == "completed")

        until(over, f"{operation_id} is over")

    def operation_of(self, page: Page) -> Any:
        """The operation whose page is open."""
        operation_id = page.url.split("?")[0].rsplit("/", 1)[1]
        return self.console.get(f"/operations/{operation_id}")


async def ask_to_retry(scene: Scene, window: Window, app: str, count: int) -> Locator:
    """Give an app so many failures, and open the question whether to retry them all."""
    scene.fail(app, count, queue=app)
    await window.go(f"/admin/apps/{app}")
    await window.page.get_by_role("link", name=f"Retry all {count:,}").click()
    return window.page.get_by_role("dialog")


async def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """Keep how the page looks, where that is wanted."""
    if WANTED:
        SCREENSHOTS.mkdir(exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


async def serious_issues(page: Page, axe: str) -> list[str]:
    """What the checker finds on the page that is serious or worse."""
    await page.evaluate(axe)
    found = await page.evaluate(
        """async () => (await axe.run(document, {
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        })).violations.map((one) => [one.impact, one.id, one.nodes.map(
            (node) => node.html + ' ' + node.failureSummary).slice(0, 3)])"""
    )
    return [f"{impact} {rule} {nodes}" for impact, rule, nodes in found if impact in SERIOUS]
