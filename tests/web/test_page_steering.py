"""An operation's page: why it is paused and by whom, its pace, what can be asked of it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest

from redrive.domain import (
    Actor,
    Canary,
    CanaryState,
    Controls,
    Guard,
    Limit,
    Operation,
    OperationId,
    Pace,
    progress_of,
)
from tests.support.servers import RedisServer
from tests.web.support import BROWSER, PASSWORD_HASH, Console, log_in, open_console
from tests.web.test_page_actions import said, start
from tests.web.test_verdict import complete

ANOTHER = Actor(name="grace", origin="192.0.2.9")
FIGURES = "canary: 0 of 20 recovered, 20 failed again, 0 without an outcome"


def text_of(page: httpx.Response, part: str = "main") -> str:
    """What a part of the page, named by its id, says to who reads it."""
    found = re.search(rf'<(\w+)[^>]* id="{part}".*?</\1>', page.text, re.DOTALL)
    assert found is not None, page.text
    words = html.unescape(re.sub(r"<[^>]*>", " ", found[0]))
    return re.sub(r"\s+([,.;:])", r"\1", re.sub(r"\s+", " ", words)).strip()


async def started(console: Console, browser: httpx.AsyncClient, **fields: object) -> str:
    """The page of an operation over two entries."""
    for job_id in ("1", "2"):
        await console.fail(job_id)
    place: str = (await start(browser, **fields)).headers["location"]
    return place


async def taken_over(console: Console, place: str) -> Operation:
    """The operation in a runner's hands."""
    running = await console.services.operations.take_over(id_of(place))
    assert running is not None
    return running


def id_of(place: str) -> OperationId:
    return OperationId(place.rsplit("/", 1)[1])


async def operation_at(console: Console, place: str) -> Operation:
    return await console.services.overview.operation(id_of(place))


async def test_a_pause_by_hand_says_who_and_why_and_is_taken_back(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser)
    sent = await browser.post(f"{place}/pause", data={"reason": "the provider <is> slow"})
    assert sent.headers["location"] == place
    assert await said(browser, sent) == "The operation is paused."
    page = await browser.get(place)
    banner = text_of(page, "paused")
    assert "Paused by you" in banner
    assert "The provider <is> slow" in banner
    assert "2 entries are left as they were" in banner
    assert page.text.count("he provider &lt;is&gt; slow") == 1
    assert "<title>Paused 0% · " in page.text
    assert "icon-paused.svg" in page.text
    assert 'id="pause"' not in page.text
    again = await browser.post(f"{place}/resume", data={})
    assert await said(browser, again) == "The operation goes on; 2 of 2 are left."
    assert 'id="paused"' not in (await browser.get(place)).text
    refused = await browser.post(f"{place}/resume", data={})
    assert "is queued and not paused" in await said(browser, refused)


async def test_a_running_one_is_paused_when_nothing_is_in_hand(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser)
    running = await taken_over(console, place)
    await console.services.operations.claim(running, 1)
    sent = await browser.post(f"{place}/pause", data={})
    assert "is being paused" in await said(browser, sent)
    page = await browser.get(place)
    assert "Being paused by you" in text_of(page, "paused")
    assert "what is in hand ( 1 ) is finished first" in text_of(page, "paused")
    assert 'id="resume"' in page.text


@pytest.mark.parametrize(
    ("by", "reason", "words"),
    [
        (
            "canary",
            FIGURES,
            "Paused by the canary 0 of 20 recovered, 20 failed again, 0 without an outcome",
        ),
        (
            "guard",
            "guard: 12 of the last 20 outcomes failed again, more than 50 %",
            "Paused by the guard 12 of the last 20 outcomes failed again, more than 50 %",
        ),
    ],
)
async def test_what_stopped_by_itself_says_its_figures(
    console: Console, browser: httpx.AsyncClient, by: str, reason: str, words: str
) -> None:
    limits = {"canary_entries": "20", "guard_percent": "50"}
    place = await started(console, browser, **limits)
    running = await taken_over(console, place)
    await console.services.operations.pause(running, by, reason)
    banner = text_of(await browser.get(place), "paused")
    assert words in banner
    assert "Resumed, it tries 20 entries first again." in banner
    listed = await browser.get("/admin/operations?state=paused")
    assert ">paused</span>" in listed.text
    assert f"paused by the {by}" in text_of(listed)
    overview = await browser.get("/admin/")
    assert "Paused now" in overview.text
    assert reason.split(": ")[1] in html.unescape(overview.text)
    assert "paused</span></span>" in overview.text
    for path in ("/admin/apps/acme", "/admin/confirm?kind=retry&app_id=acme"):
        assert "aused" in text_of(await browser.get(path)), path


