"""The processes of one proof: started by the forker, watched, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.processes import catches

_TICK_SECONDS = 0.01


@dataclass(eq=False)
class Child:
    """One started process. ``ended`` has its exit code, negative if a signal ended it."""

    pid: int
    ended: asyncio.Future[int]
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    killed_by_us: bool = False

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.alive:
            self.killed_by_us = self.killed_by_us or number is signal.SIGKILL
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def go_on(self) -> None:
        """Continue a stopped process."""
        self.stopped.clear()
        self.send(signal.SIGCONT)

    async def ask_to_stop(self, seconds: float = 20) -> None:
        """Send SIGTERM once the process handles it: before, it would just die of it. One that
        does not within ``seconds`` is sent it all the same, and its exit code tells."""
        deadline = time.monotonic() + seconds
        while self.alive and not catches(self.pid, signal.SIGTERM):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_TICK_SECONDS)
        self.send(signal.SIGTERM)

    async def end(self, seconds: float = 20) -> int:
        """Ask it to stop, and kill it if it does not; returns its exit code."""
        self.go_on()
        await self.ask_to_stop()
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), seconds)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.ended
            return 1000  # it had to be killed: no exit code of its own


class Forker:
    """The running ``proof.forker``; out of the terminal's reach, it ends when it is left."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._children: dict[int, Child] = {}
        self._starting: asyncio.Queue[Child] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proof.forker"),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        assert self._reading is not None
        await self._reading

    async def start(
        self,
        main: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        prepare: str | None = None,
    ) -> Child:
        """Start ``module:function`` as a process of its own."""
        request: dict[str, Any] = {
            "main": main,
            "arguments": list(arguments),
            "environment": dict(environment),
            "log": str(log),
            "prepare": prepare,
        }
        assert self._process is not None
        assert self._process.stdin is not None
        async with self._one_at_a_time:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdin.drain()
            return await self._starting.get()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            self._hear(said["pid"], said["event"], said["code"])

    def _hear(self, pid: int, event: str, code: int | None) -> None:
        if event == "started":
            child = Child(pid, asyncio.get_running_loop().create_future())
            self._children[pid] = child
            self._starting.put_nowait(child)
        elif event == "stopped":
            self._children[pid].stopped.set()
        elif code is not None:
            self._children.pop(pid).ended.set_result(code)
