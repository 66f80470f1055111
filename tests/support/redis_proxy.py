"""Between a client and a Redis on loopback: bytes pass, unless a subclass decides otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from typing import Self


class RedisProxy(ABC):
    """Asks before each piece of a connection passes; a piece that may not pass ends it."""

    def __init__(self, redis_port: int) -> None:
        self._redis_port = redis_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    @abstractmethod
    async def may_ask(self, request: bytes) -> bool:
        """Whether a request reaches the server."""

    @abstractmethod
    async def may_answer(self, reply: bytes) -> bool:
        """Whether a reply reaches the client."""

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """The server's side of a new connection."""
        return await asyncio.open_connection("127.0.0.1", self._redis_port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with contextlib.suppress(OSError):
                await self._pass_both_ways(reader, writer)
        finally:
            await _close(writer)

    async def _pass_both_ways(self, reader: StreamReader, writer: StreamWriter) -> None:
        answers, requests = await self.connect()
        both = [
            asyncio.create_task(_pass(reader, requests, self.may_ask)),
            asyncio.create_task(_pass(answers, writer, self.may_answer)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await _close(requests)
            await asyncio.gather(*both, return_exceptions=True)


async def _pass(
    reader: StreamReader, writer: StreamWriter, may_pass: Callable[[bytes], Awaitable[bool]]
) -> None:
    while data := await reader.read(65536):
        if not await may_pass(data):
            return
        writer.write(data)
        await writer.drain()


async def _close(writer: StreamWriter) -> None:
    """Close before anything is awaited: whoever is cancelled here has closed all the same."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