async def test_who_started_it_sees_why_another_has_to_approve_it(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with open_console(redis_server, tmp_path, {"approval_over": 1}) as console:
        await console.services.accounts.put_user("grace", PASSWORD_HASH)
        async with console.operator() as actor, console.stranger() as other:
            await log_in(other, "grace")
            for client in (actor, other):
                client.headers.update(BROWSER)
            place = await started(console, actor)
            own = await actor.get(place)
            assert "waits for approval" in own.text
            assert "Over 1 entries: another user has to approve it" in text_of(own, "paused")
            assert "You have started it: another user has to approve it." in own.text
            assert f'action="{place}/resume"' not in own.text
            assert f'href="{place}/controls"' not in own.text
            assert "It is approved with these limits, or cancelled." in text_of(own, "pace")
            refused = await actor.post(f"{place}/controls", data={"rate": "500"})
            assert "cancel it and start it anew" in await said(actor, refused)
            refused = await actor.post(f"{place}/resume", data={})
            assert "needs the approval of another user" in await said(actor, refused)
            theirs = await other.get(place)
            assert ">Approve</button>" in theirs.text
            approved = await other.post(f"{place}/resume", data={})
            assert "Approved by grace." in await said(other, approved)
            assert "<dt>Approved by</dt><dd>grace</dd>" in (await other.get(place)).text


async def test_the_audit_page_says_what_steering_changed_and_suggests_every_action(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with (
        open_console(redis_server, tmp_path, {"approval_over": 1}) as console,
        console.operator() as client,
    ):
        client.headers.update(BROWSER)
        place = await started(console, client)
        recovery, ledger = console.services.recovery, console.services.operations
        await recovery.resume(id_of(place), ANOTHER)
        await recovery.change_controls(id_of(place), ANOTHER, {"canary": Canary(entries=2)})
        await ledger.move_canary(await taken_over(console, place), CanaryState.PASSED)
        await recovery.change_controls(id_of(place), ANOTHER, {"canary": None, "rate": 5.0})
        await recovery.pause(id_of(place), ANOTHER)
        await recovery.resume(id_of(place), ANOTHER)
        await recovery.cancel(id_of(place), ANOTHER, undo=True)
        page = await client.get("/admin/audit")
        shown = text_of(page)
        for changed in (
            "state paused → queued, paused_by approval → none, approved_by none → grace",
            "canary none → entries 2 percent 80 seconds 300, canary_state none → pending",
            "passed canary_state pending → passed",
            "pause_wanted no → yes, paused_by none → grace",
            "state running → cancelling, undo_wanted no → yes",
        ):
            assert changed in shown
        suggested = set(re.findall(r'<option value="([a-z.]+)">', page.text))
        trail = (await console.services.overview.audit_trail(None, 100)).items
        assert {row.action for row in trail} <= suggested


async def test_the_pace_says_what_is_wanted_what_it_is_and_what_limits_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser, rate="500", floor="5", guard_percent="50")
    queued = text_of(await browser.get(place), "pace")
    assert "Wanted 500 a second, from 5" in queued
    assert "Measured" not in queued
    running = await taken_over(console, place)
    assert "Measured not known yet" in text_of(await browser.get(place), "pace")
    pace = Pace(effective_rate=50.0, measured_rate=48.25, limited_by=Limit.RAMP)
    now = console.services.clock.now()
    await console.services.progress.write(progress_of(running, now, pace))
    shown = text_of(await browser.get(place), "pace")
    assert "Effective 50 a second" in shown
    assert "Measured 48 a second" in shown
    assert "Limited by the ramp" in shown
    assert "Guard pauses over 50% failed again of the last 100 outcomes" in shown


async def test_what_is_being_cancelled_is_limited_by_nothing_and_has_no_limits_to_change(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser, rate="500")
    await taken_over(console, place)
    assert f'href="{place}/controls"' in (await browser.get(place)).text
    await console.services.recovery.cancel(id_of(place), ANOTHER)
    shown = await browser.get(place)
    assert "its limits stay" in text_of(shown, "pace")
    assert "Limited by" not in text_of(shown, "pace")
    assert f'href="{place}/controls"' not in shown.text


async def test_the_canary_says_how_far_it_is(console: Console, browser: httpx.AsyncClient) -> None:
    place = await started(console, browser, canary_entries="2")
    assert "Canary pending: 0 of 2 handed over" in text_of(await browser.get(place), "pace")
    ledger = console.services.operations
    running = await taken_over(console, place)
    running = await ledger.move_canary(running, CanaryState.PENDING)
    running = await ledger.move_canary(running, CanaryState.WAITING, console.services.clock.now())
    shown = text_of(await browser.get(place), "pace")
    assert (
        "Canary waiting for outcomes: 0 of 0, 0 recovered (80% are needed), at most until" in shown
    )
    await ledger.move_canary(running, CanaryState.PASSED)
    assert "Canary passed: at least 80% recovered" in text_of(await browser.get(place), "pace")


async def test_a_verdict_is_said_in_a_sentence_with_what_could_be_done_next(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser)
    await console.run(id_of(place))
    shown = await browser.get(place)
    assert "finished, observing" in shown.text
    assert "observed until" in text_of(shown, "verdict")
    assert "2 moved; no outcome yet." in text_of(shown, "verdict")
    assert "/admin/plan" not in shown.text
    await console.fail("1")
    await complete(console, "2")
    shown = await browser.get(place)
    verdict = text_of(shown, "verdict")
    assert "final" in verdict
    assert "50% 1 of 2 recovered; 1 failed again the same way." in verdict
    assert "failed the same way 1" in verdict
    assert "1 recovery and 1 failure since" in shown.text
    again = f"failed_again_in={id_of(place)}"
    assert f'href="/admin/plan?kind=retry&amp;{again}"' in shown.text
    assert f'href="/admin/plan?kind=dismiss&amp;{again}&amp;same_failures_min=1"' in shown.text


async def test_limits_are_changed_and_what_another_has_changed_meanwhile_stays(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser, rate="50", canary_entries="20")
    form = form_of(await browser.get(f"{place}/controls"))
    assert (form["rate"], form["canary_entries"], form["guard_percent"]) == ("50", "20", "")
    await console.services.recovery.change_controls(
        id_of(place), ANOTHER, {"guard": Guard(percent=10)}
    )
    sent = await browser.post(f"{place}/controls", data={**form, "rate": "0.5"})
    assert sent.headers["location"] == place
    assert await said(browser, sent) == (
        "From the next batch on: 0.5 entries a second, a canary of 20 (80% within 5 min), "
        "a guard at 10% of the last 100 outcomes."
    )
    form = form_of(await browser.get(f"{place}/controls"))
    none = {"rate": "", "canary_entries": "", "guard_percent": "", "low_priority": "on"}
    await browser.post(f"{place}/controls", data={**form, **none})
    assert (await operation_at(console, place)).controls == Controls(low_priority=True)
    form = form_of(await browser.get(f"{place}/controls"))
    same = await browser.post(f"{place}/controls", data=form)
    assert await said(browser, same) == "No limit was changed."


def form_of(page: httpx.Response) -> dict[str, str]:
    """The fields of the form, as a browser would send them unchanged."""
    question = page.text.split('id="question"')[1].split("</form>")[0]
    fields = re.findall(r"<input\b[^>]*>", question)
    found = {}
    for field in fields:
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', field))
        if given.get("type") != "checkbox" or " checked" in field:
            found[given["name"]] = html.unescape(given.get("value", ""))
    return found


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"rate": "fast"}, "Rate must be a number, such as 50 or 0.5"),
        ({"rate": "0"}, "Rate must be from 0.01 to 100,000, and is 0"),
        ({"floor": "9"}, "Begin at needs a rate to come up to"),
        ({"canary_entries": "0"}, "Canary must be from 1 to 10,000, and is 0"),
    ],
)
async def test_bad_limits_are_said_beside_the_field_and_nothing_is_changed(
    console: Console, browser: httpx.AsyncClient, fields: dict[str, str], problem: str
) -> None:
    place = await started(console, browser)
    page = await browser.post(f"{place}/controls", data=fields)
    assert page.status_code == 422
    name, value = next(iter(fields.items()))
    assert f'<span class="wrong" id="{name}-wrong">{problem}</span>' in page.text
    assert f'name="{name}" value="{value}"' in page.text
    assert f'aria-describedby="{name}-wrong"' in page.text
    assert "Nothing was changed." in page.text
    assert (await operation_at(console, place)).controls == Controls()


