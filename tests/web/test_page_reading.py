"""What the pages show when something is away, and where they lead."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from redrive.errors import LedgerUnavailable
from redrive.web.assets import ADDRESSES, address_of
from tests.support.servers import RedisServer, free_port
from tests.web.support import Console, open_console

BROWSER = {"accept": "text/html"}
PAGES = [
    "/admin/",
    "/admin/?span=24h",
    "/admin/failures",
    "/admin/groups",
    "/admin/apps",
    "/admin/operations",
    "/admin/queues",
    "/admin/audit",
    "/admin/search",
    "/admin/search?q=x",
    "/admin/confirm",
]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_something_to_say_before_anything_has_happened(
    operator: httpx.AsyncClient, path: str
) -> None:
    page = await operator.get(path, headers=BROWSER)
    assert page.status_code == 200
    assert "<h1" in page.text or "<h2" in page.text


@pytest.mark.parametrize("path", PAGES)
async def test_a_script_gets_the_same_content_without_the_frame(
    console: Console, operator: httpx.AsyncClient, path: str
) -> None:
    await console.fail("17")
    part = await operator.get(path, headers={**BROWSER, "x-redrive-part": "main"})
    page = await operator.get(path, headers=BROWSER)
    assert '<link rel="stylesheet"' not in part.text
    assert main_of(part.text) == main_of(page.text)


def main_of(page: str) -> str:
    """The content without what differs from one moment to the next."""
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    assert found is not None
    keys = r'value="[\w-]{22}(?:-grp_\w+)?"'
    return re.sub(rf"{keys}|>[^<]*(?:just now| ago|behind|under 1 s)[^<]*<", "", found[0])


async def test_a_queue_system_that_is_away_is_marked_and_the_rest_is_shown(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    away = {"name": "far", "url": f"redis://127.0.0.1:{free_port()}/0"}
    async with (
        open_console(redis_server, tmp_path, {"sources": [{"name": "default"}, away]}) as console,
        console.operator() as operator,
    ):
        await console.fail("17", queue="mail")
        for path in ("/admin/", "/admin/queues"):
            page = await operator.get(path, headers=BROWSER)
            assert page.status_code == 200
            assert "unreachable" in page.text
            assert ">mail</a>" in page.text
        alone = await operator.get("/admin/queues/other?source=far", headers=BROWSER)
        assert alone.status_code == 503
        assert "Something is away" in alone.text


async def test_a_ledger_that_is_away_has_a_page_that_tries_again(
    console: Console, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise LedgerUnavailable

    monkeypatch.setattr(console.services.overview, "standing", away)
    page = await operator.get("/admin/failures", headers=BROWSER)
    assert page.status_code == 503
    assert page.headers["retry-after"] == "5"
    assert "The ledger cannot be reached" in page.text
    assert "data-reload" in page.text


async def test_the_pages_files_are_kept_by_browsers_for_ever(stranger: httpx.AsyncClient) -> None:
    for address in ADDRESSES:
        answer = await stranger.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await stranger.get(address_of("console.js") + "x")).status_code == 401


async def test_nothing_on_a_page_is_inline(operator: httpx.AsyncClient) -> None:
    for path in (*PAGES, "/admin/login"):
        text = (await operator.get(path, headers=BROWSER)).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


async def test_the_jobs_of_a_queue_are_listed_by_state(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    page = await operator.get("/admin/queues/mail", headers=BROWSER)
    assert f"/admin/entries/{entry_id}" in page.text
    page = await operator.get("/admin/queues/mail?state=waiting", headers=BROWSER)
    assert "No job is waiting" in page.text
    page = await operator.get("/admin/queues/mail?cursor=x", headers=BROWSER)
    assert page.status_code == 422
    page = await operator.get("/admin/queues/none", headers=BROWSER)
    assert page.status_code == 404


async def test_an_entry_that_is_gone_leaves_the_list_in_place(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    page = await operator.get("/admin/failures?entry=ent_gone", headers=BROWSER)
    assert page.status_code == 200
    assert f'data-key="{entry_id}"' in page.text
    assert "There is no entry ent_gone" in page.text


async def test_an_apps_id_that_turns_the_direction_of_text_turns_nothing_around_it(
    console: Console, operator: httpx.AsyncClient
) -> None:
    app_id = "shop\u202egnihton"
    entry_id = await console.fail("17", app_id)
    for path in (
        "/admin/",
        f"/admin/failures?app_id={app_id}",
        f"/admin/entries/{entry_id}",
        "/admin/apps",
        f"/admin/apps/{app_id}",
        f"/admin/confirm?kind=retry&app_id={app_id}",
        "/admin/search?q=shop",
    ):
        main = main_of((await operator.get(path, headers=BROWSER)).text)
        texts = re.findall(r">([^<>]*)<", re.sub(r"<(bdi|option)\b.*?</\1>", "", main))
        assert f"{app_id}</bdi>" in main, path
        assert not [one for one in texts if app_id in one and "&#34;" not in one], path


async def test_a_link_that_asks_before_it_acts_says_so(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    for path in ("/admin/", "/admin/failures", "/admin/apps", "/admin/apps/acme"):
        page = await operator.get(path, headers=BROWSER)
        names = re.findall(r"data-dialog>(.*?)</a>", page.text)
        assert names, path
        assert all(name.endswith('<span class="unseen">, asks first</span>') for name in names)
