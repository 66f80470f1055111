"""An operation's page: what became of each entry, and of the work over time."""

from __future__ import annotations

import html
import re

import httpx

from tests.web.plan_pages import planned, start
from tests.web.support import Console
from tests.web.test_page_actions import start as start_all
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
    place: str = (await start_all(browser)).headers["location"]
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


def buttons_of(page: httpx.Response) -> list[str]:
    """What the page offers to do next."""
    card = page.text.split('id="verdict"')[1].split("</section>")[0]
    return [" ".join(one.split()) for one in re.findall(r'class="button"[^>]*>([^<]+)<', card)]


async def test_what_is_offered_next_counts_what_is_left_and_goes_when_nothing_is(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await judged(console, browser)
    retry, dismiss = "Retry the part that failed again", "Dismiss the poison"
    assert buttons_of(await browser.get(place)) == [f"{retry} (2)", f"{dismiss} (1)"]
    operation_id = place.rsplit("/", 1)[1]
    poison = f"kind=dismiss&failed_again_in={operation_id}&same_failures_min=1"
    sent = await start(browser, await planned(browser, poison))
    await console.run(sent.headers["location"].rsplit("/", 1)[1])
    assert buttons_of(await browser.get(place)) == [f"{retry} (1)"]
    sent = await start(browser, await planned(browser, f"failed_again_in={operation_id}"))
    await console.run(sent.headers["location"].rsplit("/", 1)[1])
    assert buttons_of(await browser.get(place)) == []


async def test_the_recovery_rate_is_drawn_over_time(
    console: Console, browser: httpx.AsyncClient
) -> None:
    page = await browser.get(await judged(console, browser))
    assert re.search(r'class="chart-rate" d="M0 [\d.]+H10', page.text)
    assert re.search(r'aria-label="Recovery rate: \d+% after [^"]+, 33% after [^"]+"', page.text)