async def test_limits_that_do_not_fit_those_of_another_are_refused_beside_the_field(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser, rate="50", floor="5")
    form = form_of(await browser.get(f"{place}/controls"))
    await console.services.recovery.change_controls(id_of(place), ANOTHER, {"floor": 40.0})
    page = await browser.post(f"{place}/controls", data={**form, "rate": "20"})
    assert page.status_code == 422
    assert "Begin at 40 is over the rate of 20" in page.text
    assert (await operation_at(console, place)).controls == Controls(rate=50, floor=40)


async def test_the_limits_of_an_ended_operation_cannot_be_changed(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser, rate="1000")
    await console.run(id_of(place))
    assert "has ended" in (await browser.get(f"{place}/controls")).text
    sent = await browser.post(f"{place}/controls", data={"rate": "1"})
    assert "already completed" in await said(browser, sent)
    assert "<dt>Limits</dt><dd>1,000 entries a second</dd>" in (await browser.get(place)).text


async def test_an_ended_operation_is_undone_and_says_what_was_taken_back(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser)
    await console.run(id_of(place))
    assert "Take back what has not started</button>" in (await browser.get(place)).text
    sent = await browser.post(f"{place}/cancel", data={"undo": "yes"})
    assert "is being undone" in await said(browser, sent)
    assert "being taken back" in (await browser.get(place)).text
    await console.run(id_of(place))
    page = await browser.get(place)
    assert "0 moved, 2 taken back before a worker had started them." in page.text
    assert '<dt>Taken back</dt><dd class="num">2</dd>' in page.text
    assert "<dt>Undone by</dt><dd>admin</dd>" in page.text
    assert 'value="yes"' not in page.text
    assert "taken back by the undo" in (await browser.get(f"{place}?result=released")).text
    refused = await browser.post(f"{place}/cancel", data={"undo": "yes"})
    assert "nothing is left to take back" in await said(browser, refused)


