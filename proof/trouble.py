"""What goes wrong while the operator acts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from proof.crew import Crew
from proof.plan import Fault, Kill, Meanwhile, Outage, Part
from proof.processes import Child
from proof.stage import Stage, WaitedInVainError

_LOST_SECONDS = 0.7
_PATIENCE_SECONDS = 25.0
_INLINE_SECONDS = 30.5
"""For so long a runner's sweep leaves a single retry to its console."""

_TAKE_OVER_SECONDS = 60.0
_TAKEN_OVER = (Meanwhile.LEASE, Meanwhile.SWEPT)


class Trouble:
    """Carries out a scenario's faults, kills, outages and eaten replies."""

    def __init__(self, stage: Stage) -> None:
        self._begun: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._stage = stage
        self._crew: Crew | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._momentous: list[asyncio.Task[None]] = []
        self._striking: set[asyncio.Task[None] | None] = set()

    def begin(self, crew: Crew) -> None:
        """Let it come, for this crew."""
        self._crew = crew
        for kill in self._stage.scenario.kills:
            task = asyncio.create_task(self._hurt(kill))
            self._tasks.append(task)
            if kill.at is not None:
                self._momentous.append(task)
        self._tasks.append(asyncio.create_task(self._feed()))

    def act_begins(self, number: int) -> None:
        """Say that the operator begins an act, counted from 0: from then on its kills are timed,
        and replies eaten."""
        self._begun[number].set()
        if number == self._stage.scenario.eaten_in_act:
            self._stage.eater.begin_to_eat()

    async def of_the_moment(self) -> None:
        """Wait until what comes at a moment of an operation has come."""
        await asyncio.gather(*self._momentous)

    async def end(self) -> None:
        """Wait for what is under way; what has not come yet does not come any more."""
        *kills, feeding = self._tasks
        feeding.cancel()
        await asyncio.gather(*kills)
        self._stage.uneaten = self._stage.eater.stop_eating()
        self._stage.eater.let_go()

    async def abandon(self) -> None:
        """Let nothing more come; a strike that has begun ends first, so that its store is back."""
        for task in self._tasks:
            if task not in self._striking:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def when_stopped(self, child: Child, fault: Fault) -> None:
        """A process has stopped at a step: do what is to be done before it goes on.

        It may sleep in the middle of a transaction of another of its tasks, with the locks that
        the others need; so it goes on after a while whatever has been achieved. One that was not
        taken over from has slept in vain.
        """
        bound = _TAKE_OVER_SECONDS if fault.meanwhile in _TAKEN_OVER else _PATIENCE_SECONDS
        patience = min(bound, self._stage.scenario.patience)
        try:
            await asyncio.wait_for(self._meanwhile(child, fault), patience)
        except (WaitedInVainError, TimeoutError):
            if fault.meanwhile in _TAKEN_OVER:
                self._stage.vain.append(fault)

    async def _meanwhile(self, child: Child, fault: Fault) -> None:
        await self._begun[0].wait()
        assert self._crew is not None
        stage = self._stage
        match fault.meanwhile:
            case Meanwhile.CANCEL | Meanwhile.UNDO:
                undo = fault.meanwhile is Meanwhile.UNDO
                for operation_id, _ in await stage.ledger.open_operations() or ():
                    await stage.operator.cancel(operation_id, undo=undo)
            case Meanwhile.OTHER_TOOL:
                await stage.retry_by_other_tool(unseen=True)
            case Meanwhile.LEASE:
                await self._until_taken_over()
            case Meanwhile.OTHER_STOPS:
                self._crew.take(Part.RUNNER)
                await stage.until(self._another_stopped(child), "another")
            case Meanwhile.THE_END:
                await stage.until(stage.quiet, "the end")
            case Meanwhile.ADDED_AGAIN:
                await stage.add_jobs(job for job in stage.scenario.jobs if job.dropped)
            case Meanwhile.DONE_ELSEWHERE:
                await stage.do_elsewhere()
            case Meanwhile.SWEPT:
                await asyncio.sleep(_INLINE_SECONDS)
                self._crew.take(Part.RUNNER)
                await stage.until(stage.quiet, "a runner ends the single retry")
            case Meanwhile.WORK:
                await stage.until(stage.ledger.has_operations, "an operation begins")
                await stage.until(stage.quiet, "the end")
                await stage.until(stage.drained, "work")

    async def _until_taken_over(self) -> None:
        """Another runner comes, takes every open operation over, and ends it."""
        assert self._crew is not None
        before = dict(await self._stage.ledger.open_operations() or ())
        self._crew.take(Part.RUNNER)

        async def taken_over() -> bool:
            now = dict(await self._stage.ledger.open_operations() or ())
            return all(now.get(key, epoch + 1) > epoch for key, epoch in before.items())

        await self._stage.until(taken_over, "another runner takes over")

    def _another_stopped(self, child: Child) -> Callable[[], Awaitable[bool]]:
        crew = self._crew
        assert crew is not None

        async def stopped() -> bool:
            return any(
                other.stopped.is_set() for other in crew.alive(Part.RUNNER) if other is not child
            )

        return stopped

    async def _hurt(self, kill: Kill) -> None:
        assert self._crew is not None
        await self._begun[kill.act].wait()
        await asyncio.sleep(kill.after)
        try:
            if kill.at is not None:
                await self._stage.until(self._stage.comes_to(kill.at), kill.at)
            self._striking.add(asyncio.current_task())
            if isinstance(kill.what, Outage):
                self._stage.outages.append(time.time())
            await self._strike(self._crew, kill.what)
        except Exception as error:
            self._stage.problems.append(f"{kill}: {type(error).__name__}: {error}")

    async def _strike(self, crew: Crew, what: Part | Outage) -> None:
        match what:
            case Part():
                crew.kill(what)
            case Outage.REDIS_KILLED:
                await self._stage.redis.kill_and_restart()
                crew.kill(Part.WORKER)
            case Outage.REDIS_LOST:
                self._stage.losses.append(await self._stage.redis.lose(_LOST_SECONDS))
                crew.kill(Part.WORKER)
            case Outage.POSTGRES_KILLED:
                await self._stage.ledgers.kill_and_restart()

    async def _feed(self) -> None:
        """After an eaten reply the jobs that were moved run to their ends before the repeat."""
        while True:
            await self._stage.eater.eaten.wait()
            self._stage.outages.append(time.time())
            with contextlib.suppress(WaitedInVainError):
                await self._stage.until(self._stage.drained, "work", _PATIENCE_SECONDS)
            self._stage.eater.let_go()
