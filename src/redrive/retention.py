"""Pruning: what has been over for long enough is removed, a little at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import structlog

from redrive.domain import Prunable, Retention
from redrive.errors import Unavailable
from redrive.ports import Clock, RetentionLedger

log = structlog.get_logger()

BATCH_ROWS = 250

_ACTIVITY_AT_LEAST = timedelta(days=8)  # the console's longest chart, and a day
_PASS_SECONDS = 3600.0
_AFTER_ERROR_SECONDS = 30.0
_WHILE_AT_WORK_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.005


class Pruner:
    """Removes what is older than ``retention`` allows. Any number of them may run.

    Each batch is followed by a pause as long as the batch took, so that pruning takes half of one
    connection's time at most. While an operation is at work nothing is pruned.
    """

    def __init__(
        self,
        *,
        ledger: RetentionLedger,
        retention: Retention,
        clock: Clock,
        stop: asyncio.Event | None = None,
        batch_rows: int = BATCH_ROWS,
        while_at_work_seconds: float = _WHILE_AT_WORK_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._retention = retention
        self._clock = clock
        self._stop = stop or asyncio.Event()
        self._batch_rows = batch_rows
        self._while_at_work_seconds = while_at_work_seconds

    async def run(self) -> None:
        """Prune now and every hour, until stopped."""
        while not self._stop.is_set():
            wait = _PASS_SECONDS
            try:
                await self.prune()
            except Unavailable as error:
                log.warning("pruning_waits", error=str(error), seconds=_AFTER_ERROR_SECONDS)
                wait = _AFTER_ERROR_SECONDS
            await self._pause(wait)

    async def prune(self) -> Counter[Prunable]:
        """One pass over everything; returns how many rows it removed, ended early if stopped.

        Raises LedgerUnavailable; what was removed before stays removed.
        """
        removed: Counter[Prunable] = Counter()
        try:
            for what, before in self._limits():
                await self._prune_all(what, before, removed)
        finally:
            if removed.total():
                log.info("pruned", **{what.value: number for what, number in removed.items()})
        return removed

    def _limits(self) -> list[tuple[Prunable, datetime]]:
        """What to prune, and up to when; operations first: their items hold entries, and
        those hold groups."""
        now = self._clock.now()
        history, audit = self._retention.history, self._retention.audit
        limits = []
        if history is not None:
            over = (Prunable.OPERATIONS, Prunable.ENTRIES, Prunable.GROUPS)
            limits += [(what, now - history) for what in over]
        if audit is not None:
            limits.append((Prunable.AUDIT, now - audit))
        if history is not None:
            limits.append((Prunable.ACTIVITY, now - max(history, _ACTIVITY_AT_LEAST)))
        return limits

    async def _prune_all(
        self, what: Prunable, before: datetime, removed: Counter[Prunable]
    ) -> None:
        loop = asyncio.get_running_loop()
        position: str | None = None
        while not self._stop.is_set():
            began = loop.time()
            batch = await self._ledger.prune(what, before, self._batch_rows, position)
            if batch is None:
                await self._pause(self._while_at_work_seconds)
                continue
            removed.update(batch.removed)
            if not batch.more:
                return
            position = batch.position
            await self._pause(max(loop.time() - began, _SHORTEST_PAUSE_SECONDS))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