async def test_what_is_not_open_offers_neither_pause_nor_other_limits(
    console: Console, browser: httpx.AsyncClient
) -> None:
    place = await started(console, browser)
    assert 'id="pause"' in (await browser.get(place)).text
    await console.run(id_of(place))
    page = await browser.get(place)
    assert 'id="pause"' not in page.text
    assert 'id="pace"' not in page.text


async def test_the_question_proposes_a_canary_over_a_thousand_entries_and_starts_with_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail_many(3)
    small = (await browser.get("/admin/confirm?kind=retry&app_id=acme")).text
    assert "<details" in small
    assert 'data-key="limits" open' not in small
    await console.fail_many(1001, "globex", "more")
    page = await browser.get("/admin/confirm?kind=retry&app_id=globex")
    assert 'data-key="limits" open' in page.text
    assert "a canary of 20 (80% within 5 min)" in page.text
    form = form_of(page)
    sent = await browser.post("/admin/start", data={**form, "typed": "1001"})
    assert (await operation_at(console, sent.headers["location"])).controls == Controls(
        canary=Canary(entries=20), guard=Guard(percent=50)
    )


async def test_bad_limits_of_a_start_are_said_beside_the_field_with_what_was_typed(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for job_id in ("1", "2"):
        await console.fail(job_id)
    given = {"rate": "5", "floor": "fast", "low_priority": "on", "reason": "why not"}
    refused = await start(browser, **given)
    question = await browser.get(refused.headers["location"])
    browser.headers["x-redrive-part"] = "main"
    scripted = await start(browser, **given)
    assert scripted.status_code == 422
    for text in (question.text, scripted.text):
        assert "Begin at must be a number, such as 50 or 0.5" in text
        assert 'name="rate" value="5"' in text
        assert 'value="why not"' in text
        assert 'name="low_priority" value="on" checked' in text
        assert 'data-key="limits" open' in text
    assert (await console.services.overview.operations(None, None, None, 10)).items == []
