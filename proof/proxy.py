"""Between a runner and its queues' Redis: does the work, and drops the answer."""

from __future__ import annotations

import asyncio
import contextlib
import re
from types import TracebackType
from typing import Self

_RECEIPT = re.compile(rb"\$\d+\r\n\d{13}:[A-Z]+\r\n")


class ReplyEater:
    """Passes bytes on, but drops the replies to the next hand-overs, with their connections.

    After a dropped reply nothing passes, so that nobody can ask again, until :meth:`let_go`.
    """

    def __init__(self, redis_port: int, meals: int) -> None:
        self.eaten = asyncio.Event()
        self.meals_left = meals
        self._redis_port = redis_port
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def let_go(self) -> None:
        self.eaten.clear()
        self._passing.set()

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
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await self._passing.wait()
        with contextlib.suppress(OSError):
            answers, requests = await asyncio.open_connection("127.0.0.1", self._redis_port)
            both = [
                asyncio.create_task(self._pass_requests(reader, requests)),
                asyncio.create_task(self._pass_replies(answers, writer)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
                requests.close()
        writer.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()

    async def _pass_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.meals_left and _RECEIPT.match(data):
                self.meals_left -= 1
                self._passing.clear()
                self.eaten.set()
                return
            writer.write(data)
            await writer.drain()
