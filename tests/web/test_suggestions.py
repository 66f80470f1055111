"""What the search box offers while it is typed into."""

from __future__ import annotations

import re

import httpx
import pytest

from redrive.domain import Actor, OperationKind, Scope, StartRequest
from redrive.ledger import filters
from tests.web.support import Console

BROWSER = {"accept": "text/html"}


async def offered(operator: httpx.AsyncClient, text: str) -> list[str]:
    """The addresses that are offered."""
    page = await operator.get("/admin/search/suggestions", params={"q": text}, headers=BROWSER)
    assert page.status_code == 200
    return re.findall(r'role="option" data-href="([^"]*)"', page.text)


async def test_apps_entries_and_operations_are_offered_without_leading_anywhere(
    console: Console, operator: httpx.AsyncClient
) -> None:
    entry_id = await console.fail("job-17", app_id="acme & co")
    await console.services.following.record_failures("default", "mail", [], ("", "1"))
    asked = StartRequest(
        kind=OperationKind.RETRY,
        scope=Scope.everything(),
        actor=Actor(name="admin", origin="test"),
    )
    operation, _ = await console.services.recovery.start(asked)
    assert await offered(operator, "acme") == ["/admin/apps/acme%20%26%20co"]
    assert await offered(operator, "job-17") == [f"/admin/entries/{entry_id}"]
    assert await offered(operator, entry_id) == [f"/admin/entries/{entry_id}"]
    place = f"/admin/operations/{operation.operation_id}"
    assert await offered(operator, operation.operation_id) == [place]
    assert await offered(operator, "nothing like it") == []
    assert await offered(operator, "") == []


async def test_no_more_than_five_of_a_kind_are_offered(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for number in range(7):
        await console.fail(f"{number}", app_id=f"team-{number}")
    found = await offered(operator, "team-")
    assert len([one for one in found if one.startswith("/admin/apps/")]) == 5


async def test_at_every_key_a_text_is_held_against_the_newest_entries_only(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "ROWS_PER_LOOK", 3)
    for number in range(8):
        await console.fail(f"{number}")
    reading = console.services.overview
    assert len((await reading.find("refused")).entries) == 8
    offered_now = await reading.suggest("refused")
    assert (len(offered_now.entries), offered_now.more) == (3, True)


async def test_what_is_offered_is_text_and_never_markup(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("1", app_id="<img src=x>")
    page = await operator.get("/admin/search/suggestions", params={"q": "<img"}, headers=BROWSER)
    assert "<img" not in page.text
    assert "&lt;img src=x&gt;" in page.text
