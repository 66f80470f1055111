"""Between a process and its queues' Redis: does the work, and drops the answer."""

from __future__ import annotations

import asyncio
import re

from tests.support.redis_proxy import RedisProxy

_RECEIPT = re.compile(rb"\$\d+\r\n\d{13}:[A-Z]+\r\n")


class ReplyEater(RedisProxy):
    """Passes bytes on, but from :meth:`begin_to_eat` on drops the replies to the next hand-overs,
    with their connections.

    After a dropped reply nothing passes, so that nobody can ask again, until :meth:`let_go`.
    """

    def __init__(self, redis_port: int, meals: int) -> None:
        super().__init__(redis_port)
        self.eaten = asyncio.Event()
        self.meals_left = meals
        self._eating = False
        self._passing = asyncio.Event()
        self._passing.set()

    def begin_to_eat(self) -> None:
        self._eating = True

    def stop_eating(self) -> int:
        """Drop nothing any more; returns how many replies were still to be dropped."""
        left, self.meals_left = self.meals_left, 0
        return left

    def let_go(self) -> None:
        self.eaten.clear()
        self._passing.set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self._passing.wait()
        return await super().connect()

    async def may_ask(self, request: bytes) -> bool:
        await self._passing.wait()
        return True

    async def may_answer(self, reply: bytes) -> bool:
        if self._eating and self.meals_left and _RECEIPT.match(reply):
            self.meals_left -= 1
            self._passing.clear()
            self.eaten.set()
            return False
        return True
