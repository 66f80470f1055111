"""What the pages' forms do, and what is said afterwards."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from redrive.domain import Actor, OperationId, OperationKind, Scope, StartRequest
from tests.web.support import Console


async def said(browser: httpx.AsyncClient, sent: httpx.Response) -> str:
    """The message on the page that an action leads to."""
    assert sent.status_code == 303, sent.text
    page = await browser.get(sent.headers["location"])
    found = re.search(r'<p class="flash[^>]*>(.*?)</p>', page.text)
    assert found is not None
    return html.unescape(re.sub(r"<[^>]*>", "", found[1]))


async def fail_two(console: Console) -> None:
    for job_id in ("1", "2"):
        await console.fail(job_id)


async def start(browser: httpx.AsyncClient, **fields: object) -> httpx.Response:
    given = {"kind": "retry", "app_id": "acme", "count": 2, "key": "first"}
    return await browser.post("/admin/start", data={**given, **fields})


async def start_scripted(browser: httpx.AsyncClient, **fields: object) -> httpx.Response:
    """As the pages' own script does, which shows the answer where the question is open."""
    browser.headers["x-redrive-part"] = "main"
    refused = await start(browser, **fields)
    del browser.headers["x-redrive-part"]
    assert refused.status_code == 422
    return refused


async def test_retrying_one_entry_says_what_happened_once_and_comes_back(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    form = {"app_id": "acme", "back": "/admin/failures?app_id=acme"}
    sent = await browser.post(f"/admin/entries/{entry_id}/retry", data=form)
    assert sent.headers["location"] == form["back"]
    assert await said(browser, sent) == "Job 17 is back in its queue. The operation"
    assert 'class="flash' not in (await browser.get(form["back"])).text
    again = await browser.post(f"/admin/entries/{entry_id}/retry", data=form)
    assert "Nothing was changed." in await said(browser, again)


async def test_nobody_is_sent_elsewhere_after_an_action(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    form = {"app_id": "acme", "back": "//elsewhere.test/"}
    sent = await browser.post(f"/admin/entries/{entry_id}/retry", data=form)
    assert sent.headers["location"] == "/admin/"


async def test_a_poll_does_not_swallow_the_message(
    console: Console, browser: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("17")
    sent = await browser.post(f"/admin/entries/{entry_id}/resync", data={"app_id": "acme"})
    await browser.get("/admin/", headers={"x-redrive-poll": "1"})
    assert "Job 17 is back in its queue." in await said(browser, sent)


async def test_the_question_names_the_scope_and_the_count(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await fail_two(console)
    page = await browser.get("/admin/confirm?kind=retry&app_id=acme")
    assert "Retry 2 entries of <bdi>app acme</bdi>?" in page.text
    page = await browser.get("/admin/confirm?kind=retry")
    assert "Retry 2 entries of <bdi>all apps</bdi>?" in page.text
    assert (await browser.get("/admin/confirm?kind=retry&app_id=nobody")).status_code == 404


async def test_a_second_click_meets_the_operation_of_the_first(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await fail_two(console)
    first, second = await start(browser), await start(browser)
    assert first.headers["location"] == second.headers["location"]
    assert first.headers["location"].startswith("/admin/operations/op_")
    other = await start(browser, key="another")
    assert other.headers["location"] == first.headers["location"]
    assert await said(browser, other) == (
        "Nothing new was started: your retry of app acme, started just now, had these entries "
        "already."
    )


async def test_an_overlap_names_who_is_doing_what(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await fail_two(console)
    bob = Actor(name="bob", origin="cli")
    asked = StartRequest(kind=OperationKind.RETRY, scope=Scope.everything(), actor=bob)
    running, _ = await console.services.recovery.start(asked)
    sent = await start(browser)
    assert sent.headers["location"] == f"/admin/operations/{running.operation_id}"
    told = await said(browser, sent)
    assert "bob's retry of all apps, started just now, had these entries" in told
    for path in ("/admin/", "/admin/failures", "/admin/apps/acme"):
        page = await browser.get(path)
        found = re.search(r'<button type="button" disabled.*?bob just now', page.text, re.DOTALL)
        assert found is not None, path
        assert f"/admin/operations/{running.operation_id}" in found[0]
        assert "Running: <bdi>Retry of all apps</bdi> (0%)" in found[0]


async def test_starting_says_what_was_started_and_nothing_that_changes_while_it_runs(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await fail_two(console)
    first = await start(browser, count=1)
    assert await said(browser, first) == (
        "Started: 2 entries of app acme (1 when asked). Failures from then on are not among them."
    )
    with console.server.client() as redis:
        redis.zrem("bull:mail:failed", "2")
        redis.lpush("bull:mail:wait", "2")
    await console.run(first.headers["location"].rsplit("/", 1)[1])
    assert await said(browser, await start(browser)) == (
        "Nothing new was started: you have started this just now. "
        "1 moved, 1 skipped (already waiting or running)."
    )


async def test_only_an_operation_that_no_runner_has_taken_up_is_waiting_for_one(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await fail_two(console)
    place = (await start(browser)).headers["location"]
    assert "waiting for a runner" in (await browser.get(place)).text
    await console.services.operations.take_over(OperationId(place.rsplit("/", 1)[1]))
    running = (await browser.get(place)).text
    assert "waiting for a runner" not in running
    assert "no rate yet" in running


async def test_what_is_said_of_an_operation_in_the_way_ends_with_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    first = await start(browser)
    place = first.headers["location"]
    assert "Started: " in await said(browser, first)
    sent = await start(browser, key="another")
    assert sent.headers["location"] == place
    await console.run(place.rsplit("/", 1)[1])
    assert 'class="flash' not in (await browser.get(place)).text


async def test_a_question_about_what_is_in_hand_leads_to_the_operation_that_has_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    for job_id, app in (("1", "acme"), ("2", "globex")):
        await console.fail(job_id, app)
    place = (await start(browser, app_id="")).headers["location"]
    for query in ("kind=retry", "kind=retry&app_id=acme", "kind=resync&app_id=acme"):
        page = (await browser.get(f"/admin/confirm?{query}")).text
        assert "has to wait" in page
        assert f'href="{place}">Retry of all apps</a>' in page
        assert 'action="/admin/start"' not in page


async def test_a_cancel_tells_what_is_in_hand(console: Console, browser: httpx.AsyncClient) -> None:
    await fail_two(console)
    place = (await start(browser)).headers["location"]
    ledger = console.services.operations
    running = await ledger.take_over(OperationId(place.rsplit("/", 1)[1]))
    assert running is not None
    await ledger.claim(running, 1)
    assert "1</span> in hand would still be finished" in (await browser.get(place)).text
    sent = await browser.post(f"{place}/cancel", data={})
    assert "0 of 2 are settled, and 1 entry in hand is finished" in await said(browser, sent)
    answer = await browser.post(f"/admin/api/retry/cancel/{place.rsplit('/', 1)[1]}")
    assert "1 entry in hand is finished" in answer.json()["data"]["message"]


async def test_a_large_count_that_was_not_typed_starts_nothing(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail_many(1001)
    given = {"count": 1001, "typed": "500", "reason": 'a <b> "reason" ' + "\U0001f600" * 400}
    refused = await start(browser, **given)
    assert refused.headers["location"] == "/admin/confirm?kind=retry&app_id=acme"
    question = await browser.get(refused.headers["location"])
    assert question.status_code == 200
    for text in (question.text, (await start_scripted(browser, **given)).text):
        assert "a &lt;b&gt; &#34;reason&#34; \U0001f600" in text
        assert text.count("That is not 1,001. Nothing was started.") == 1
    assert "That is not" not in (await browser.get(refused.headers["location"])).text
    assert (await console.services.overview.operations(None, None, None, 10)).items == []


async def test_starting_over_nothing_says_so(console: Console, browser: httpx.AsyncClient) -> None:
    entry_id = await console.fail("1")
    await browser.post(f"/admin/entries/{entry_id}/retry", data={"app_id": "acme"})
    assert "no operation was started" in await said(browser, await start(browser, key="later"))


async def test_cancelling_says_what_came_of_it(
    console: Console, browser: httpx.AsyncClient
) -> None:
    await console.fail("1")
    place = (await start(browser)).headers["location"]
    first = await browser.post(f"{place}/cancel", data={})
    assert await said(browser, first) == "The operation was cancelled before it took any entry."
    second = await browser.post(f"{place}/cancel", data={})
    assert "already cancelled" in await said(browser, second)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "remove"},
        {"kind": "resync", "app_id": ""},
        {"count": "many"},
        {"key": ""},
        {"unknown": "1"},
    ],
)
async def test_a_form_that_is_not_right_changes_nothing(
    console: Console, browser: httpx.AsyncClient, fields: dict[str, str]
) -> None:
    await console.fail("1")
    answer = await start(browser, **fields)
    assert answer.status_code == 422
    assert "Nothing was changed." in answer.text
    assert (await console.services.overview.operations(None, None, None, 10)).items == []


async def test_without_a_session_an_action_keeps_the_place(
    console: Console, browser: httpx.AsyncClient
) -> None:
    browser.cookies.clear()
    headers = {"referer": "http://console.test/admin/failures?app_id=acme"}
    answer = await browser.post("/admin/start", data={}, headers=headers)
    assert answer.status_code == 401
    assert "/admin/login?next=%2Fadmin%2Ffailures%3Fapp_id%3Dacme" in answer.text


@pytest.mark.parametrize(
    ("query", "lists"),
    [
        ("app_id=&queue=&q=&since=&state=failed&order=newest", True),
        ("state=any&order=oldest&since=24h&name=send", True),
        ("q=refused", True),
        ("q=nothing+like+it", False),
        ("queue=elsewhere", False),
        ("start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z", False),
    ],
)
async def test_the_list_of_failures_has_an_address_for_every_filter(
    console: Console, browser: httpx.AsyncClient, query: str, lists: bool
) -> None:
    entry_id = await console.fail("17")
    page = await browser.get(f"/admin/failures?{query}")
    assert page.status_code == 200
    assert (f'data-key="{entry_id}"' in page.text) is (lists and "24h" not in query)


async def test_a_filter_that_is_not_known_is_refused(browser: httpx.AsyncClient) -> None:
    for query in ("sate=failed", "state=gone", "since=soon", "start=yesterday"):
        assert (await browser.get(f"/admin/failures?{query}")).status_code == 422


@pytest.mark.parametrize("by", ["entry", "job", "operation"])
async def test_the_search_leads_straight_to_what_has_that_id(
    console: Console, browser: httpx.AsyncClient, by: str
) -> None:
    entry_id = await console.fail("job-17")
    await console.services.following.record_failures("default", "mail", [], ("", "1"))
    place = (await start(browser)).headers["location"]
    wanted = {"entry": entry_id, "job": "job-17", "operation": place.rsplit("/", 1)[1]}[by]
    sent = await browser.get("/admin/search", params={"q": wanted})
    expected = place if by == "operation" else f"/admin/entries/{entry_id}"
    assert (sent.status_code, sent.headers["location"]) == (303, expected)
