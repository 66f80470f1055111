"""The processes of one scenario, each started again when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from proof.plan import Fault, Part, Scenario
from proof.processes import Child, Forker
from proof.worker import node_worker
from redrive.cli.exit_codes import ExitCode
from redrive.faultpoints import VARIABLE

OnStop = Callable[[Child, Fault], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """A process ended before the end. ``fault`` is the step it died at, None if we killed it."""

    part: Part
    at: float
    fault: Fault | None


class Crew:
    """Starts the parts with their faults and keeps them running until :meth:`dismiss`.

    ``on_stop`` is called when a process has stopped at a step, and lets it go on.
    """

    def __init__(
        self,
        forker: Forker,
        folder: Path,
        environment: dict[str, str],
        scenario: Scenario,
        on_stop: OnStop,
        prepare: str | None,
    ) -> None:
        self.deaths: list[Death] = []
        self.stops: list[Fault] = []
        self.problems: list[str] = []
        self.record = folder / "record"
        self._forker = forker
        self._folder = folder
        self._environment = environment
        self._faults = scenario.faults
        self._in_node = scenario.node and node_worker() is not None
        self._refusals_allowed = scenario.database_dies
        self._on_stop = on_stop
        self._prepare = prepare
        self._lives: Counter[Part] = Counter()
        self._children: dict[asyncio.Task[None], tuple[Part, Child | None]] = {}
        self._over = False

    def take(
        self,
        part: Part,
        settings: dict[str, str] | None = None,
        *queues: str,
        prepare: str | None = None,
    ) -> None:
        """Have one more process of a part from now on; ``settings`` and ``prepare`` are its first
        life's own."""
        task = asyncio.create_task(self._keep(part, settings or {}, queues, prepare))
        self._children[task] = (part, None)

    def alive(self, part: Part) -> list[Child]:
        """The processes of a part that are there now."""
        return [
            child
            for one, child in self._children.values()
            if one is part and child is not None and child.alive
        ]

    def kill(self, part: Part) -> None:
        """SIGKILL to one process of a part, if there is one; it is started again."""
        for child in self.alive(part)[:1]:
            child.send(signal.SIGKILL)

    async def replace(self, part: Part) -> None:
        """Ask the processes of a part to stop; others take their places."""
        for child in self.alive(part):
            await child.ask_to_stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(child.ended), 20)

    async def dismiss(self) -> None:
        """Stop everything in order; who does not stop, or not cleanly, is a problem."""
        self._over = True
        for part, child in self._children.values():
            if child is not None and child.alive:
                code = await child.end()
                if not stopped_cleanly(part, code):
                    self.problems.append(f"{part} did not stop cleanly: {code}")
        for task in self._children:
            task.cancel()
        await asyncio.gather(*self._children, return_exceptions=True)

    async def _keep(
        self,
        part: Part,
        settings: dict[str, str],
        queues: tuple[str, ...],
        prepare: str | None,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        own = settings
        while not self._over:
            self._lives[part] += 1
            life = self._lives[part]
            faults = [fault for fault in self._faults if (fault.part, fault.life) == (part, life)]
            child = await self._start(part, own, faults, queues, prepare or self._prepare)
            self._children[task] = (part, child)
            watching = asyncio.create_task(self._watch_stops(child, faults))
            code = await asyncio.shield(child.ended)
            watching.cancel()
            self._note_end(part, child, code, faults)
            own, prepare = {}, None

    async def _start(
        self,
        part: Part,
        own: dict[str, str],
        faults: list[Fault],
        queues: tuple[str, ...],
        prepare: str | None,
    ) -> Child:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "TZ"))}
        environment = {**kept, **self._environment, **own}
        if faults:
            environment[VARIABLE] = ",".join(fault.text for fault in faults)
        log = self._folder / f"{part}.log"
        if part is Part.WORKER:
            arguments = ["worker", environment["REDRIVE_REDIS_URL"], str(self.record), *queues]
            main = "main_in_node" if self._in_node else "main"
            return await self._forker.start(f"proof.worker:{main}", arguments, environment, log)
        return await self._forker.start(
            "redrive.cli:main", ["redrive", part.value], environment, log, prepare
        )

    async def _watch_stops(self, child: Child, faults: list[Fault]) -> None:
        waiting = [fault for fault in faults if fault.meanwhile is not None]
        for fault in waiting:
            await child.stopped.wait()
            self.stops.append(fault)
            await self._on_stop(child, fault)
            child.go_on()

    def _note_end(self, part: Part, child: Child, code: int, faults: list[Fault]) -> None:
        if self._over:
            return
        killers = [fault for fault in faults if fault.meanwhile is None]
        if code == -signal.SIGKILL and (child.killed_by_us or killers):
            fault = None if child.killed_by_us else killers[0]
            self.deaths.append(Death(part=part, at=time.time(), fault=fault))
        elif code == ExitCode.UNAVAILABLE and self._refusals_allowed:
            return  # it does not start without its database, and is started again
        elif code != 0:
            self.problems.append(f"{part} ended by itself with {code}")


def stopped_cleanly(part: Part, code: int) -> bool:
    """Whether a process that was asked to stop did so as it should. A worker in Node.js, which
    handles the signal long before its own code does, may not have begun to work."""
    return code == 0 or (part is Part.WORKER and code == -signal.SIGTERM)


def environment_of(
    folder: Path, ledger_url: str, redis_url: str, port: int, scenario: Scenario
) -> dict[str, str]:
    """The settings that all parts share."""
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "REDRIVE_DATA_DIR": str(folder / "data"),
        "REDRIVE_DATABASE_URL": ledger_url,
        "REDRIVE_REDIS_URL": redis_url,
        "REDRIVE_PORT": str(port),
        "REDRIVE_BATCH_SIZE": str(scenario.batch_size),
        "REDRIVE_APPROVAL_OVER": str(scenario.approval_over),
        "REDRIVE_LOG_FORMAT": "json",
    }


def source_at(url: str) -> dict[str, str]:
    """The settings of a part that reaches the queues another way."""
    return {"REDRIVE_SOURCES": json.dumps([{"url": url}])}
