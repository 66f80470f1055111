"""Where a scenario is played: its stores, its processes, and the ways to look at them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bullmq import Job, Queue

from proof.balance import disagreements
from proof.console import Operator
from proof.looking import EngineView, LedgerView
from proof.observed import EntrySeen, Loss
from proof.plan import Fault, JobPlan, Moment, Scenario
from proof.proxy import ReplyEater
from proof.stores import APPROVER, KillableRedis, Ledgers
from proof.told import wrong_progress
from redrive.domain import APPROVAL, OperationState
from tests.support.servers import free_port

_TICK_SECONDS = 0.03
_KEEPS_NOTHING = {"removeOnComplete": True, "removeOnFail": True}


class WaitedInVainError(Exception):
    """Something that had to happen did not, within its bound."""


@dataclass(kw_only=True)
class Stage:
    """One scenario's parts, and a notebook of what went wrong and when."""

    scenario: Scenario
    folder: Path
    ledgers: Ledgers
    ledger_url: str
    redis: KillableRedis
    ledger: LedgerView
    engine: EngineView
    operator: Operator
    approver: Operator
    eater: ReplyEater
    console_port: int
    problems: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    uneaten: int = 0
    vain: list[Fault] = field(default_factory=list)
    progress: dict[str, dict[str, Any]] | None = None

    async def until(
        self, condition: Callable[[], Awaitable[bool]], what: str, seconds: float | None = None
    ) -> None:
        """Wait until it holds. Raises WaitedInVainError."""
        seconds = self.scenario.patience if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while not await condition():
            if time.monotonic() > deadline:
                raise WaitedInVainError(f"waited {seconds:.0f} seconds in vain: {what}")
            await asyncio.sleep(_TICK_SECONDS)

    async def drained(self) -> bool:
        """Whether the workers have nothing to do."""
        return self.engine.unfinished() == 0

    async def quiet(self) -> bool:
        """Whether no operation is open."""
        return await self.ledger.open_operations() == []

    async def resumed_and_quiet(self) -> bool:
        """Whether no operation is open; those that are paused are resumed.

        Who started one that waits for approval cannot resume it: another person does.
        """
        for operation_id, paused_by in await self.ledger.paused():
            person = self.approver if paused_by == APPROVAL else self.operator
            await person.resume(operation_id)
        return await self.quiet()

    async def runs_or_ends(self, operation_id: str) -> bool:
        """Whether a runner has the operation, or it is over."""
        queued = await self.ledger.in_state(OperationState.QUEUED)
        return operation_id not in queued

    def comes_to(self, moment: Moment) -> Callable[[], Awaitable[bool]]:
        """Whether an operation is in that state."""

        async def come() -> bool:
            return await self.ledger.at_moment(moment)

        return come

    async def restore(self, dismissed: Iterable[EntrySeen]) -> None:
        """Take dismissals back, one by one."""
        for entry in dismissed:
            await self.operator.restore(*entry.job, entry.app_id)

    async def all_failed(self) -> bool:
        """Whether every job has failed in the engine."""
        return self.engine.failed_count() == len(self.scenario.jobs)

    async def all_known(self) -> bool:
        """Whether the ledger knows every job."""
        return await self.ledger.failures() == len(self.scenario.jobs)

    async def at_rest(self) -> bool:
        """Whether nothing is open or under way, and ledger and engine know the same failures.

        What has vanished is at rest too.
        """
        if not (await self.quiet() and await self.drained()):
            return False
        if await self.ledger.unsettled() != 0:
            return False
        entries = [one for one in await self.ledger.entries() if one.state != "vanished"]
        failed = self.engine.failed()
        return not disagreements(self.scenario.jobs, entries, failed, self.losses)

    async def told_as_counted(self) -> bool:
        """Whether the console tells of every operation what the ledger counts."""
        over = await self.ledger.operations()
        self.progress = {
            one.operation_id: await self.operator.progress(one.operation_id) for one in over
        }
        return not any(wrong_progress(one, self.progress[one.operation_id]) for one in over)

    async def add_jobs(self, jobs: Iterable[JobPlan]) -> None:
        by_queue: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
        for job in jobs:
            by_queue[job.queue].append(_added(job))
        for name, added in by_queue.items():
            async with self._queue(name) as queue:
                await queue.addBulk(added)

    async def drop_jobs(self) -> None:
        """Remove the jobs that their queue would have forgotten by now."""
        for plan in self.scenario.jobs:
            if plan.dropped:
                async with self._queue(plan.queue) as queue:
                    await (await Job.fromId(queue, plan.job_id)).remove()

    async def retry_by_other_tool(self, *, unseen: bool) -> None:
        """Put failed jobs back with the library's own means, and wait for what becomes of them.

        Not ``unseen``, the queues are paused until the ledger has noticed.
        """
        for name in self.scenario.queues:
            async with self._queue(name) as queue:
                if not unseen:
                    await queue.pause()
                for failed_in, job_id in self.engine.failed():
                    if failed_in == name:
                        with contextlib.suppress(Exception):  # it may have been moved meanwhile
                            await (await Job.fromId(queue, job_id)).retry("failed")
        if not unseen:
            await self.until(self._noticed, "the ledger notices what another tool did")
            for name in self.scenario.queues:
                async with self._queue(name) as queue:
                    await queue.resume()
        await self.until(self.drained, "what another tool retried is worked off")

    async def do_elsewhere(self) -> None:
        """Add the jobs again that their queue has forgotten; they complete and are removed."""
        await self.add_jobs(
            replace(job, fails_through=-1, options=_KEEPS_NOTHING, work_millis=2)
            for job in self.scenario.jobs
            if job.dropped
        )
        await self.until(self.drained, "what was added again is worked off")

    async def _noticed(self) -> bool:
        return self.engine.unfinished() == await self.ledger.unsettled()

    @contextlib.asynccontextmanager
    async def _queue(self, name: str) -> AsyncIterator[Queue]:
        queue = Queue(name, {"connection": self.redis.server.url})
        try:
            yield queue
        finally:
            await queue.close()


