"""Plans, pauses, canaries, guards, cancels and undos over any outcomes, and crashes in between."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
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

from redrive.domain import (
    Canary,
    CanaryState,
    Controls,
    EntryFilter,
    Guard,
    ItemState,
    JobState,
    Operation,
    OperationKind,
    OperationState,
    PlanRequest,
    PlanStart,
    Reason,
    RequeueBatch,
    RequeueResult,
    entry_id_of,
)
from redrive.errors import Conflict, NotFound
from redrive.ledger import Database
from redrive.testing import Crash, Faults, InMemoryEngine
from tests.model.reference import Judged
from tests.support.ledgers import LedgerTemplates
from tests.support.machines import run_machine
from tests.support.manual_time import ManualTime
from tests.support.rig import OPERATOR, QUEUE, Rig, check_adds_up
from tests.support.servers import RedisServer

T = TypeVar("T")

JOBS = tuple(f"job-{number}" for number in range(9))
STEPS = [
    ("ledger", "take_over"),
    ("ledger", "claim"),
    ("ledger", "move_canary"),
    ("ledger", "tried"),
    ("engine", "requeue"),
    ("ledger", "settle"),
    ("ledger", "pause"),
    ("ledger", "finish"),
    ("undo", "claim_moved"),
    ("engine", "take_back"),
    ("undo", "settle_moved"),
]
EVENTS = ("complete", "fail", "mixed", "pause", "resume", "cancel", "undo", "faster", "nothing")
PACES = ((None, None), (2.0, None), (10.0, None), (10.0, 2.0), (1000.0, 1.0), (1000.0, None))

canaries = st.none() | st.builds(
    Canary,
    entries=st.integers(1, 4),
    percent=st.sampled_from((1.0, 50.0, 100.0)),
    seconds=st.just(1.0),
)
guards = st.none() | st.builds(
    Guard, percent=st.sampled_from((0.0, 50.0)), outcomes=st.integers(1, 3)
)
limits = st.builds(
    lambda pace, canary, guard: Controls(rate=pace[0], floor=pace[1], canary=canary, guard=guard),
    st.sampled_from(PACES),
    canaries,
    guards,
)
paced_limits = st.builds(
    lambda pace, canary, guard: Controls(rate=pace[0], floor=pace[1], canary=canary, guard=guard),
    st.sampled_from(PACES[1:4]),
    canaries,
    st.builds(Guard, percent=st.sampled_from((0.0, 50.0)), outcomes=st.integers(1, 3)),
)
events = st.lists(st.sampled_from(EVENTS), max_size=12)


class WatchedEngine(InMemoryEngine):
    """Checks at every hand-over that it is allowed, and counts what was moved."""

    rig: Rig

    def __init__(self) -> None:
        super().__init__()
        self.moves: Counter[tuple[str, str]] = Counter()

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        known = f"{batch.operation_id}:{batch.number}:" in self._queue(batch.queue).receipts
        if not known:
            await self._check_allowed(batch)
        results = await super().requeue(batch)
        if not known:
            moved = [result.job_id for result in results if result.answer.moved]
            self.moves.update((batch.operation_id, job_id) for job_id in moved)
        return results

    async def _check_allowed(self, batch: RequeueBatch) -> None:
        operation = await self.rig.operation(batch.operation_id)
        assert operation.state in (OperationState.RUNNING, OperationState.CANCELLING)
        canary = operation.controls.canary
        if canary is not None and operation.canary_begun:
            tried = await self.rig.operations.tried(operation)
            if operation.canary is CanaryState.PENDING:
                assert tried.handed_over + len(batch.items) <= canary.entries
            assert operation.canary is not CanaryState.WAITING


class PacingMachine(RuleBasedStateMachine):
    """Operators, workers, a follower, runners and crashes; things happen while runners wait."""

    template: Path
    redis: RedisServer

    @initialize(controls=paced_limits, how=st.sampled_from(("fail", "fail", "mixed", "complete")))
    def assemble(self, controls: Controls, how: str) -> None:
        """Also an operation with limits, while workers do the same all the time."""
        self.loop = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="redrive-model-"))
        shutil.copy(self.template, self.folder / "ledger.db")
        self.database = Database(f"sqlite:///{self.folder / 'ledger.db'}")
        self.engine = self.loop.run(self._engine())
        self.time = ManualTime()
        self.rig = self.engine.rig = self._rig()
        for job in JOBS:
            self.engine.add(QUEUE, job, app_id="acme")
            self.engine.fail(QUEUE, job)
        self.run(self.rig.follower.scan())
        operation = self.run(self.rig.start(controls=controls))
        self._let_happen(operation, [how] * 40)
        self._runs(operation)

    async def _engine(self) -> WatchedEngine:
        return WatchedEngine()

    def _rig(self, faults: Faults | None = None) -> Rig:
        return Rig(
            self.database,
            self.engine,
            self.redis.url,
            faults=faults,
            batch_size=3,
            time=self.time,
        )

    def _runs(self, operation: Operation, *fault: Any) -> None:
        """A runner of its own works on the operation, under judgement, and may crash."""
        rig = self._rig(Judged(self.time, *fault))
        try:
            assert self.run(rig.runner.run(operation.operation_id))
        except* Crash:
            assert fault
        finally:
            self.run(rig.close())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def _open(self) -> list[Operation]:
        return self.run(self.rig.operations.open_operations())

    def _is_open(self) -> bool:
        return bool(self._open())

    @rule(controls=limits)
    def an_operator_starts(self, controls: Controls) -> None:
        with contextlib.suppress(Conflict, NotFound):
            self.run(self.rig.start(controls=controls))

    @rule(controls=limits, by_hand=st.sets(st.sampled_from(JOBS)))
    def an_operator_plans_and_starts(self, controls: Controls, by_hand: set[str]) -> None:
        wanted = EntryFilter(
            entry_ids=tuple(entry_id_of("default", QUEUE, job) for job in sorted(by_hand))
        )
        request = PlanRequest(kind=OperationKind.RETRY, entry_filter=wanted, actor=OPERATOR)
        token = self.run(self.rig.planning.plan(request)).plan.plan_token
        if token is not None:
            start = PlanStart(plan_token=token, actor=OPERATOR, limits=controls.said())
            with contextlib.suppress(Conflict):
                self.run(self.rig.planning.start(start))

    @rule()
    def an_operator_undoes_the_newest(self) -> None:
        """Also one that is over: it is opened again."""
        newest = self.run(self.rig.reading.operations(None, None, None, 1)).items
        for operation in newest:
            self.run(self._happen(operation, "undo"))

    @precondition(_is_open)
    @rule(meanwhile=events)
    def a_runner_works(self, meanwhile: list[str]) -> None:
        operation = self._open()[0]
        self._let_happen(operation, meanwhile)
        self._runs(operation)

    @precondition(_is_open)
    @rule(
        meanwhile=events,
        step=st.sampled_from(STEPS),
        nth=st.integers(1, 3),
        after=st.booleans(),
    )
    def a_runner_crashes(
        self, meanwhile: list[str], step: tuple[str, str], nth: int, after: bool
    ) -> None:
        operation = self._open()[0]
        self._let_happen(operation, meanwhile)
        self._runs(operation, *step, nth, "after" if after else "before")

    @precondition(_is_open)
    @rule(event=st.sampled_from(EVENTS))
    def something_happens(self, event: str) -> None:
        self.run(self._happen(self._open()[0], event))

    def _let_happen(self, operation: Operation, meanwhile: list[str]) -> None:
        waiting = iter(meanwhile)

        async def next_one() -> None:
            await self._happen(operation, next(waiting, "nothing"))

        self.time.meanwhile = next_one

    async def _happen(self, operation: Operation, event: str) -> None:
        recovery, name = self.rig.recovery, operation.operation_id
        with contextlib.suppress(Conflict, NotFound):
            match event:
                case "complete" | "fail" | "mixed":
                    await self._work(event)
                case "pause":
                    await recovery.pause(name, OPERATOR)
                case "resume":
                    await recovery.resume(name, OPERATOR)
                case "cancel":
                    await recovery.cancel(name, OPERATOR)
                case "undo":
                    await recovery.cancel(name, OPERATOR, undo=True)
                case "faster":
                    await recovery.change_controls(name, OPERATOR, {"rate": 100.0})

    async def _work(self, how: str) -> None:
        """Workers run what is waiting, and the follower takes in what became of it."""
        for number, job in enumerate(JOBS):
            held = self.engine.job(QUEUE, job)
            if held is None or held.state is not JobState.WAITING:
                continue
            if how == "fail" or (how == "mixed" and number % 2):
                self.engine.fail(QUEUE, job)
            else:
                self.engine.complete(QUEUE, job, keep=True)
        await self.rig.follower.scan()
        await self.rig.hear()

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
        """Without limits every operation comes to its end, and everything adds up."""
        self.time.meanwhile = lambda: asyncio.sleep(0)
        for operation in await self.rig.operations.open_operations():
            name = operation.operation_id
            without = {"rate": None, "floor": None, "canary": None, "guard": None}
            await self.rig.recovery.change_controls(name, OPERATOR, without)
            with contextlib.suppress(Conflict):
                await self.rig.recovery.resume(name, OPERATOR)
            await self.rig.runner.run(name)
        await self._work("complete")
        moved: Counter[tuple[str, str]] = Counter()
        for operation in (await self.rig.reading.operations(None, None, None, 500)).items:
            items = await self.rig.items(operation.operation_id)
            assert operation.state in (OperationState.COMPLETED, OperationState.CANCELLED)
            check_adds_up(operation, items)
            assert operation.heard == operation.requeued
            moved.update(
                (item.operation_id, item.job_id)
                for item in items
                if item.state is ItemState.REQUEUED or item.reason is Reason.TAKEN_BACK
            )
        assert moved == self.engine.moves, "every move is recorded once, and nothing else is"
        assert set(moved.values()) <= {1}
        await self.rig.check_counts()


@pytest.mark.timeout(600)
def test_any_outcomes_keep_to_the_limits_and_add_up(
    ledger_templates: LedgerTemplates, shared_redis: RedisServer, tmp_path: Path
) -> None:
    run_machine(PacingMachine, ledger_templates, shared_redis, tmp_path, examples=20, steps=12)
