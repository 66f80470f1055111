"""Plans that cannot be started as they were shown, and what is in their way."""

from __future__ import annotations

import re

import httpx
import pytest

from redrive.web import hash_password
from tests.web.plan_pages import (
    arrived,
    form_of,
    one_plan,
    planned,
    start,
    text_of,
)
from tests.web.support import BROWSER, Console, log_in


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
