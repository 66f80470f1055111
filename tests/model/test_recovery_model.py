"""Any interleaving of failures, retries, cancels, outcomes and crashes keeps the invariants."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from sqlalchemy import select

from redrive.domain import (
    Answer,
    AppId,
    EntryFilter,
    ItemState,
    JobId,
    JobState,
    OperationKind,
    RequeueBatch,
    RequeueItem,
    RequeueResult,
    Scope,
)
from redrive.errors import Conflict, EngineUnavailable, HandOverPending, NotFound, StaleRunner
from redrive.ledger import Database
from redrive.ledger.schema import entries, items
from redrive.testing import Crash, Faults, InMemoryEngine
from tests.support.ledgers import LedgerTemplates
from tests.support.machines import run_machine
from tests.support.rig import OPERATOR, QUEUE, Rig, check_adds_up
from tests.support.servers import RedisServer

T = TypeVar("T")

APPS = ("acme", "zenith")
JOBS = ("acme-0", "acme-1", "acme-2", "zenith-0")
STEPS = [
    ("ledger", "take_over"),
    ("ledger", "claim"),
    ("engine", "requeue"),
    ("engine", "withhold"),
    ("ledger", "settle"),
    ("ledger", "finish"),
    ("ledger", "start_single"),
    ("progress", "write"),
]
jobs = st.sampled_from(JOBS)
kinds = st.sampled_from(OperationKind)
steps = st.sampled_from(STEPS)
counts = st.integers(1, 2)
errors = st.sampled_from(("the provider is down", "there is no such mailbox"))


class CountingEngine(InMemoryEngine):
    """Remembers how often each job was really moved, and how it failed under which hand-over."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: Counter[tuple[str, str]] = Counter()
        self.errors: dict[tuple[str, datetime], str] = {}
        self.errors_after: defaultdict[tuple[str, str, int], set[str]] = defaultdict(set)

    def fail(
        self, queue: str, job_id: str, error: str = "boom", *, at: datetime | None = None
    ) -> datetime:
        failed_at = super().fail(queue, job_id, error, at=at)
        self.errors[job_id, failed_at] = error
        job = self.job(queue, job_id)
        if job is not None and job.stamp is not None:
            stamp = job.stamp
            self.errors_after[job_id, stamp.operation_id, stamp.generation].add(error)
        return failed_at

    def _move(self, batch: RequeueBatch, item: RequeueItem) -> RequeueResult:
        return self._counted(batch, super()._move(batch, item))

    def _rebuild(self, batch: RequeueBatch, item: RequeueItem, *more: Any) -> RequeueResult:
        result = super()._rebuild(batch, item, *more)
        return self._counted(batch, result) if result.answer is Answer.RECREATED else result

    def _counted(self, batch: RequeueBatch, result: RequeueResult) -> RequeueResult:
        if result.answer.moved:
            self.moves[(batch.operation_id, result.job_id)] += 1
        return result


