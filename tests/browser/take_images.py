"""Takes the README's pictures of the console, from the demo as it fails and recovers.

``make screenshots`` runs this. It takes about four minutes: the demo has to fail for a while.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.support import CHROMIUM_FLAGS, chromium
from tests.support.console import PASSWORD, ConsoleProcess
from tests.support.waiting import until

IMAGES = Path(__file__).parents[2] / "docs" / "images"
COLOURS = 160
FAILURES = 4000
PATIENCE_SECONDS = 600


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo = ConsoleProcess(Path(folder) / "demo", command="demo")
        try:
            demo.start("--rate", "25", "--heal-after", "86400")
            demo.log_in()
            until(lambda: failed(demo) >= FAILURES, "the demo fails", PATIENCE_SECONDS)
            take_all(demo)
        finally:
            demo.stop()
            demo.close()


def failed(demo: ConsoleProcess) -> int:
    count: int = demo.get("/overview")["failed"]
    return count


def take_all(demo: ConsoleProcess) -> None:
    """One app is put back and recovers, then everything is on its way."""
    entry = demo.get("/entries", app_id="umbrella", limit=1)["items"][0]["entry_id"]
    demo.run("demo", "heal", "--data-dir", str(demo.data_dir))
    put_back(demo, "/retry/app/hooli")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        base = f"http://127.0.0.1:{demo.port}"
        page = browser.new_page(viewport={"width": 1280, "height": 800}, base_url=base)
        log_in(page)
        save(page, "overview")
        page.emulate_media(color_scheme="dark")
        page.goto(f"/admin/failures?entry={entry}")
        save(page, "entry")
        page.emulate_media(color_scheme="light")
        page.goto(f"/admin/operations/{put_back(demo, '/retry/all')}")
        save(page, "operation")
        browser.close()


def put_back(demo: ConsoleProcess, route: str) -> str:
    """Start a retry; returns when half of its entries have recovered."""
    started = demo.post(route, {"reason": "the receiver is back"}).json()["data"]
    operation_id: str = started["operation_id"]

    def half() -> bool:
        recovered: int = demo.get(f"/operations/{operation_id}")["recovered"]
        return bool(recovered * 2 >= started["total"])

    until(half, "half of the entries recover", PATIENCE_SECONDS)
    return operation_id


def log_in(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("html.scripted").wait_for()


def save(page: Page, name: str) -> None:
    """Few colours keep the files small; the console does not use many."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    IMAGES.mkdir(exist_ok=True)
    reduced = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    reduced.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
