"""An operation's page: what became of each entry, and of the work over time."""

from __future__ import annotations

import html
import re

import httpx

from tests.web.support import Console
from tests.web.test_page_actions import start
from tests.web.test_verdict import complete


def rows_of(page: httpx.Response) -> dict[str, str]:
    """What the list says of each job."""
    rows = re.findall(r'<tr data-key="ent_[^>]*>(.*?)</tr>', page.text, re.DOTALL)
    told = [
        [html.unescape(" ".join(re.sub(r"<[^>]*>", " ", cell).split())) for cell in cells]
        for cells in (re.findall(r"<td.*?</td>", row, re.DOTALL) for row in rows)
    ]
    return {cells[1]: cells[-1] for cells in told}


async def judged(console: Console, browser: httpx.AsyncClient) -> str:
    """The page of an operation of which one recovered, and two failed in two ways."""
    for job_id in ("1", "2", "3"):
        await console.fail(job_id)
    place: str = (await start(browser)).headers["location"]
    await console.run(place.rsplit("/", 1)[1])
    await complete(console, "1")
    await console.fail("2")
    await console.fail("3", error="no such mailbox")
    return place


async def test_an_entry_that_failed_again_says_whether_it_did_so_the_same_way(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await judged(console, browser)
    assert rows_of(await browser.get(place)) == {
        "1": "recovered",
        "2": "failed again the same way",
        "3": "failed again differently",
    }


async def test_entries_are_narrowed_to_what_failed_again_the_same_way_or_differently(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await judged(console, browser)
    page = await browser.get(place)
    for said, jobs in (
        ("failed again", {"2", "3"}),
        ("failed again the same way", {"2"}),
        ("failed again differently", {"3"}),
    ):
        (value,) = re.findall(rf'<option value="(\w+)"[^>]*>{said}</option>', page.text)
        narrowed = await browser.get(f"{place}?result={value}")
        assert rows_of(narrowed).keys() == jobs
        assert f'<option value="{value}" selected>' in narrowed.text
