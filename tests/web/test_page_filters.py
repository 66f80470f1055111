"""Filters of lists: what they show, how many fit, and what is said of one that does not fit."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from redrive.domain import (
    LOOKED_AT,
    MOST_COUNTED,
    JobId,
    JobOutcome,
    MatchCount,
    OperationId,
    OutcomeKind,
)
from redrive.web.pages.failures import matches
from redrive.wiring import SystemClock
from tests.web.support import BROWSER, Console


async def text_of(client: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """What a page says, as a person reads it."""
    page = await client.get(path, headers=BROWSER)
    assert page.status_code == status, page.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page.text)))


async def test_an_error_type_is_a_filter_of_the_list_and_of_the_api(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for job_id in ("1", "2", "3"):
        await console.fail(job_id)
    assert "3 entries fit" in await text_of(operator, "/admin/failures?error_type=Error&q=refused")
    answer = await operator.get("/admin/api/entries?error_type=TypeError")
    assert answer.json()["data"]["items"] == []
    answer = await operator.get("/admin/api/entries?error_type=Error")
    assert len(answer.json()["data"]["items"]) == 3


async def test_buttons_act_on_what_their_label_says(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1", app_id="acme")
    await console.fail("2", app_id="globex")
    assert "Retry everything (2 of all apps)" in await text_of(operator, "/admin/failures")
    of_app = await text_of(operator, "/admin/failures?app_id=acme")
    assert "Retry all 1 of acme" in of_app
    assert "Retry everything" not in of_app
    for query in ("q=refused", "state=any", "app_id=acme&queue=mail", "error_type=Error"):
        filtered = await operator.get(f"/admin/failures?{query}", headers=BROWSER)
        assert "/admin/confirm" not in filtered.text
    for query, label in (
        ("q=refused", "Retry all 2…"),
        ("app_id=acme&queue=mail", "Retry all 1…"),
        ("error_type=Error", "Dismiss all 2…"),
    ):
        filtered = await operator.get(f"/admin/failures?{query}", headers=BROWSER)
        assert label in await text_of(operator, f"/admin/failures?{query}")
        kind = label.split()[0].lower()
        place = f"/admin/plan?kind={kind}&{query}".replace("&", "&amp;")
        assert f'href="{place}"' in filtered.text
    assert "all 2…" not in await text_of(operator, "/admin/failures?state=any")


async def test_the_heading_counts_the_list_below_it(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1", app_id="acme")
    await console.fail("2", app_id="globex")
    for query, heading in (
        ("", "Failures 2"),
        ("app_id=acme", "Failures 1"),
        ("app_id=nobody", "Failures 0"),
        ("q=nothing+like+it", "Failures 0"),
        ("state=any", "Entries 2"),
        ("state=recovered", "Entries 0"),
    ):
        assert f"{heading} " in await text_of(operator, f"/admin/failures?{query}"), query


async def test_an_app_that_is_not_known_is_not_offered(operator: httpx.AsyncClient) -> None:
    said = await text_of(operator, "/admin/failures?app_id=shop-0")
    assert "No app shop-0 is known." in said
    assert "Retry all" not in said


async def test_the_overview_counts_every_failing_app(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(21):
        await console.fail_many(1, app_id=f"app-{number}", name=f"job-{number}")
    assert "21 entries failed in 21 apps" in await text_of(operator, "/admin/")


async def test_a_page_that_only_reads_does_not_say_that_nothing_was_changed(
    operator: httpx.AsyncClient,
) -> None:
    for path, status in (("/admin/apps/nobody", 404), ("/admin/failures?cursor=x", 422)):
        assert "Nothing was changed" not in await text_of(operator, path, status)
    assert "Nothing was changed" in (await operator.get("/admin/api/apps/nobody")).text


@pytest.mark.parametrize("app_id", [".", ".."])
async def test_an_app_whose_id_is_dots_has_a_page_and_a_way_through_the_api(
    console: Console, operator: httpx.AsyncClient, app_id: str
) -> None:
    entry_id = await console.fail("1", app_id=app_id)
    place = f"/admin/apps?app_id={app_id}"
    for path in ("/admin/", "/admin/apps", f"/admin/entries/{entry_id}"):
        assert f'href="{place}"' in (await operator.get(path, headers=BROWSER)).text, path
    assert "Retry all 1" in await text_of(operator, place)
    found = (await operator.get(f"/admin/api/entries?app_id={app_id}")).json()["data"]["items"]
    assert [one["entry_id"] for one in found] == [entry_id]
    escaped = app_id.replace(".", "%2E")
    answer = await operator.get(f"/admin/api/apps/{escaped}")
    assert answer.json()["data"]["app_id"] == app_id
    body = {"app_id": app_id, "entry_id": entry_id}
    assert (await operator.post("/admin/api/retry", json=body)).status_code == 200


async def test_the_order_of_a_list_has_the_name_of_what_it_is_ordered_by(
    operator: httpx.AsyncClient,
) -> None:
    assert "oldest failure first" in await text_of(operator, "/admin/failures")
    assert "recorded first first" in await text_of(operator, "/admin/failures?state=any")


async def test_the_recovering_entries_are_those_that_the_overview_counts(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entries = {job_id: await console.fail(job_id) for job_id in ("a", "b", "c")}
    body = {"app_id": "acme", "entry_id": entries["b"]}
    (await operator.post("/admin/api/retry", json=body)).raise_for_status()
    started = await operator.post("/admin/api/retry/app/acme", json={})
    ledger = console.services.operations
    running = await ledger.take_over(OperationId(started.json()["data"]["operation_id"]))
    assert running is not None
    await ledger.claim(running, 1)
    for page in ("/admin/", "/admin/apps/acme"):
        shown = (await operator.get(page, headers=BROWSER)).text
        tile = re.search(r'<dt>In recovery</dt>.*?href="([^"]+)">(\d+)</a>', shown)
        assert tile is not None
        assert tile[2] == "2"
        listed = (await operator.get(html.unescape(tile[1]), headers=BROWSER)).text
        found = {name for name, entry_id in entries.items() if f'data-key="{entry_id}"' in listed}
        assert found == {"a", "b"}


async def test_a_rate_of_recovery_is_of_what_ran_again(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("1")
    await console.fail("2")
    for path in ("/admin/apps", "/admin/apps/acme"):
        assert "nothing retried yet" in await text_of(operator, path)
    body = {"app_id": "acme", "entry_id": entry_id}
    (await operator.post("/admin/api/retry", json=body)).raise_for_status()
    await console.services.following.record_outcomes(
        "default",
        "mail",
        [JobOutcome(job_id=JobId("1"), kind=OutcomeKind.COMPLETED, at=SystemClock().now())],
        ("", "1"),
    )
    for path in ("/admin/apps", "/admin/apps/acme"):
        assert "100%" in await text_of(operator, path)
    assert "of 1 that ran again to an end" in await text_of(operator, "/admin/apps/acme")
    assert "1 entry is recovered now" in await text_of(operator, "/admin/")


async def test_a_filtered_list_says_how_many_fit(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for job_id, queue in (("1", "mail"), ("2", "mail"), ("3", "bills")):
        await console.fail(job_id, queue=queue)
    assert "2 entries fit" in await text_of(operator, "/admin/failures?queue=mail")
    assert "1 entry fits" in await text_of(operator, "/admin/failures?queue=bills")
    assert "0 entries fit" in await text_of(operator, "/admin/failures?q=nothing+like+it")


def test_a_count_that_stopped_says_so() -> None:
    assert (
        matches(MatchCount(found=MOST_COUNTED, is_bounded=True)) == "more than 10,000 entries fit"
    )
    assert matches(MatchCount(found=3, is_bounded=True)) == (
        f"3 of the newest {LOOKED_AT:,} entries fit; older ones were not counted"
    )


@pytest.mark.parametrize(
    ("query", "said", "without"),
    [
        (
            "state=gone&app_id=acme",
            "gone does not fit: allowed is: failed, claimed, queued, active, recovered, dismissed, "
            "vanished, recovering, any.",
            "/admin/failures?app_id=acme",
        ),
        ("since=soon", "soon does not fit: allowed is: 15m, 1h, 24h, 7d.", "/admin/failures"),
        (
            "sate=failed&q=x",
            "there is no such field here.",
            "/admin/failures?q=x",
        ),
        ("attempts_min=-1", "-1 does not fit: must be at least 0.", "/admin/failures"),
        ("cursor=made-up", "The cursor made-up is not one", "/admin/failures"),
    ],
)
async def test_an_address_that_does_not_fit_says_what_would_and_keeps_the_frame(
    console: Console, operator: httpx.AsyncClient, query: str, said: str, without: str
) -> None:
    path = f"/admin/failures?{query}"
    assert said in await text_of(operator, path, 422)
    page = await operator.get(path, headers=BROWSER)
    assert 'aria-label="Console"' in page.text
    assert f'href="{html.escape(without)}">Go on without it' in page.text


async def test_what_failed_before_an_end_and_later_than_that_is_nothing(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1")
    path = "/admin/failures?since=15m&end=2000-01-01T00:00"
    assert (await operator.get(path, headers=BROWSER)).status_code == 200


async def test_what_was_given_in_a_body_is_not_repeated(operator: httpx.AsyncClient) -> None:
    body = {"username": "ada", "password": "s3cret" * 1000, "extra": "s3cret"}
    answer = await operator.post("/admin/api/login", json=body)
    assert answer.status_code == 422
    assert "s3cret" not in answer.text
    answer = await operator.get("/admin/api/entries?state=gone")
    (field,) = answer.json()["errors"]
    assert (field["field"], field["given"]) == ("query.state", "gone")
    assert field["allowed"][0] == "failed"


async def test_the_audit_trail_is_filtered_by_who_what_and_app(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("1", app_id="acme")
    await console.fail("2", app_id="globex")
    await operator.post("/admin/api/retry", json={"app_id": "acme", "entry_id": entry_id})
    await operator.post("/admin/api/retry/app/globex", json={"reason": "it is <back>"})
    await operator.patch("/admin/api/apps/acme", json={"display_name": "Acme Ltd"})

    async def actions(query: str) -> list[str]:
        page = (await operator.get(f"/admin/api/audit?{query}")).json()["data"]
        return [row["action"] for row in page["items"]]

    assert await actions("app_id=acme") == ["rename", "retry.end", "retry.start"]
    assert await actions("app_id=globex&action=retry.start") == ["retry.start"]
    assert await actions("actor=nobody") == []
    assert "login" in await actions("actor=admin")
    first = (await operator.get("/admin/api/audit?app_id=acme&limit=2")).json()["data"]
    assert await actions(f"app_id=acme&limit=2&cursor={first['next_cursor']}") == ["retry.start"]
    page = await text_of(operator, "/admin/audit?app_id=globex")
    assert "it is <back>" in page
    assert "retry.start" in page
    assert "rename" not in page.split("newest first")[1]
    assert "No row fits this filter" in await text_of(operator, "/admin/audit?actor=nobody")
