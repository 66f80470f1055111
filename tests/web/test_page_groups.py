"""Groups on the pages: what fails, one group with its note, its entries, and where it leads."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import EntryId, GroupId
from redrive.ledger.schema_triage import groups
from tests.support.factories import failure
from tests.web.support import BROWSER, Console
from tests.web.test_page_filters import text_of
from tests.web.test_page_reading import main_of


async def fail(
    console: Console, job_id: str, message: str, at: datetime, app: str = "acme", **values: Any
) -> GroupId:
    """A failure that happened then; returns its group's id."""
    found = failure(job_id, app, error_message=message, stacktrace="", failed_at=at, **values)
    await console.services.following.record_failures("default", "mail", [found], None)
    entry = (await console.services.overview.entry(found.entry_id)).entry
    assert entry.group_id is not None
    return entry.group_id


async def put_back(console: Console, client: httpx.AsyncClient, job_id: str) -> str:
    """A job that failed and is waiting again; returns its group's id."""
    entry_id = await console.fail(job_id)
    body = {"app_id": "acme", "entry_id": entry_id}
    (await client.post("/admin/api/retry", json=body)).raise_for_status()
    answer = await client.get(f"/admin/api/entries/{entry_id}")
    group_id: str = answer.json()["data"]["group_id"]
    return group_id


async def take_over(console: Console, old: str, heir: str) -> None:
    """One group is the other's from now on, as it is under a newer fingerprint."""

    async def work(connection: AsyncConnection) -> None:
        own = select(groups.c.group_pk).where(groups.c.group_id == heir).scalar_subquery()
        await connection.execute(
            update(groups).where(groups.c.group_id == old).values(merged_into=own)
        )

    await console.services.database.write(work)


async def section_of(client: httpx.AsyncClient, path: str, name: str) -> str:
    """What stands in the section that is labelled by ``name``."""
    page = await client.get(path, headers=BROWSER)
    found = re.search(rf'<section [^>]*labelledby="{name}".*?</section>', page.text, re.DOTALL)
    assert found is not None, page.text
    return found[0]


async def test_the_overview_ranks_groups_and_leads_to_each(
    console: Console, operator: httpx.AsyncClient
) -> None:
    now = console.clock.now()
    few = await fail(console, "1", "the disk is full", now - timedelta(hours=30))
    for number, app in enumerate(("acme", "acme", "globex")):
        many = await fail(console, f"m{number}", "no such table", now, app)
    card = await section_of(operator, "/admin/", "groups-title")
    assert re.findall(r'href="/admin/groups/([^"]+)"', card) == [many, few]
    first, second = re.findall(r"<li.*?</li>", card, re.DOTALL)
    assert ">new</span>" in first
    assert ">still happening</span>" in first
    assert "2 apps" in first
    assert 'aria-label="3 failures in 24 hours"' in first
    assert "new</span>" not in second
    assert "still happening" not in second
    assert "1 app " in second
    assert 'aria-label="0 failures in 24 hours"' in second


