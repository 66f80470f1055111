"""The middle of Redrive, assembled on a ledger and a queue world, with room for faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from redrive.domain import (
    Actor,
    App,
    AppId,
    Batch,
    Entry,
    EntryFilter,
    EntryState,
    Item,
    Operation,
    OperationId,
    OperationKind,
    Scope,
    StartRequest,
    entry_id_of,
)
from redrive.follower import Follower
from redrive.ledger import (
    Database,
    SqlAccounts,
    SqlFollowerLedger,
    SqlOperationLedger,
    SqlReadingLedger,
    SqlTriageLedger,
    SqlUndoLedger,
)
from redrive.overview import Overview
from redrive.planning import Planning
from redrive.ports import Clock, Engine
from redrive.progress import RedisFollowerReports, RedisProgressStore
from redrive.recovery import OneResult, Recovery
from redrive.runner import Runner
from redrive.testing import Faults, ListOperationQueue
from redrive.undoing import Undoing
from redrive.wiring import SystemClock, connect_redis
from tests.support.counts import check_counts
from tests.support.judged import check_outcomes
from tests.support.manual_time import ManualTime

QUEUE = "mail"
OPERATOR = Actor(name="ada", origin="test")


class Rig:
    """One process of Redrive. Several rigs on one database and one engine are several."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        redis_url: str,
        *,
        faults: Faults | None = None,
        batch_size: int = 4,
        approval_over: int = 0,
        time: ManualTime | None = None,
    ) -> None:
        wrap = faults.wrap if faults is not None else lambda _name, real: real
        self.clock: Clock = SystemClock() if time is None else time
        self.database = database
        self.redis: Redis = connect_redis(redis_url)
        self.operations = wrap("ledger", SqlOperationLedger(database, self.clock, approval_over))
        self.undo_ledger = wrap("undo", SqlUndoLedger(database, self.clock))
        self.following = wrap("following", SqlFollowerLedger(database, self.clock))
        self.reading = SqlReadingLedger(database)
        self.triage = wrap("triage", SqlTriageLedger(database, self.clock, approval_over))
        self.accounts = SqlAccounts(database, self.clock)
        self.progress = wrap("progress", RedisProgressStore(self.redis))
        self.reports = RedisFollowerReports(self.redis)
        self.engine = wrap("engine", engine)
        self.queue = ListOperationQueue()
        engines = {engine.source: self.engine}
        self.recovery = Recovery(
            ledger=self.operations,
            engines=engines,
            progress=self.progress,
            queue=self.queue,
            clock=self.clock,
        )
        self.planning = Planning(ledger=self.triage, recovery=self.recovery, engines=engines)
        self.overview = Overview(
            reading=self.reading,
            operations=self.operations,
            accounts=self.accounts,
            engines=engines,
            progress=self.progress,
            reports=self.reports,
            clock=self.clock,
        )
        self.runner = Runner(
            ledger=self.operations,
            recovery=self.recovery,
            undoing=Undoing(ledger=self.undo_ledger, recovery=self.recovery, batch_size=batch_size),
            progress=self.progress,
            clock=self.clock,
            batch_size=batch_size,
            time=time,
        )
        self.follower = Follower(
            engine=self.engine,
            ledger=self.following,
            progress=self.progress,
            reports=self.reports,
            clock=self.clock,
        )

    async def close(self) -> None:
        await self.redis.aclose()

    def request(
        self,
        scope: Scope,
        kind: OperationKind = OperationKind.RETRY,
        **values: Any,
    ) -> StartRequest:
        return StartRequest(kind=kind, scope=scope, actor=OPERATOR, **values)

    async def start(
        self,
        scope: Scope | None = None,
        kind: OperationKind = OperationKind.RETRY,
        **values: Any,
    ) -> Operation:
        request = self.request(scope or Scope.everything(), kind, **values)
        operation, new = await self.recovery.start(request)
        assert new
        return operation

    def scope_of(self, job_id: str, *, app: str = "acme", queue: str = QUEUE) -> Scope:
        """One job's entry."""
        return Scope.of_entry(AppId(app), entry_id_of(self.engine.source, queue, job_id))

    async def act(
        self,
        job_id: str,
        kind: OperationKind = OperationKind.RETRY,
        *,
        app: str = "acme",
        queue: str = QUEUE,
    ) -> OneResult:
        """Retry or resync one job's entry by hand."""
        scope = self.scope_of(job_id, app=app, queue=queue)
        return await self.recovery.act_on_one(self.request(scope, kind))

    async def claim(self, operation_id: OperationId, limit: int) -> tuple[Operation, Batch]:
        """Take an operation over and claim a batch of it, as its runner does."""
        running = await self.operations.take_over(operation_id)
        assert running is not None
        batch = await self.operations.claim(running, limit)
        assert batch is not None
        return running, batch

    async def entry(self, job_id: str, queue: str = QUEUE) -> Entry:
        detail = await self.reading.entry(entry_id_of(self.engine.source, queue, job_id))
        assert detail is not None, f"the ledger does not know {job_id}"
        return detail.entry

    async def states(self) -> Counter[EntryState]:
        page = await self.reading.entries(EntryFilter(), None, 500, oldest_first=True)
        return Counter(entry.state for entry in page.items)

    async def items(self, operation_id: OperationId) -> list[Item]:
        return (await self.reading.items(operation_id, None, None, 500)).items

    async def operation(self, operation_id: OperationId) -> Operation:
        found = await self.operations.operation(operation_id)
        assert found is not None
        return found

    async def hear(self) -> None:
        """Let the follower hear until no outcome is told that it has not recorded. Of events that
        are none it need not have saved that it passed them."""
        while True:
            before = await self.following.cursors(self.engine.source, "outcomes")
            told = await self.engine.outcomes({QUEUE: before.get(QUEUE, "")}, 100_000, 0)
            if not any(outcomes for outcomes, _ in told.values()):
                return
            await self.follower.hear()

    async def check_counts(self) -> None:
        """The counters of apps, groups and operations are what a count of what they count says."""
        await check_counts(self.database)
        await check_outcomes(self.database)


MakeRig = Callable[..., Rig]
"""Another process of Redrive on the same ledger and queues, with :class:`Rig`'s own options."""


def check_adds_up(operation: Operation, items: Sequence[Item]) -> None:
    """A terminal operation's counts are those of its items, each with one reason."""
    assert operation.state.terminal
    states = Counter(item.state.value for item in items)
    assert states["claimed"] == 0
    assert all(item.reason is not None for item in items)
    assert states["requeued"] == operation.requeued
    assert states["skipped"] == operation.skipped
    assert states["errored"] == operation.errored
    assert states["dismissed"] == operation.dismissed
    assert states["released"] == operation.released
    assert operation.completed <= operation.total
    if operation.state.value == "completed":
        assert operation.completed == operation.total
    if operation.state.value == "failed":
        assert (operation.completed, operation.released) == (0, operation.total), operation.error
    outcomes = Counter(item.outcome.value for item in items if item.outcome is not None)
    assert outcomes["recovered"] == operation.recovered
    assert outcomes["failed_again"] == operation.failed_again
    assert outcomes["vanished"] == operation.vanished
    assert outcomes["waiting"] == operation.waiting
    assert sum(item.same_way is True for item in items) == operation.failed_same


async def app_named(rig: Rig, name: str) -> App:
    return await rig.overview.app(AppId(name))
