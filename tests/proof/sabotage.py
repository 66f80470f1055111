"""Redrive with one thing wrong: each function spoils the process that calls it, from its start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from redrive.domain import Answer, Batch, JobId, Operation, Settlement
from redrive.engines.bullmq import moving
from redrive.engines.bullmq.engine import BullMQEngine
from redrive.engines.bullmq.scripts import Script, script
from redrive.ledger import operations as ledger_operations
from redrive.ledger.following import SqlFollowerLedger
from redrive.ledger.operations import SqlOperationLedger
from redrive.ledger.schema import operations
from redrive.pacing import Course
from redrive.recovery import Recovery
from redrive.runner import Runner


def settle_before_requeue() -> None:
    """What is about to be moved is settled as moved first."""
    move = Recovery.move

    async def settle_and_move(
        self: Recovery, operation: Operation, batch: Batch
    ) -> list[Settlement]:
        now = datetime.now(UTC)
        early = [
            Settlement(entry_pk=entry.entry_pk, answer=Answer.REQUEUED, at=now)
            for entry in batch.entries
        ]
        await self._ledger.settle(operation, batch, early)
        return await move(self, operation, batch)

    Recovery.move = settle_and_move  # type: ignore[method-assign]  # to spoil it is the purpose


def no_receipt() -> None:
    """The scripts leave no receipt behind."""
    _change_scripts("redis.call('SET', receipt_key, receipt, 'EX', ARGV[7])", "")


def no_occurrence_check() -> None:
    """A job is moved whichever of its failures was claimed."""
    _change_scripts("whole_millis(failed_score) == tonumber(expected)", "true")


def _change_scripts(text: str, replacement: str) -> None:
    def changed(*names: str) -> Script:
        before = script(*names).text
        assert text in before
        return Script(before.replace(text, replacement))

    vars(moving)["script"] = changed


def no_look_for_completions() -> None:
    """What is missing is rebuilt, whatever became of it elsewhere."""

    async def none(
        self: BullMQEngine, queue: str, job_ids: Sequence[JobId]
    ) -> dict[JobId, datetime]:
        return {}

    BullMQEngine.completed = none  # type: ignore[method-assign]  # to spoil it is the purpose


def no_epoch() -> None:
    """Whoever comes is taken for the operation's present runner, and at the end nobody asks what
    another one has claimed."""
    for name in ("claim", "settle", "finish"):
        _forget_epoch(name)
    vars(ledger_operations)["_something_is_claimed"] = _nothing_is_claimed
    finish_unsettled = Runner._finish_unsettled

    async def at_the_beginning(self: Runner, operation: Operation, course: Course) -> None:
        if id(course) not in begun:
            begun.add(id(course))
            await finish_unsettled(self, operation, course)

    begun: set[int] = set()
    Runner._finish_unsettled = at_the_beginning  # type: ignore[method-assign]  # to spoil it


async def _nothing_is_claimed(*_: object) -> bool:
    return False


def _forget_epoch(name: str) -> None:
    real = getattr(SqlOperationLedger, name)

    async def call(self: SqlOperationLedger, operation: Operation, *arguments: Any) -> Any:
        rows = await self._database.rows(
            select(operations.c.runner_epoch).where(
                operations.c.operation_id == operation.operation_id
            )
        )
        return await real(self, replace(operation, runner_epoch=rows[0].runner_epoch), *arguments)

    setattr(SqlOperationLedger, name, call)


def cursor_before_batch() -> None:
    """The follower saves its place first, and what it covers in a second transaction."""
    for name in ("record_failures", "record_outcomes"):
        _save_cursor_first(name)


def _save_cursor_first(name: str) -> None:
    real = getattr(SqlFollowerLedger, name)

    async def call(
        self: SqlFollowerLedger,
        source: str,
        queue: str,
        found: Sequence[Any],
        cursor: tuple[str, str] | None,
        *seen: Any,
    ) -> Any:
        if cursor is None or not found:
            return await real(self, source, queue, found, cursor, *seen)
        if await real(self, source, queue, [], cursor) is None:
            return None
        return await real(self, source, queue, found, (cursor[1], cursor[1]))

    setattr(SqlFollowerLedger, name, call)
