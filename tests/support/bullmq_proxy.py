"""A connection to Redis that can be cut at a chosen moment."""

from __future__ import annotations

import asyncio

from tests.support.redis_proxy import RedisProxy


class CuttingProxy(RedisProxy):
    """Passes everything on until told otherwise."""

    def __init__(self, redis_port: int) -> None:
        super().__init__(redis_port)
        self.reply_held = asyncio.Event()
        self._lose_request = False
        self._lose_reply = False
        self._released = asyncio.Event()
        self._released.set()

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

    async def may_ask(self, request: bytes) -> bool:
        lost, self._lose_request = self._lose_request, False
        return not lost

    async def may_answer(self, reply: bytes) -> bool:
        if not self._released.is_set():
            self.reply_held.set()
            await self._released.wait()
        # A server that does not know a script yet did nothing; its refusal is no reply.
        if self._lose_reply and not reply.startswith(b"-NOSCRIPT"):
            self._lose_reply = False
            return False
        return True
