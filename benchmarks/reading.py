"""Pages and API over real HTTP, on a ledger with a long history."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from time import perf_counter
from urllib.parse import quote

from benchmarks.filling import fill
from benchmarks.history import RARE_ERROR, History
from benchmarks.report import Measured, NotMeasuredError, save, show_latencies
from benchmarks.worlds import World
from redrive.ledger import Database, SqlAccounts
from redrive.ledger.cursors import encode
from redrive.settings import Settings
from redrive.web import hash_password
from redrive.wiring import SystemClock
from tests.support.console import PASSWORD, ConsoleProcess

_WARM_UP = 5


async def run(world: World, *, count: int, failed: int, requests: int, repeats: int) -> None:
    """Measure on SQLite and PostgreSQL, print and save."""
    history = History(count=count, failed=failed, until=datetime.now(UTC))
    for backend in world.backends:
        settings = world.ledger(backend)
        await fill(settings.ledger_url, history)
        await _add_user(settings.ledger_url)
        rows = _measure(settings, history, requests, repeats)
        world.drop(settings)
        show_latencies(f"Reading {count:,} entries, {failed:,} of them failed, {backend}", rows)
        save(f"reading-{backend}", [row for rounds in rows.values() for row in rounds])


async def _add_user(url: str) -> None:
    database = Database(url)
    await SqlAccounts(database, SystemClock()).put_user("admin", hash_password(PASSWORD))
    await database.close()


def _measure(
    settings: Settings, history: History, requests: int, repeats: int
) -> Mapping[str, list[Measured]]:
    """Milliseconds of each request to a console in a process of its own, by round."""
    console = ConsoleProcess(
        settings.data_dir / "data",
        command="web",
        redis_url=str(settings.redis_url),
        database_url=settings.ledger_url,
    )
    with closing(console):
        console.start()
        console.log_in()
        cookie = "; ".join(f"{name}={value}" for name, value in console.http.cookies.items())
        wanted = _wanted(history)
        rows: dict[str, list[Measured]] = {name: [] for name in wanted}
        for _ in range(repeats):
            for name, path in wanted.items():
                values = _time(console.port, cookie, path, requests)
                rows[name].append(Measured(name=name, unit="ms", values=values))
        console.stop()
    return rows


def _time(port: int, cookie: str, path: str, requests: int) -> list[float]:
    values = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for number in range(_WARM_UP + requests):
            began = perf_counter()
            connection.request("GET", path, headers={"Cookie": cookie})
            response = connection.getresponse()
            response.read()
            if number >= _WARM_UP:
                values.append((perf_counter() - began) * 1000)
            if response.status != 200:
                raise NotMeasuredError(f"{path} answered {response.status}")
    return values


def _wanted(history: History) -> dict[str, str]:
    """What is asked for, by what it is called."""
    middle = history.count // 2
    deep = encode("failed-down", history.at(middle), middle)
    entry = history.entry_id(middle)
    operation = history.operation_of(middle)
    rare = quote(RARE_ERROR)
    group = f"grp_1_{1:024x}"
    return {
        "page overview": "/admin/",
        "page overview, a week": "/admin/?span=7d",
        "page failures": "/admin/failures",
        "page failures, deep": f"/admin/failures?cursor={deep}",
        "page failures of an app": "/admin/failures?app_id=client-7",
        "page failures by text": "/admin/failures?q=provider",
        "page failures by rare text": f"/admin/failures?q={rare}",
        "page entry": f"/admin/entries/{entry}",
        "page apps": "/admin/apps",
        "page operations": "/admin/operations",
        "page operation": f"/admin/operations/{operation}",
        "page audit": "/admin/audit",
        "page search by text": "/admin/search?q=provider",
        "page search by rare text": f"/admin/search?q={rare}",
        "api overview": "/admin/api/overview",
        "api entries": "/admin/api/entries",
        "api entries, failed": "/admin/api/entries?state=failed",
        "api entries, failed, deep": f"/admin/api/entries?state=failed&cursor={deep}",
        "api entries, failed, an app's": "/admin/api/entries?state=failed&app_id=client-7",
        "api entries, failed, by text": "/admin/api/entries?state=failed&q=provider",
        "api entries, failed, by rare text": f"/admin/api/entries?state=failed&q={rare}",
        "api entries, vanished": "/admin/api/entries?state=vanished",
        "api entries, 500 of them": "/admin/api/entries?limit=500",
        "api entry": f"/admin/api/entries/{entry}",
        "api apps": "/admin/api/apps",
        "api groups": "/admin/api/groups",
        "api groups, an app's": "/admin/api/groups?app_id=client-7",
        "api groups, by text": "/admin/api/groups?q=provider",
        "api group": f"/admin/api/groups/{group}",
        "api entries, failed, a group's": f"/admin/api/entries?state=failed&group_id={group}",
        "api entries, failed, a group's of an app": (
            f"/admin/api/entries?state=failed&group_id={group}&app_id=client-7"
        ),
        "api operations": "/admin/api/operations",
        "api items": f"/admin/api/operations/{operation}/items",
        "metrics": "/metrics",
    }
