"""The limits of what is planned on the page of a plan."""

from __future__ import annotations

import httpx
import pytest

from redrive.domain import Canary, Controls, OperationId
from tests.web.plan_pages import (
    arrived,
    form_of,
    one_plan,
    planned,
    start,
    text_of,
)
from tests.web.support import Console


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
