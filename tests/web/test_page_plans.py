"""Choosing entries, the plan page, and the start of what it shows."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import Canary, Controls, OperationId, OperationState
from redrive.ledger.schema import entries, identities
from redrive.web import hash_password
from tests.support.servers import RedisServer
from tests.web.support import Console, log_in, open_console

BROWSER = {"accept": "text/html"}


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with console.operator() as client:
        client.headers.update(BROWSER)
        yield client


def text_of(page: httpx.Response) -> str:
    """What a page says, as a person reads it."""
    return html.unescape(
        re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page.text.replace("</dt>", " ")))
    )


def form_of(page: httpx.Response) -> dict[str, Any]:
    """The fields that the plan's form sends, the start button among them."""
    fields: dict[str, Any] = {}
    form = page.text.split('id="plan"')[1].split("</form>")[0]
    for tag in re.findall(r"<input[^>]*>", form):
        said = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        if said.get("type") == "checkbox" and " checked" not in tag:
            continue
        value = html.unescape(said.get("value", ""))
        if said["name"] == "entry_id":
            fields.setdefault("entry_id", []).append(value)
        else:
            fields[said["name"]] = value
    return {**fields, "act": "start"}


async def planned(browser: httpx.AsyncClient, query: str) -> httpx.Response:
    page = await browser.get(f"/admin/plan?{query}")
    assert page.status_code == 200, page.text
    return page


async def start(browser: httpx.AsyncClient, page: httpx.Response, **fields: Any) -> httpx.Response:
    return await browser.post("/admin/plan", data={**form_of(page), **fields})


async def arrived(browser: httpx.AsyncClient, sent: httpx.Response) -> httpx.Response:
    assert sent.status_code == 303, sent.text
    return await browser.get(sent.headers["location"])


