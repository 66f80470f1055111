"""A connection to Redis that can be cut at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Stands between a client and a Redis on loopback; passes bytes on until told otherwise."""

    def __init__(self, port: int) -> None:
        self.reply_held = asyncio.Event()
        self._redis_port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lose_request = False
        self._lose_reply = False
        self._released = asyncio.Event()
        self._released.set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def lose_next_request(self) -> None:
        """The next request never reaches the server; its connection breaks."""
        self._lose_request = True

    def lose_next_reply(self) -> None:
        """The next request is carried out; its connection breaks instead of the reply."""
        self._lose_reply = True

    def hold_replies(self) -> None:
        """Replies stay here, and ``reply_held`` tells of the first, until :meth:`let_go`."""
        self._released.clear()

    def let_go(self) -> None:
        self._released.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", self._redis_port)
        both = [
            asyncio.create_task(self._pass_requests(reader, requests)),
            asyncio.create_task(self._pass_replies(answers, writer)),
        ]
        self._tasks.update(both)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        for end in (writer, requests):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self._lose_request:
                self._lose_request = False
                return
            writer.write(data)
            await writer.drain()

    async def _pass_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if not self._released.is_set():
                self.reply_held.set()
                await self._released.wait()
            # A server that does not know a script yet did nothing; its refusal is no reply.
            if self._lose_reply and not data.startswith(b"-NOSCRIPT"):
                self._lose_reply = False
                return
            writer.write(data)
            await writer.drain()
