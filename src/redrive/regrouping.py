"""Regrouping: after an update, entries move to the groups of the newer fingerprint."""

from __future__ import annotations

import asyncio

import structlog

from redrive.faultpoints import Step, reach
from redrive.housekeeping import BATCH_ROWS, Housekeeping
from redrive.ports import RegroupingLedger

log = structlog.get_logger()


class Regrouper:
    """Moves entries to their groups, until all are there. Any number of them may run.

    While an operation is at work nothing is moved.
    """

    def __init__(
        self,
        *,
        ledger: RegroupingLedger,
        stop: asyncio.Event | None = None,
        batch_rows: int = BATCH_ROWS,
        while_at_work_seconds: float | None = None,
    ) -> None:
        self._ledger = ledger
        self._batch_rows = batch_rows
        self._housekeeping = Housekeeping(stop, while_at_work_seconds)

    async def run(self) -> None:
        """Look now and every hour, until stopped."""
        await self._housekeeping.passes(self.regroup, "regrouping")

    async def regroup(self) -> tuple[int, int]:
        """One pass to the end; returns how many entries moved and how many groups were taken
        over, ended early if stopped. Raises LedgerUnavailable; what was done before stays done.
        """
        moved = merged = 0
        try:
            async for batch in self._housekeeping.batches(
                lambda: self._ledger.regroup(self._batch_rows)
            ):
                reach(Step.MERGED if batch.merged else Step.REGROUPED)
                moved, merged = moved + batch.moved, merged + batch.merged
        finally:
            if moved or merged:
                log.info("regrouped", entries=moved, groups=merged)
        return moved, merged
