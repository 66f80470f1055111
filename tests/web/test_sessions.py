"""How long a session lives, and what ends it."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from redrive.domain import Actor, AppId, EntryId, OperationKind, Scope, StartRequest
from redrive.web.pages.words import REDIS_AWAY
from redrive.web.sessions import Memory, Session, Sessions
from tests.support.servers import RedisServer
from tests.web.support import PASSWORD_HASH, USER, Console, log_in, open_console

POLL = {"X-Redrive-Poll": "1"}
BROWSER = {"accept": "text/html"}


async def is_open(client: httpx.AsyncClient, poll: bool = False) -> bool:
    response = await client.get("/admin/api/session", headers=POLL if poll else {})
    return response.status_code == 200


async def test_a_session_ends_after_thirty_idle_minutes(
    console: Console, operator: httpx.AsyncClient
) -> None:
    console.clock.advance(minutes=29)
    assert await is_open(operator)
    console.clock.advance(minutes=29)
    assert await is_open(operator)
    console.clock.advance(minutes=30, milliseconds=1)
    assert not await is_open(operator)


async def test_a_session_ends_after_twelve_hours_of_use(
    console: Console, operator: httpx.AsyncClient
) -> None:
    for _ in range(35):
        console.clock.advance(minutes=20)
        assert await is_open(operator)
    console.clock.advance(minutes=20, milliseconds=1)
    assert not await is_open(operator)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/admin/api/overview", POLL),
        ("/admin/api/retry/progress/nothing/stream", {}),
    ],
)
async def test_what_a_page_asks_by_itself_does_not_keep_a_session_alive(
    console: Console, operator: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    for _ in range(2):
        console.clock.advance(minutes=14)
        assert (await operator.get(path, headers=headers)).status_code != 401
    console.clock.advance(minutes=2, milliseconds=1)
    assert (await operator.get(path, headers=headers)).status_code == 401


async def test_an_action_is_a_use_whatever_it_calls_itself(
    console: Console, operator: httpx.AsyncClient
) -> None:
    console.clock.advance(minutes=29)
    await operator.post("/admin/api/retry/all", headers=POLL)
    console.clock.advance(minutes=29)
    assert await is_open(operator, poll=True)


async def test_logout_ends_the_session_and_takes_the_cookie_back(
    console: Console, operator: httpx.AsyncClient
) -> None:
    token = operator.cookies["redrive"]
    response = await operator.post("/admin/api/logout")
    assert response.status_code == 204
    assert "Max-Age=0" in response.headers["set-cookie"]
    operator.cookies.set("redrive", token)
    assert not await is_open(operator)


async def test_a_changed_password_ends_all_sessions(console: Console) -> None:
    async with console.operator() as one, console.operator() as two:
        await console.services.accounts.put_user(USER, PASSWORD_HASH)
        assert not await is_open(one)
        assert not await is_open(two)
        await log_in(one)
        assert await is_open(one)


async def test_a_request_that_races_with_a_logout_does_not_bring_the_session_back(
    console: Console,
) -> None:
    services = console.services
    sessions = Sessions(services.redis, services.accounts, console.clock)
    user = await services.accounts.user(USER)
    assert user is not None
    token, session = await sessions.open(user)
    await sessions.end(token)
    await sessions.use(token, session)
    assert await sessions.find(token) is None


async def test_redis_forgets_a_session_by_itself(
    console: Console, operator: httpx.AsyncClient
) -> None:
    with console.server.client() as redis:
        (key,) = redis.keys("redrive:session:*")
        assert 0 < redis.ttl(key) <= 30 * 60


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"user":"admin"}'])
async def test_a_session_that_cannot_be_read_is_no_session(
    console: Console, operator: httpx.AsyncClient, kept: str
) -> None:
    with console.server.client() as redis:
        (key,) = redis.keys("redrive:session:*")
        redis.set(key, kept)
    assert not await is_open(operator)


@pytest.mark.parametrize("token", ["", "x", "ü", "a" * 5000])
async def test_a_made_up_token_is_no_session(stranger: httpx.AsyncClient, token: str) -> None:
    response = await stranger.get(
        "/admin/api/session", headers={b"cookie": f"redrive={token}".encode()}
    )
    assert response.status_code == 401


async def test_while_redis_is_away_nobody_is_logged_in_and_the_answer_says_why(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with open_console(own_redis, tmp_path) as console, console.operator() as client:
        own_redis.kill()
        for response in (await client.get("/admin/api/session"), await log_in(client)):
            assert response.status_code == 503
            assert response.json()["code"] == "store_unavailable"
            assert "Nothing was changed" in response.json()["detail"]
        own_redis.start()
        assert (await log_in(client)).status_code == 200


@pytest.fixture
def hung(own_redis: RedisServer) -> Iterator[Callable[[], None]]:
    """Makes the Redis hang, as a machine does that swaps; it goes on when the test is over."""
    assert own_redis.process is not None
    process = own_redis.process
    yield lambda: process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGCONT)


async def test_while_redis_hangs_what_is_read_is_shown_and_nobody_acts(
    own_redis: RedisServer, hung: Callable[[], None], tmp_path: Path
) -> None:
    async with open_console(own_redis, tmp_path) as console, console.operator() as client:
        entry_id = await console.fail("17")
        await client.get("/admin/failures", headers=BROWSER)
        hung()
        # Each waits in vain for Redis, so they wait together.
        paths = ("/admin/failures", "/admin/", "/admin/queues")
        pages = await asyncio.gather(*(client.get(path, headers=BROWSER) for path in paths))
        for page in pages:
            assert page.status_code == 200
            assert "Redis does not answer" in page.text
        assert entry_id in pages[0].text
        body = {"app_id": "acme", "entry_id": entry_id}
        refused, renamed = await asyncio.gather(
            client.post("/admin/api/retry", json=body),
            client.patch("/admin/api/apps/acme", json={"display_name": "Acme Ltd"}),
        )
        assert refused.status_code == 503
        assert "Nothing was changed" in refused.json()["detail"]
        assert renamed.status_code == 503
        assert (await client.get("/admin/api/apps/acme")).json()["data"]["display_name"] == "acme"
        assert await is_open(client)
        async with console.stranger() as stranger:
            stranger.cookies.set("redrive", "made up")
            assert (await stranger.get("/admin/api/overview")).status_code == 503


async def test_while_redis_is_away_every_button_that_acts_is_disabled_and_says_why(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with open_console(own_redis, tmp_path) as console, console.operator() as client:
        entry_id = await console.fail("18", "other")
        await console.fail("17", error="no such mailbox")
        group_id = (await console.services.overview.entry(EntryId(entry_id))).entry.group_id
        scope = Scope.of_app(AppId("acme"))
        actor = Actor(name="bob", origin="cli")
        asked = StartRequest(kind=OperationKind.RETRY, scope=scope, actor=actor)
        operation, _ = await console.services.recovery.start(asked)
        paths = {
            "/admin/failures?app_id=other": 2,
            f"/admin/entries/{entry_id}": 2,
            "/admin/apps": 1,
            "/admin/apps/other": 3,
            "/admin/groups": 1,
            f"/admin/groups/{group_id}": 1,
            "/admin/confirm?kind=retry&app_id=other": 1,
            f"/admin/operations/{operation.operation_id}": 1,
        }
        for path in paths:
            page = await client.get(path, headers=BROWSER)
            assert REDIS_AWAY not in unescape(page.text)
        own_redis.kill()
        for path, buttons in paths.items():
            text = unescape((await client.get(path, headers=BROWSER)).text)
            assert text.count(" disabled") >= buttons, path
            assert REDIS_AWAY in text, path
            assert "data-dialog>" not in text, path
            assert not re.search(r'method="post" action="/admin/(entries|groups|operations)', text)


async def test_a_session_is_remembered_for_five_minutes_and_never_beyond_its_end(
    own_redis: RedisServer, hung: Callable[[], None], tmp_path: Path
) -> None:
    async with (
        open_console(own_redis, tmp_path) as console,
        console.operator() as early,
        console.operator() as late,
    ):
        assert await is_open(late)
        console.clock.advance(minutes=27)
        assert await is_open(early, poll=True)
        hung()
        console.clock.advance(minutes=2, milliseconds=1)
        assert await is_open(early)
        assert (await late.get("/admin/api/session")).status_code == 503
        console.clock.advance(minutes=1)
        assert (await early.get("/admin/api/session")).status_code == 401


async def test_what_ends_a_session_ends_it_in_memory_too(
    own_redis: RedisServer, hung: Callable[[], None], tmp_path: Path
) -> None:
    async with (
        open_console(own_redis, tmp_path) as console,
        console.operator() as out,
        console.operator() as changed,
    ):
        token = out.cookies["redrive"]
        assert await is_open(out)
        assert await is_open(changed)
        await out.post("/admin/api/logout")
        out.cookies.set("redrive", token)
        hung()
        assert (await out.get("/admin/api/session")).status_code == 503
        await console.services.accounts.put_user(USER, PASSWORD_HASH)
        assert (await changed.get("/admin/api/session")).status_code == 401


async def test_a_request_that_races_with_a_logout_does_not_remember_the_session(
    console: Console,
) -> None:
    memory = Memory()
    now = console.clock.now()
    session = Session(user=USER, epoch=1, created_at=now, used_at=now)
    before = memory.ends
    memory.forget("key")
    memory.keep("key", session, now, before)
    assert memory.recall("key", now) is None
    memory.keep("key", session, now, memory.ends)
    assert memory.recall("key", now) is not None
