"""The console behind a real socket: streams and stopping."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from redrive import wire
from redrive.domain import OperationState
from redrive.web import listen, serve
from tests.support.servers import free_port
from tests.web.support import PASSWORD_HASH, USER, Console, log_in, settings_of
from tests.web.test_verdict import complete

ANY_PORT = settings_of(host="127.0.0.1").model_copy(update={"port": 0})


@dataclass(frozen=True, kw_only=True)
class Running:
    """A console that serves on a port of its own."""

    client: httpx.AsyncClient
    stop: asyncio.Event
    serving: asyncio.Task[None]


@pytest.fixture
async def running(console: Console) -> AsyncIterator[Running]:
    listener = listen(ANY_PORT)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(console.app, console.services.settings, stop=stop, listener=listener)
    )
    async with httpx.AsyncClient(base_url=base_url, timeout=20) as client:
        (await log_in(client)).raise_for_status()
        yield Running(client=client, stop=stop, serving=serving)
    stop.set()
    await serving


Events = AsyncIterator[wire.BulkProgressResponse]


@asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, operation_id: str, **params: str
) -> AsyncIterator[Events]:
    path = f"/admin/api/retry/progress/{operation_id}/stream"
    async with client.stream("GET", path, params=params) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"

        async def events() -> Events:
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    assert name == "progress"
                    data = json.loads(line.removeprefix("data: "))
                    yield wire.BulkProgressResponse.model_validate(data)

        yield events()


async def start(console: Console, client: httpx.AsyncClient) -> str:
    for number in range(3):
        await console.fail(str(number))
    response = await client.post("/admin/api/retry/all")
    operation_id: str = response.json()["data"]["operation_id"]
    return operation_id


async def rest_of(events: Events) -> list[wire.BulkProgressResponse]:
    async with asyncio.timeout(20):
        return [event async for event in events]


async def test_a_stream_tells_the_progress_to_the_end_and_ends(
    console: Console, running: Running
) -> None:
    operation_id = await start(console, running.client)
    async with streaming(running.client, operation_id) as events:
        first = await anext(events)
        assert (first.state, first.completed, first.total) == (OperationState.QUEUED, 0, 3)
        await console.run(operation_id)
        told = await rest_of(events)
    assert (told[-1].state, told[-1].succeeded) == (OperationState.COMPLETED, 3)


async def test_a_stream_until_the_verdict_goes_on_until_it_is_final(
    console: Console, running: Running
) -> None:
    operation_id = await start(console, running.client)
    await console.run(operation_id)
    async with streaming(running.client, operation_id, until="verdict") as events:
        first = await anext(events)
        assert (first.state, first.phase, first.waiting) == ("completed", "observing", 3)
        await complete(console, "0", "1")
        second = await anext(events)
        assert (second.phase, second.recovered, second.waiting) == ("observing", 2, 1)
        await console.fail("2")
        told = await rest_of(events)
    assert [(event.phase, event.failed_again) for event in told] == [("completed", 1)]


async def test_a_stream_until_the_verdict_ends_with_the_time_to_observe(
    console: Console, running: Running
) -> None:
    operation_id = await start(console, running.client)
    await console.run(operation_id)
    async with streaming(running.client, operation_id, until="verdict") as events:
        assert (await anext(events)).phase == "observing"
        console.clock.advance(minutes=1)
        console.services.overview.observe_for = timedelta(0)
        told = await rest_of(events)
    assert [(event.phase, event.waiting) for event in told] == [("completed", 3)]


async def test_a_stream_until_something_else_is_refused(operator: httpx.AsyncClient) -> None:
    path = "/admin/api/retry/progress/op_1/stream"
    for given in ({"until": "never"}, {"untill": "verdict"}):
        response = await operator.get(path, params=given)
        assert response.status_code == 422


async def test_a_stream_of_a_finished_operation_tells_it_once(
    console: Console, running: Running
) -> None:
    operation_id = await start(console, running.client)
    await console.run(operation_id)
    async with streaming(running.client, operation_id) as events:
        told = await rest_of(events)
    assert [event.state for event in told] == [OperationState.COMPLETED]


@pytest.mark.parametrize("end", ["logout", "changed password"])
async def test_a_stream_ends_with_its_session(console: Console, running: Running, end: str) -> None:
    operation_id = await start(console, running.client)
    async with streaming(running.client, operation_id) as events:
        await anext(events)
        if end == "logout":
            await running.client.post("/admin/api/logout")
        else:
            await console.services.accounts.put_user(USER, PASSWORD_HASH)
        assert await rest_of(events) == []


async def test_a_client_that_goes_away_leaves_nothing_behind(
    console: Console, running: Running
) -> None:
    operation_id = await start(console, running.client)
    async with streaming(running.client, operation_id) as events:
        await anext(events)
        with console.server.client() as redis:
            assert redis.pubsub_channels("redrive:operation:*")
    async with asyncio.timeout(20):
        with console.server.client() as redis:
            while redis.pubsub_channels("redrive:operation:*"):  # noqa: ASYNC110 - Redis says when
                await asyncio.sleep(0.01)


async def test_stopping_ends_streams_and_gives_the_port_back(
    console: Console, running: Running
) -> None:
    operation_id = await start(console, running.client)
    async with streaming(running.client, operation_id) as events:
        await anext(events)
        running.stop.set()
        assert await rest_of(events) == []
    async with asyncio.timeout(20):
        await running.serving
    with pytest.raises(httpx.ConnectError):
        await running.client.get("/healthz")


async def test_the_server_does_not_say_what_it_is(running: Running) -> None:
    assert "server" not in (await running.client.get("/healthz")).headers


def test_a_taken_port_is_told_before_anything_is_started() -> None:
    with listen(ANY_PORT) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen(settings_of(host="127.0.0.1", port=port))


def test_an_answer_does_not_wait_for_the_client_to_acknowledge_its_beginning() -> None:
    settings = settings_of(port=free_port())
    with listen(settings) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
