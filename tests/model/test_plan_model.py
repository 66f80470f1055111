"""Whatever happens between a plan, its start and its end, every selected entry has one reason."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from redrive.domain import (
    AppId,
    EntryFilter,
    ItemState,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    PlanRequest,
    PlanStart,
    entry_id_of,
)
from redrive.errors import OperationOverlap, PlanUsed
from redrive.ledger.schema import items
from redrive.ledger.schema_triage import selections
from tests.model.test_recovery_model import APPS, JOBS, RecoveryMachine, kinds, steps
from tests.support.ledgers import LedgerTemplates
from tests.support.machines import run_machine
from tests.support.rig import OPERATOR, QUEUE
from tests.support.servers import RedisServer


class PlanMachine(RecoveryMachine):
    """The same world, with operators who plan first."""

    def __init__(self) -> None:
        super().__init__()
        self.selected: dict[str, set[int]] = {}
        self.waiting: list[str] = []
        self.planned: dict[str, OperationId] = {}

    @rule(kind=kinds, app=st.sampled_from((None, *APPS)), by_hand=st.sets(st.sampled_from(JOBS)))
    def an_operator_plans(self, kind: OperationKind, app: str | None, by_hand: set[str]) -> None:
        wanted = EntryFilter(
            app_id=None if app is None else AppId(app),
            entry_ids=tuple(entry_id_of("default", QUEUE, job) for job in sorted(by_hand)),
        )
        forecast = self.run(
            self.rig.planning.plan(PlanRequest(kind=kind, entry_filter=wanted, actor=OPERATOR))
        )
        token = forecast.plan.plan_token
        frozen = set() if token is None else self.run(self._frozen(token))
        assert len(frozen) == forecast.plan.total
        if token is not None:
            self.selected[token] = frozen
            self.waiting.append(token)

    async def _frozen(self, token: str) -> set[int]:
        rows = await self.database.rows(
            select(selections.c.failure_seq).where(selections.c.plan_id == token)
        )
        return {row.failure_seq for row in rows}

    @precondition(lambda self: bool(self.waiting))
    @rule(which=st.integers(0, 9), again=st.booleans())
    def a_plan_is_started(self, which: int, again: bool) -> None:
        token = self.waiting[which % len(self.waiting)]
        start = PlanStart(plan_token=token, actor=OPERATOR)
        with contextlib.suppress(OperationOverlap):
            operation, new = self.run(self.rig.planning.start(start))
            assert new
            self.planned[token] = operation.operation_id
            self.waiting.remove(token)
            if again:
                with pytest.raises(PlanUsed):
                    self.run(self.rig.planning.start(start))

    @precondition(lambda self: bool(self.waiting))
    @rule(which=st.integers(0, 9), step=steps, nth=st.integers(1, 2), after=st.booleans())
    def a_plan_is_started_and_its_runner_crashes(
        self, which: int, step: tuple[str, str], nth: int, after: bool
    ) -> None:
        self.a_plan_is_started(which, again=False)
        self.a_runner_crashes(step, nth, after)

    @rule()
    def plans_are_forgotten(self) -> None:
        while self.run(self.rig.triage.forget_plans(1)):
            pass

    async def _check_everything(self) -> None:
        await super()._check_everything()
        for token, operation_id in self.planned.items():
            operation = await self.rig.operation(operation_id)
            await self._check_planned(operation, self.selected[token])

    async def _check_planned(self, operation: Operation, selected: set[int]) -> None:
        rows: list[Any] = list(
            await self.database.rows(
                select(items).where(items.c.operation_id == operation.operation_id)
            )
        )
        ended = [row.failure_seq for row in rows]
        assert len(ended) == len(set(ended))
        assert operation.total == len(selected)
        assert set(ended) <= selected
        if operation.state is OperationState.COMPLETED:
            assert set(ended) == selected
            assert all(row.state != ItemState.RELEASED for row in rows)
        assert all(row.reason is not None for row in rows)


@pytest.mark.timeout(600)
def test_every_planned_entry_ends_with_exactly_one_reason(
    ledger_templates: LedgerTemplates, shared_redis: RedisServer, tmp_path: Path
) -> None:
    run_machine(PlanMachine, ledger_templates, shared_redis, tmp_path, examples=30, steps=30)