async def test_the_overview_says_how_many_groups_there_are_beyond_those_it_shows(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(8):
        await fail(
            console, str(number), "x", console.clock.now(), error_type=f"E{chr(65 + number)}"
        )
    card = await section_of(operator, "/admin/", "groups-title")
    assert card.count("<li") == 6
    assert "All 8 groups" in card
    nav = (await operator.get("/admin/apps", headers=BROWSER)).text
    assert re.search(r'href="/admin/groups".*?<span class="whole">8</span>', nav, re.DOTALL)


async def test_groups_are_listed_and_filtered_and_quiet_ones_on_request(
    console: Console, operator: httpx.AsyncClient
) -> None:
    now = console.clock.now()
    disk = await fail(console, "1", "the disk is full", now)
    table = await fail(console, "2", "no such table", now, "globex", queue="bills")
    quiet = await put_back(console, operator, "3")

    async def listed(query: str) -> set[str]:
        page = await operator.get(f"/admin/groups?{query}", headers=BROWSER)
        assert page.status_code == 200
        return set(re.findall(r'<tr data-key="([^"]+)"', page.text))

    assert await listed("") == {disk, table}
    assert await listed("quiet=true") == {disk, table, quiet}
    assert await listed("app_id=globex&queue=&q=&quiet=") == {table}
    assert await listed("queue=bills") == {table}
    assert await listed("q=DISK") == {disk}
    assert "No group fits this filter" in await text_of(operator, "/admin/groups?q=nothing")
    assert "Which" in await text_of(operator, "/admin/groups")


async def test_before_any_failure_the_list_of_groups_has_something_to_say(
    operator: httpx.AsyncClient,
) -> None:
    assert "Nothing is failed" in await text_of(operator, "/admin/groups")
    assert "No group yet" in await text_of(operator, "/admin/groups?quiet=true")
    assert "does not fit" in await text_of(operator, "/admin/groups?quiet=perhaps", 422)
    assert "The cursor x" in await text_of(operator, "/admin/groups?cursor=x", 422)


async def test_groups_have_pages(
    console: Console, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redrive.web.pages.groups.PAGE", 2)
    expected = {
        await fail(console, str(at), "x", console.clock.now(), error_type=f"E{chr(65 + at)}")
        for at in range(5)
    }
    found: list[str] = []
    path: str | None = "/admin/groups?quiet=true"
    while path is not None:
        page = (await operator.get(path, headers=BROWSER)).text
        found += re.findall(r'<tr data-key="([^"]+)"', page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = html.unescape(following[1]) if following else None
        assert path is None or "quiet=true" in path
    assert (len(found), set(found)) == (5, expected)


async def test_a_group_tells_what_it_is_and_leads_to_its_entries_and_plans(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17", app_id="acme")
    await console.fail("18", app_id="globex & co")
    entry = (await console.services.overview.entry(EntryId(entry_id))).entry
    place = f"/admin/groups/{entry.group_id}"
    said = await text_of(operator, place)
    for fact in ("Error connection refused", "2 entries", "mail", "send", "their own stack frames"):
        assert fact in said, fact
    page = html.unescape((await operator.get(place, headers=BROWSER)).text)
    for kind in ("retry", "dismiss"):
        assert f'href="/admin/plan?kind={kind}&group_id={entry.group_id}"' in page
    assert f'href="/admin/failures?group_id={entry.group_id}"' in page
    assert f'href="/admin/failures?group_id={entry.group_id}&app_id=globex+%26+co"' in page
    assert f'href="/admin/entries/{entry_id}"' not in page  # the newest one is the example
    assert f'<tr data-key="{entry_id}"' in page
    assert "send" in await section_of(operator, place, "shared-title")
    listed = await text_of(operator, f"/admin/failures?group_id={entry.group_id}")
    assert "2 entries fit" in listed
    assert "Group connection refused" in listed
    assert "1 entry fits" in await text_of(
        operator, f"/admin/failures?group_id={entry.group_id}&app_id=acme"
    )
    assert "No group grp_1_x is known" in await text_of(
        operator, "/admin/failures?group_id=grp_1_x"
    )


async def test_a_group_whose_entries_are_all_over_cannot_be_retried(
    console: Console, operator: httpx.AsyncClient
) -> None:
    group_id = await put_back(console, operator, "1")
    page = (await operator.get(f"/admin/groups/{group_id}", headers=BROWSER)).text
    assert "/admin/plan" not in page
    assert "No entry of this group is failed now." in page


async def test_an_unknown_group_is_not_there_and_a_taken_over_one_shows_its_heir(
    console: Console, operator: httpx.AsyncClient
) -> None:
    assert "There is nothing here" in await text_of(operator, "/admin/groups/grp_1_none", 404)
    now = console.clock.now()
    old = await fail(console, "1", "the disk is full", now)
    heir = await fail(console, "2", "no such table", now)
    await take_over(console, old, heir)
    said = await text_of(operator, f"/admin/groups/{old}")
    assert "no such table" in said
    assert f"This group took over {old}" in said


async def test_a_note_is_written_shown_audited_and_taken_back(
    console: Console, operator: httpx.AsyncClient
) -> None:
    group_id = await fail(console, "1", "the disk is full", console.clock.now())
    place = f"/admin/groups/{group_id}"
    assert "<textarea" not in (await operator.get(place, headers=BROWSER)).text
    form = (await operator.get(f"{place}?edit=note", headers=BROWSER)).text
    assert f'action="{place}/note"' in form
    sent = await operator.post(f"{place}/note", data={"note": "ask <ada>\r\nshe knows "})
    assert (sent.status_code, sent.headers["location"]) == (303, place)
    page = (await operator.get(place, headers=BROWSER)).text
    assert "The note was saved." in page
    assert "ask &lt;ada&gt;\nshe knows</p>" in page
    assert re.search(r"admin, <time", await section_of(operator, place, "note-title"))
    assert "ask <ada>" in await text_of(operator, "/admin/groups?q=ask")
    await operator.post(f"{place}/note", data={"note": ""})
    page = (await operator.get(place, headers=BROWSER)).text
    assert "The note was taken back." in page
    assert "None yet" in page
    rows = [row for row in await console.audit_rows() if row[1] == "group.note"]
    assert len(rows) == 2
    assert "group.note" in await text_of(operator, "/admin/audit?action=group.note")


async def test_a_note_that_does_not_fit_changes_nothing(
    console: Console, operator: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    group_id = await fail(console, "1", "the disk is full", console.clock.now())
    place = f"/admin/groups/{group_id}/note"
    for data in ({"note": "x" * 2001}, {"note": "\x00"}, {"other": "x"}):
        answer = await operator.post(place, data=data, headers=BROWSER)
        assert answer.status_code == 422
    assert (await operator.post(place, data={"note": "\r\n" * 1900 + "x"})).status_code == 303
    assert (await operator.post("/admin/groups/grp_1_x/note", data={})).status_code == 404
    assert (await stranger.post(place, data={"note": "x"})).status_code == 401
    group = (await console.services.overview.group(group_id)).group
    assert group.note == "x"


async def test_an_entry_shows_its_group_and_how_often_it_failed_the_same_way(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    retry = {"app_id": "acme", "entry_id": entry_id, "reason": "it is <back>"}
    place = f"/admin/entries/{entry_id}"
    assert "the same way" not in await text_of(operator, place)
    for _ in range(2):
        (await operator.post("/admin/api/retry", json=retry)).raise_for_status()
        await console.fail("17")
    entry = (await operator.get(f"/admin/api/entries/{entry_id}")).json()["data"]
    assert entry["same_failures"] == 2
    page = (await operator.get(place, headers=BROWSER)).text
    assert f'href="/admin/groups/{entry["group_id"]}"' in page
    for path in (place, f"/admin/failures?entry={entry_id}"):
        said = await text_of(operator, path)
        assert "failed the same way 2 times in a row" in said
        assert said.count("Failed again the same way") == 2
        assert said.count("Retried by admin") == 2
        assert "it is <back>" in said


async def test_a_long_story_says_that_there_is_more(
    console: Console, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redrive.ledger.reading._CHAPTERS", 1)
    entry_id = await console.fail("17")
    retry = {"app_id": "acme", "entry_id": entry_id}
    for _ in range(2):
        (await operator.post("/admin/api/retry", json=retry)).raise_for_status()
        await console.fail("17")
    said = await text_of(operator, f"/admin/entries/{entry_id}")
    assert "Only the newest 1 operations" in said


async def test_the_search_finds_groups_and_an_id_leads_straight_there(
    console: Console, operator: httpx.AsyncClient
) -> None:
    group_id = await fail(console, "1", "the disk is full", console.clock.now())
    found = await operator.get("/admin/search", params={"q": "disk"}, headers=BROWSER)
    assert f'href="/admin/groups/{group_id}"' in found.text
    offered = await operator.get("/admin/search/suggestions", params={"q": "disk"}, headers=BROWSER)
    assert f'data-href="/admin/groups/{group_id}"' in offered.text
    sent = await operator.get("/admin/search", params={"q": group_id}, headers=BROWSER)
    assert (sent.status_code, sent.headers["location"]) == (303, f"/admin/groups/{group_id}")


async def test_a_script_gets_the_pages_of_groups_without_the_frame(
    console: Console, operator: httpx.AsyncClient
) -> None:
    group_id = await fail(console, "1", "the disk is full", console.clock.now())
    for path in (
        "/admin/groups",
        f"/admin/groups/{group_id}",
        f"/admin/groups/{group_id}?edit=note",
    ):
        part = await operator.get(path, headers={**BROWSER, "x-redrive-part": "main"})
        page = await operator.get(path, headers=BROWSER)
        assert '<link rel="stylesheet"' not in part.text
        assert main_of(part.text) == main_of(page.text)
        assert not re.search(r"<style|\sstyle=|\son\w+=", page.text)