def _added(job: JobPlan) -> dict[str, object]:
    return {
        "name": "deliver",
        "data": {
            "app_id": job.app_id,
            "fails_through": job.fails_through,
            "work_millis": job.work_millis,
        },
        "opts": {"jobId": job.job_id, **job.options},
    }


@contextlib.asynccontextmanager
async def open_stage(scenario: Scenario, ledgers: Ledgers, folder: Path) -> AsyncIterator[Stage]:
    """Stores of its own, empty, for one scenario; ended with the block."""
    async with contextlib.AsyncExitStack() as stack:
        if scenario.database_dies:
            await stack.enter_async_context(ledgers.killing)
        url = await ledgers.create(scenario.backend, folder, doomed=scenario.database_dies)
        if scenario.database_dies:
            stack.push_async_callback(ledgers.discard, url)
        redis = KillableRedis(folder / "redis", loses=scenario.loses)
        await redis.start()
        stack.push_async_callback(redis.stop)
        port = free_port()
        ledger = LedgerView(url)
        stack.push_async_callback(ledger.close)
        engine = EngineView(redis.server.port, scenario.queues)
        stack.callback(engine.close)
        operator = Operator(port)
        stack.push_async_callback(operator.close)
        approver = Operator(port, APPROVER)
        stack.push_async_callback(approver.close)
        eater = await stack.enter_async_context(ReplyEater(redis.server.port, scenario.eaten))
        yield Stage(
            scenario=scenario,
            folder=folder,
            ledgers=ledgers,
            ledger_url=url,
            redis=redis,
            ledger=ledger,
            engine=engine,
            operator=operator,
            approver=approver,
            eater=eater,
            console_port=port,
        )
