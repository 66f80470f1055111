"""Taking back what an operation has moved and nobody has started, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from redrive.domain import Operation, TakenBack, UndoBatch
from redrive.faultpoints import Step, reach
from redrive.ports import UndoLedger
from redrive.recovery import Recovery

log = structlog.get_logger()

AT_MOST = 250
"""Entries of a batch: putting a job back as it was is twice the work of moving it, and a queue's
store does nothing else meanwhile."""

Persist = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Undoing:
    """One undo, in the hands of the operation's runner.

    Each batch goes claim, take back, settle, like a hand-over, one after the other: an undo is
    rare, and what it leaves waits anyway. Killed anywhere, the next runner gets the batch in hand
    again, and the engine's receipt answers for what was taken back.
    """

    def __init__(self, *, ledger: UndoLedger, recovery: Recovery, batch_size: int) -> None:
        self._ledger = ledger
        self._recovery = recovery
        self._batch_size = min(batch_size, AT_MOST)

    async def run(
        self,
        operation: Operation,
        *,
        persist: Persist,
        tell: Callable[[Operation], Awaitable[None]],
        stop: asyncio.Event,
    ) -> bool:
        """Take back all there is; returns False if ``stop`` was set before the end.

        ``persist`` repeats a step while a store or a queue system is away.
        """
        before: int | None = None
        taken = 0
        while not stop.is_set():
            claim = partial(self._ledger.claim_moved, operation, before, self._batch_size)
            batch = await persist(claim)
            if batch is None:
                log.info("operation_undone", taken_back=taken)
                return True
            reach(Step.UNDO_CLAIMED)
            settled, number = await self._take_back(operation, batch, persist)
            taken += number
            await tell(settled)
            before = min(moved.claimed.failure_seq for moved in batch.entries)
        return False

    async def _take_back(
        self, operation: Operation, batch: UndoBatch, persist: Persist
    ) -> tuple[Operation, int]:
        """The operation as it is then, and how many entries were taken back."""
        results = await persist(lambda: self._recovery.take_back(operation, batch))
        reach(Step.UNDO_TAKEN)
        settled: Operation = await persist(
            lambda: self._ledger.settle_moved(operation, batch, results)
        )
        reach(Step.UNDO_SETTLED)
        answers = [result.answer for result in results.values()]
        return settled, answers.count(TakenBack.TAKEN_BACK)
