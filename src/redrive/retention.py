"""Pruning: what has been over for long enough is removed, a little at a time."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from redrive.domain import JobState, OverEntry, Prunable, PrunedBatch, Retention
from redrive.housekeeping import BATCH_ROWS, Housekeeping
from redrive.ports import Clock, Engine, RetentionLedger

log = structlog.get_logger()

_ACTIVITY_AT_LEAST = timedelta(days=8)  # the console's longest chart, and a day


class Pruner:
    """Removes what is older than ``retention`` allows. Any number of them may run.

    While an operation is at work nothing is pruned. An entry whose queue still holds the job as
    failed stays (one that was dismissed, say): without it the old failure would come in as a new
    one. Of a source that is followed no more nothing comes in.
    """

    def __init__(
        self,
        *,
        ledger: RetentionLedger,
        engines: Mapping[str, Engine],
        retention: Retention,
        clock: Clock,
        stop: asyncio.Event | None = None,
        batch_rows: int = BATCH_ROWS,
        while_at_work_seconds: float | None = None,
    ) -> None:
        self._ledger = ledger
        self._engines = engines
        self._retention = retention
        self._clock = clock
        self._batch_rows = batch_rows
        self._housekeeping = Housekeeping(stop, while_at_work_seconds)

    async def run(self) -> None:
        """Prune now and every hour, until stopped."""
        await self._housekeeping.passes(self.prune, "pruning")

    async def prune(self) -> Counter[Prunable]:
        """One pass over everything; returns how many rows it removed, ended early if stopped.

        Raises LedgerUnavailable, EngineUnavailable; what was removed before stays removed.
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
        position: str | None = None

        async def take() -> PrunedBatch | None:
            nonlocal position
            batch = await self._ledger.prune(what, before, self._batch_rows, position, self._held)
            position = batch.position if batch is not None else position
            return batch

        async for batch in self._housekeeping.batches(take):
            removed.update(batch.removed)

    async def _held(self, over: Sequence[OverEntry]) -> set[int]:
        by_queue: defaultdict[tuple[str, str], list[OverEntry]] = defaultdict(list)
        for entry in over:
            by_queue[entry.source, entry.queue].append(entry)
        held: set[int] = set()
        for (source, queue), members in by_queue.items():
            engine = self._engines.get(source)
            if engine is None:
                continue
            statuses = await engine.statuses(queue, [entry.job_id for entry in members])
            held.update(
                entry.entry_pk
                for entry, status in zip(members, statuses, strict=True)
                if status.state is JobState.FAILED
            )
        return held