async def test_a_plan_tells_what_it_takes_and_starts_exactly_that(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(f"a{number}")
    await console.fail("b", "globex", queue="sms")
    page = await planned(browser, "kind=retry&app_id=acme&q=refused")
    said = text_of(page)
    for part in ("Retry 3 entries?", "Nothing has moved yet.", "App acme", "Error or id refused"):
        assert part in said, part
    for part in ("Causes 1", "Apps 1", "Queues 1", "All of them", "for 10 min"):
        assert part in said, part
    assert "globex" not in said
    assert (await browser.get("/admin/api/entries?state=failed")).json()["data"]["items"]
    await console.fail("a3")
    sent = await start(browser, page, reason="the provider is back")
    shown = text_of(await arrived(browser, sent))
    assert "Retry of a selection in app acme" in shown
    assert "Started: 3 entries of a selection in app acme" in shown
    assert "Error or id refused" in shown
    operation_id = sent.headers["location"].rsplit("/", 1)[1]
    assert await console.run(operation_id) is OperationState.COMPLETED
    done = (await browser.get(f"/admin/api/operations/{operation_id}")).json()["data"]
    assert (done["succeeded"], done["total"], done["reason"]) == (3, 3, "the provider is back")
    rows = await console.audit_rows()
    assert ("admin", "retry.start", "started") in rows


async def test_the_operation_leads_to_the_list_with_its_filter(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("a")
    page = await planned(
        browser, "app_id=acme&name=send&q=refused&attempts_min=1&start=2025-01-01T00:00"
    )
    operation = await arrived(browser, await start(browser, page))
    found = re.search(r'href="([^"]*)">All entries that fit this<', operation.text)
    assert found is not None
    query = parse_qs(urlsplit(html.unescape(found[1])).query)
    assert {name: query[name] for name in ("app_id", "name", "q", "attempts_min", "state")} == {
        "app_id": ["acme"],
        "name": ["send"],
        "q": ["refused"],
        "attempts_min": ["1"],
        "state": ["any"],
    }
    assert (await browser.get(html.unescape(found[1]))).status_code == 200
    listed = text_of(await browser.get("/admin/operations"))
    assert "Retry of a selection in app acme App: acme" in listed


async def test_rows_are_chosen_and_planned_without_an_address(
    console: Console, browser: httpx.AsyncClient
) -> None:
    ids = [await console.fail(str(number)) for number in range(4)]
    form = {"rows": "true", "kind": "retry", "entry_id": ids[:2], "back": "/admin/failures"}
    page = await browser.post("/admin/plan", data=form)
    assert page.status_code == 200
    assert "Retry 2 entries?" in text_of(page)
    assert "Chosen by hand 2 entries" in text_of(page)
    sent = await start(browser, page)
    shown = text_of(await arrived(browser, sent))
    assert "Retry of 2 entries chosen by hand" in shown
    assert "Started: 2 entries chosen by hand." in shown
    assert "All entries that fit this" not in shown


async def test_the_whole_page_and_all_that_fit_are_chosen_without_a_script(
    console: Console, browser: httpx.AsyncClient
) -> None:
    ids = [await console.fail(str(number)) for number in range(3)]
    page = await browser.get("/admin/failures?q=refused")
    assert "All 3 that fit" in text_of(page)
    assert page.text.count("data-pick>") == 3
    form = {"rows": "true", "kind": "dismiss", "page": "true", "page_ids": " ".join(ids)}
    assert "Dismiss 3 entries?" in text_of(await browser.post("/admin/plan", data=form))
    form = {"rows": "true", "all": "true", "kind": "dismiss", "q": "refused", "back": "/admin/"}
    sent = await browser.post("/admin/plan", data=form)
    assert sent.headers["location"] == "/admin/plan?kind=dismiss&q=refused"
    assert "Dismiss 3 entries?" in text_of(await arrived(browser, sent))


async def test_choosing_nothing_plans_nothing(console: Console, browser: httpx.AsyncClient) -> None:
    await console.fail("1")
    form = {"rows": "true", "kind": "retry", "q": "refused", "back": "/admin/failures?q=refused"}
    sent = await browser.post("/admin/plan", data=form)
    assert sent.headers["location"] == "/admin/failures?q=refused"
    assert "Nothing was chosen" in text_of(await arrived(browser, sent))


async def test_a_plan_of_checked_rows_leads_back_to_the_list_when_it_is_loaded_anew(
    browser: httpx.AsyncClient,
) -> None:
    sent = await browser.get("/admin/plan")
    assert sent.headers["location"] == "/admin/failures"
    assert "check them again" in text_of(await arrived(browser, sent))


async def test_an_operation_that_waits_for_approval_says_so(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = {"approval_over": 1}
    async with open_console(redis_server, tmp_path, settings) as console, console.operator() as one:
        one.headers.update(BROWSER)
        await console.fail("1")
        await console.fail("2")
        shown = await arrived(one, await start(one, await planned(one, "app_id=acme")))
        said = text_of(shown)
        assert "Started: 2 entries of app acme. It is paused:" in said
        assert "Paused by approval:" in said
        listed = await one.get("/admin/operations?state=paused")
        assert "Retry of app acme" in text_of(listed)


async def test_an_empty_filter_is_refused_and_says_what_there_is(
    browser: httpx.AsyncClient,
) -> None:
    page = await browser.get("/admin/plan?kind=retry")
    assert page.status_code == 422
    for part in ("App, Source, Queue", "Put back, at most", "Retry everything, on the overview"):
        assert part in text_of(page)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "Colour"),
        ("app_id=acme&attempts_min=3&attempts_max=1", "Attempts, at most"),
        ("kind=erase&app_id=acme", "Kind"),
        ("start=2026-01-02T00:00&end=2026-01-01T00:00", "Failed before"),
    ],
)
async def test_a_plan_that_does_not_fit_names_the_field(
    browser: httpx.AsyncClient, query: str, field: str
) -> None:
    page = await browser.get(f"/admin/plan?{query}")
    assert page.status_code == 422
    assert field in text_of(page)