class RecoveryMachine(RuleBasedStateMachine):
    """Producers, workers, other tools, operators, runners and crashes, in any order."""

    template: Path
    redis: RedisServer

    @initialize()
    def assemble(self) -> None:
        self.loop = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="redrive-model-"))
        shutil.copy(self.template, self.folder / "ledger.db")
        self.database = Database(f"sqlite:///{self.folder / 'ledger.db'}")
        self.engine = self.loop.run(self._engine())
        self.rig = self._rig()
        for job in JOBS:
            self.engine.add(QUEUE, job, app_id=job.split("-")[0], forgets=job == "acme-2")
            self.engine.fail(QUEUE, job)
        self.the_follower_scans()

    async def _engine(self) -> CountingEngine:
        return CountingEngine()

    def _rig(self, faults: Faults | None = None) -> Rig:
        return Rig(self.database, self.engine, self.redis.url, faults=faults, batch_size=2)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def state_of(self, job: str) -> JobState | None:
        held = self.engine.job(QUEUE, job)
        return None if held is None else held.state

    @rule(job=jobs, forgets=st.booleans(), error=errors)
    def a_job_fails(self, job: str, forgets: bool, error: str) -> None:
        if self.state_of(job) is None:
            self.engine.add(QUEUE, job, app_id=job.split("-")[0], forgets=forgets)
        if self.state_of(job) in (JobState.WAITING, JobState.ACTIVE):
            self.engine.fail(QUEUE, job, error)

    @rule(job=jobs, keep=st.booleans())
    def a_job_completes(self, job: str, keep: bool) -> None:
        if self.state_of(job) in (JobState.WAITING, JobState.ACTIVE):
            self.engine.complete(QUEUE, job, keep=keep)

    @rule(fails=st.booleans(), error=errors)
    def workers_run_everything(self, fails: bool, error: str) -> None:
        for job in JOBS:
            if fails:
                self.a_job_fails(job, forgets=False, error=error)
            else:
                self.a_job_completes(job, keep=False)

    @rule(job=jobs)
    def a_worker_takes_a_job(self, job: str) -> None:
        if self.state_of(job) is JobState.WAITING:
            self.engine.start(QUEUE, job)

    @rule(job=jobs)
    def somebody_removes_a_failed_job(self, job: str) -> None:
        if self.state_of(job) is JobState.FAILED:
            self.engine.remove(QUEUE, job)

    @rule(job=jobs)
    def somebody_retries_a_failed_job_elsewhere(self, job: str) -> None:
        if self.state_of(job) is JobState.FAILED:
            self.engine.retry_elsewhere(QUEUE, job)

    @rule()
    def the_next_reply_is_lost(self) -> None:
        self.engine.lose_reply()

    @rule()
    def the_follower_scans(self) -> None:
        self.run(self.rig.follower.scan())

    @rule()
    def the_follower_hears(self) -> None:
        self.run(self.rig.hear())

    @rule()
    def the_follower_checks(self) -> None:
        self.run(self.rig.follower.check())

    @rule(job=jobs, kind=kinds)
    def an_operator_acts_on_one(self, job: str, kind: OperationKind) -> None:
        self._act(self.rig, job, kind)

    @rule(job=jobs, kind=kinds, step=st.sampled_from(STEPS), after=st.booleans())
    def acting_on_one_crashes(
        self, job: str, kind: OperationKind, step: tuple[str, str], after: bool
    ) -> None:
        doomed = self._rig(Faults(*step, when="after" if after else "before"))
        with contextlib.suppress(Crash):
            self._act(doomed, job, kind)
        self.run(doomed.close())

    def _act(self, rig: Rig, job: str, kind: OperationKind) -> None:
        with contextlib.suppress(Conflict, NotFound, HandOverPending, EngineUnavailable):
            self.run(rig.act(job, kind, app=job.split("-")[0]))

    @rule(kind=kinds, app=st.sampled_from((None, *APPS)))
    def an_operator_starts_a_bulk(self, kind: OperationKind, app: str | None) -> None:
        scope = Scope.everything() if app is None else Scope.of_app(AppId(app))
        with contextlib.suppress(Conflict, NotFound):
            self.run(self.rig.start(scope, kind))

    def _open(self) -> list[Any]:
        return self.run(self.rig.operations.open_operations())

    @rule()
    def a_runner_works(self) -> None:
        for operation in self._open():
            self.run(self.rig.runner.run(operation.operation_id))

    @rule(
        kind=kinds,
        app=st.sampled_from((None, *APPS)),
        step=steps,
        nth=counts,
        after=st.booleans(),
    )
    def a_bulk_starts_and_its_runner_crashes(
        self, kind: OperationKind, app: str | None, step: tuple[str, str], nth: int, after: bool
    ) -> None:
        self.an_operator_starts_a_bulk(kind, app)
        self.a_runner_crashes(step, nth, after)

    @rule(step=steps, nth=counts, after=st.booleans())
    def a_runner_crashes(self, step: tuple[str, str], nth: int, after: bool) -> None:
        for operation in self._open():
            doomed = self._rig(Faults(*step, nth, when="after" if after else "before"))
            try:
                self.run(doomed.runner.run(operation.operation_id))
            except* Crash:
                pass
            self.run(doomed.close())

    @precondition(lambda self: bool(self._open()))
    @rule()
    def an_operator_cancels(self) -> None:
        operation = self._open()[0]
        self.run(self.rig.recovery.cancel(operation.operation_id, OPERATOR))

    @precondition(lambda self: bool(self._open()))
    @rule()
    def a_sleeping_runner_wakes_up_late(self) -> None:
        operation = self._open()[0]
        self.run(self._sleep_through(operation))

    async def _sleep_through(self, operation: Any) -> None:
        """Claim, lose the operation to another runner that finishes it, then move and settle."""
        asleep = await self.rig.operations.take_over(operation.operation_id)
        if asleep is None:
            return
        batch = await self.rig.operations.claim(asleep, 2)
        await self.rig.runner.run(operation.operation_id)
        if batch is None:
            return
        try:
            settlements = await self.rig.recovery.move(asleep, batch)
            await self.rig.operations.settle(asleep, batch, settlements)
        except (StaleRunner, EngineUnavailable):
            return
        raise AssertionError("a runner that was only asleep changed the ledger")

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            self.run(self._check_everything())
        finally:
            self.run(self.rig.close())
            self.run(self.database.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def _check_everything(self) -> None:
        for operation in await self.rig.operations.open_operations():
            await self.rig.runner.run(operation.operation_id)
        await self.rig.follower.scan()
        await self.rig.hear()
        await self.rig.follower.check()
        operations = (await self.rig.reading.operations(None, None, None, 500)).items
        moved: Counter[tuple[str, str]] = Counter()
        for operation in operations:
            items = await self.rig.items(operation.operation_id)
            check_adds_up(operation, items)
            moved.update(
                (item.operation_id, item.job_id)
                for item in items
                if item.state is ItemState.REQUEUED
            )
        assert moved == self.engine.moves, "every move is recorded once, and nothing else is"
        await self.rig.check_counts()
        await self._check_ways()
        await self._check_jobs()

    async def _check_ways(self) -> None:
        """An item fails the same way only if its job did, under its hand-over, and differently
        only if its job did so."""
        rows = await self.database.rows(
            select(items, entries.c.job_id).join(entries, entries.c.id == items.c.entry_pk)
        )
        for row in rows:
            if row.same_way is not None:
                before = self.engine.errors[row.job_id, row.failed_at]
                after = self.engine.errors_after[row.job_id, row.operation_id, row.generation]
                assert row.same_way in {error == before for error in after}, tuple(row)

    async def _check_jobs(self) -> None:
        """After following and checking, the ledger says what the queue says, but for entries that
        were dismissed: those it leaves alone."""
        statuses = await self.engine.statuses(QUEUE, [JobId(job) for job in JOBS])
        page = await self.rig.reading.entries(EntryFilter(), None, 500, oldest_first=True)
        known = {entry.job_id: entry.state.value for entry in page.items}
        for status in statuses:
            if known.get(status.job_id) == "dismissed":
                continue
            if status.state is JobState.FAILED:
                assert known[status.job_id] == "failed", status
            elif status.state is JobState.COMPLETED and status.job_id in known:
                assert known[status.job_id] == "recovered", status
            elif status.state is JobState.ACTIVE and status.job_id in known:
                assert known[status.job_id] == "active", status


@pytest.mark.timeout(600)
def test_any_interleaving_keeps_the_invariants(
    ledger_templates: LedgerTemplates, shared_redis: RedisServer, tmp_path: Path
) -> None:
    run_machine(RecoveryMachine, ledger_templates, shared_redis, tmp_path, examples=35, steps=30)
