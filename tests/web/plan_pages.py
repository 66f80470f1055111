"""The page of a plan, as its tests ask for it, read it and send its form."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.ledger.schema import entries, identities
from tests.web.support import Console


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