async def test_a_large_plan_asks_for_its_number_and_keeps_the_reason(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail_many(1001)
    page = await planned(browser, "app_id=acme")
    assert "Type 1,001 to go on" in text_of(page)
    sent = await start(browser, page, typed="1000", reason="fixed")
    again = await arrived(browser, sent)
    assert text_of(again).count("That is not 1,001. Nothing was started.") == 1
    assert form_of(again)["reason"] == "fixed"
    assert (await browser.get("/admin/api/operations")).json()["data"]["items"] == []
    sent = await start(browser, again, typed="1,001")
    assert sent.headers["location"].startswith("/admin/operations/op_")


async def test_a_large_plan_proposes_a_canary_that_can_be_changed(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail_many(1001)
    page = await planned(browser, "app_id=acme")
    limits = "a canary of 20 (80% within 5 min), a guard at 50% of the last 100 outcomes"
    assert f"Limits {limits}" in text_of(page)
    assert f"Proposed for so many entries: {limits}." in text_of(page)
    form = form_of(page)
    assert (form["canary_entries"], form["canary_percent"]) == ("20", "80")
    assert form["guard_percent"] == "50"
    changed = {"canary_entries": "5", "rate": "100", "guard_percent": "", "low_priority": "on"}
    sent = await start(browser, page, typed="1001", act="plan", **changed)
    again = await arrived(browser, sent)
    assert (
        "Limits 100 entries a second, a canary of 5 (80% within 5 min), behind live traffic"
        in text_of(again)
    )
    assert "at 100 a second" in text_of(again)
    sent = await start(browser, again, typed="1001")
    operation_id = sent.headers["location"].rsplit("/", 1)[1]
    controls = (await browser.get(f"/admin/api/operations/{operation_id}")).json()["data"][
        "controls"
    ]
    assert (controls["rate"], controls["canary"]["entries"]) == (100, 5)
    assert (controls["guard"], controls["low_priority"]) == (None, True)


async def test_a_small_plan_goes_as_fast_as_it_can_unless_told_otherwise(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    page = await planned(browser, "app_id=acme")
    assert "Limits no limits" in text_of(page)
    assert 'data-key="limits" open' not in page.text
    dismissal = text_of(await planned(browser, "kind=dismiss&app_id=acme"))
    assert "Pace" not in dismissal
    assert "Limits" not in dismissal


@pytest.mark.parametrize("act", ["start", "plan"])
@pytest.mark.parametrize("by_hand", [False, True], ids=["a filter", "by hand"])
async def test_limits_that_do_not_fit_are_said_beside_their_fields_with_what_was_typed(
    console: Console, browser: httpx.AsyncClient, by_hand: bool, act: str
) -> None:
    page = await one_plan(console, browser, by_hand)
    typed = {"rate": "fast", "canary_entries": "20", "canary_percent": "", "low_priority": "on"}
    sent = await start(browser, page, act=act, reason="fixed", **typed)
    again = sent if by_hand else await arrived(browser, sent)
    for name, problem in (
        ("rate", "Rate must be a number, such as 50 or 0.5"),
        ("canary_percent", "Goes on when is needed with this"),
    ):
        assert f'<span class="wrong" id="{name}-wrong">{problem}</span>' in again.text
        assert f'aria-describedby="{name}-wrong"' in again.text
    said = text_of(again)
    assert said.count("The limits do not fit. Nothing was started.") == 1
    assert 'class="flash' not in again.text
    assert "Limits do not fit" in said
    form = form_of(again)
    assert {name: form[name] for name in typed} == typed
    assert form["reason"] == "fixed"
    assert (await browser.get("/admin/api/operations")).json()["data"]["items"] == []
    sent = await start(browser, again, rate="1,500", canary_percent="90")
    operation_id = OperationId(sent.headers["location"].rsplit("/", 1)[1])
    started = await console.services.overview.operation(operation_id)
    assert started.controls == Controls(
        rate=1500, canary=Canary(entries=20, percent=90), low_priority=True
    )


async def test_an_address_carries_the_limits_that_were_chosen(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail_many(1001)
    page = await planned(browser, "app_id=acme")
    none = {"canary_entries": "", "guard_percent": ""}
    sent = await start(browser, page, act="plan", **none)
    assert "paced=true" in sent.headers["location"]
    again = await arrived(browser, sent)
    assert "Limits no limits" in text_of(again)
    assert {name: form_of(again)[name] for name in none} == none


async def test_entries_that_keep_failing_are_left_out_until_they_are_included(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    stuck = await console.fail("2")
    await failing_the_same_way(console, stuck)
    page = await planned(browser, "app_id=acme")
    assert "Retry 1 entry?" in text_of(page)
    assert "1 failed the same way three times or more after they were put back" in text_of(page)
    sent = await start(browser, page, act="plan", include_repeated="true", reason="kept")
    again = await arrived(browser, sent)
    assert "Retry 2 entries?" in text_of(again)
    assert form_of(again)["reason"] == "kept"
    by_hand = {"rows": "true", "kind": "retry", "entry_id": [stuck]}
    page = await browser.post("/admin/plan", data=by_hand)
    assert "Retry 0 entries?" in text_of(page)
    page = await browser.post("/admin/plan", data={**by_hand, "include_repeated": "true"})
    assert "Retry 1 entry?" in text_of(page)
    assert form_of(page)["include_repeated"] == "true"


async def test_what_was_chosen_and_cannot_be_taken_is_named(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id, other = await console.fail("1"), await console.fail("2")
    await browser.post(f"/admin/entries/{entry_id}/dismiss", data={"app_id": "acme"})
    form = {"rows": "true", "kind": "retry", "entry_id": [entry_id, other, "ent_gone"]}
    said = text_of(await browser.post("/admin/plan", data=form))
    assert "Retry 1 entry?" in said
    assert "1 are dismissed" in said
    assert "1 are not known (any more)" in said


@pytest.mark.parametrize("by_hand", [False, True], ids=["a filter", "by hand"])
async def test_an_expired_plan_is_made_anew_and_nothing_is_lost(
    console: Console, browser: httpx.AsyncClient, by_hand: bool
) -> None:
    page = await one_plan(console, browser, by_hand)
    sent = await start(browser, page, token="plan_forgotten", reason="fixed")
    again = sent if by_hand else await arrived(browser, sent)
    assert "Nothing was started: the plan had expired." in text_of(again)
    form = form_of(again)
    assert form["reason"] == "fixed"
    assert form["token"] not in ("", form_of(page)["token"])
    sent = await start(browser, again)
    assert sent.headers["location"].startswith("/admin/operations/op_")


async def test_a_second_click_and_a_used_plan_lead_to_what_was_started(
    console: Console, browser: httpx.AsyncClient
) -> None:
    page = await one_plan(console, browser, by_hand=False)
    first, second = await start(browser, page), await start(browser, page)
    assert first.headers["location"] == second.headers["location"]
    other = await start(browser, page, key="another")
    assert other.headers["location"] == first.headers["location"]
    said = text_of(await arrived(browser, other))
    assert "this is what the plan has started already" in said


async def test_another_users_plan_is_made_anew_as_ones_own(
    console: Console, browser: httpx.AsyncClient
) -> None:
    page = await one_plan(console, browser, by_hand=False)
    await console.services.accounts.put_user("bob", hash_password("another password"))
    async with console.stranger() as bob:
        (await log_in(bob, "bob", "another password")).raise_for_status()
        bob.headers.update(BROWSER)
        again = await arrived(bob, await start(bob, page))
        assert "another user made that plan" in text_of(again)
        sent = await start(bob, again)
        assert sent.headers["location"].startswith("/admin/operations/op_")


@pytest.mark.parametrize("by_hand", [False, True], ids=["a filter", "by hand"])
async def test_an_overlap_names_who_and_what_and_leads_there(
    console: Console, browser: httpx.AsyncClient, by_hand: bool
) -> None:
    page = await one_plan(console, browser, by_hand)
    running = (await browser.post("/admin/api/retry/app/acme")).json()["data"]["operation_id"]
    sent = await start(browser, page, reason="mine")
    again = sent if by_hand else await arrived(browser, sent)
    said = text_of(again)
    assert "Nothing new was started: your retry of app acme, started just now" in said
    assert f'href="/admin/operations/{running}"' in again.text
    assert form_of(again)["reason"] == "mine"
    assert re.search(r'value="start"[^>]* disabled', again.text)
    await browser.post(f"/admin/api/retry/cancel/{running}")
    sent = await start(browser, again)
    assert sent.headers["location"].startswith("/admin/operations/op_")


async def test_a_selection_over_some_apps_is_in_the_way_of_just_these(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for job_id, app_id in (("1", "acme"), ("2", "globex"), ("3", "initech")):
        await console.fail(job_id, app_id, queue="sms" if app_id == "initech" else "mail")
    await start(browser, await planned(browser, "queue=mail"))
    for app_id, is_met in (("acme", True), ("globex", True), ("initech", False)):
        page = text_of(await browser.get(f"/admin/apps/{app_id}"))
        assert ("Running: Retry of a selection" in page) == is_met, app_id


async def test_a_bulk_button_knows_the_selection_that_is_running(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    await console.fail("2", "globex")
    page = await planned(browser, "q=refused&queue=mail&app_id=acme")
    await start(browser, page)
    assert "Running: Retry of a selection in app acme" in text_of(
        await browser.get("/admin/apps/acme")
    )
    assert "Running:" not in text_of(await browser.get("/admin/apps/globex"))
    assert "Running:" in text_of(await browser.get("/admin/failures"))


async def test_many_are_dismissed_and_the_operation_says_so(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for number in range(3):
        await console.fail(str(number))
    page = await planned(browser, "kind=dismiss&app_id=acme")
    sent = await start(browser, page, reason="test data")
    operation_id = sent.headers["location"].rsplit("/", 1)[1]
    assert await console.run(operation_id) is OperationState.COMPLETED
    shown = await browser.get(sent.headers["location"])
    said = text_of(shown)
    for part in ("Dismissal of app acme finished, dismissed", "3 dismissed.", "100%"):
        assert part in said, part
    assert "What became of the dismissed entries" in said
    assert '<div data-key="dismissed">' in shown.text
    assert "moved" not in re.sub(r".*<main", "", said).split("Facts")[0].split("Scope")[0].lower()
    found = re.search(r'href="([^"]*)">Dismissed entries<', shown.text)
    assert found is not None
    listed = text_of(await browser.get(html.unescape(found[1])))
    assert "Entries 3" in listed
    assert "Retry…" not in listed
    assert "dismissed 3" in text_of(await browser.get("/admin/operations"))


async def test_one_entry_is_dismissed_after_a_question_and_restored(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    page = await browser.get(f"/admin/entries/{entry_id}")
    assert f'href="/admin/entries/{entry_id}/dismiss' in page.text
    question = text_of(await browser.get(f"/admin/entries/{entry_id}/dismiss"))
    assert "Dismiss send 17?" in question
    form: Mapping[str, str] = {"app_id": "acme", "reason": "known", "back": "/admin/failures"}
    sent = await browser.post(f"/admin/entries/{entry_id}/dismiss", data=form)
    assert sent.headers["location"] == "/admin/failures"
    assert "its entry is dismissed" in text_of(await arrived(browser, sent))
    assert "Only a failed entry can be dismissed." in text_of(
        await browser.get(f"/admin/entries/{entry_id}/dismiss")
    )
    page = await browser.get(f"/admin/entries/{entry_id}")
    assert "dismissed by admin: known" in text_of(page)
    assert f'action="/admin/entries/{entry_id}/restore"' in page.text
    form = {"app_id": "acme"}
    sent = await browser.post(f"/admin/entries/{entry_id}/restore", data=form)
    assert "The entry of job 17 is failed again." in text_of(await arrived(browser, sent))
    trail = text_of(await browser.get("/admin/audit?action=restore"))
    assert "restored state dismissed → failed" in trail
    assert "stopped by an error" not in trail
    sent = await browser.post(f"/admin/entries/{entry_id}/restore", data=form)
    assert "Nothing was changed." in text_of(await arrived(browser, sent))


async def test_a_list_narrows_by_attempts_hand_overs_group_and_times(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    group = (await browser.get("/admin/api/entries")).json()["data"]["items"][0]["group_id"]
    for query, found in (
        ("attempts_min=1&attempts_max=1", 1),
        ("attempts_min=2", 0),
        ("retried_max=0", 1),
        ("retried_min=1", 0),
        ("same_failures_min=1", 0),
        (f"group_id={group}", 1),
        ("group_id=grp_1_none", 0),
        ("source=default", 1),
        ("start=2025-01-01T00:00&end=2030-01-01T00:00", 1),
        ("end=2025-01-01T00:00", 0),
    ):
        page = await browser.get(f"/admin/failures?{query}")
        entries = "1 entry fits" if found else "0 entries fit"
        assert entries in text_of(page), query
        assert re.search(r'<details class="more-filters"[^>]* open', page.text), query


async def test_more_filters_show_what_the_address_says(browser: httpx.AsyncClient) -> None:
    page = await browser.get(
        "/admin/failures?start=2026-01-05T10:00:00%2B02:00&end=2026-01-06T10:00&attempts_min=0"
    )
    assert 'name="start" value="2026-01-05T08:00"' in page.text
    assert 'name="end" value="2026-01-06T10:00"' in page.text
    assert re.search(r'name="attempts_min"[^>]* value="0"', page.text)
    plain = await browser.get("/admin/failures")
    assert not re.search(r'<details class="more-filters"[^>]* open', plain.text)


async def one_plan(console: Console, browser: httpx.AsyncClient, by_hand: bool) -> httpx.Response:
    entry_id = await console.fail("1")
    if not by_hand:
        return await planned(browser, "q=refused")
    form = {"rows": "true", "kind": "retry", "entry_id": [entry_id]}
    return await browser.post("/admin/plan", data=form)


async def failing_the_same_way(console: Console, entry_id: str) -> None:
    """As if the entry had been put back three times and failed as before each time."""

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(
            update(entries)
            .where(
                entries.c.id.in_(
                    select(identities.c.entry_pk).where(identities.c.entry_id == entry_id)
                )
            )
            .values(same_failures=3)
        )

    await console.services.database.write(work)
