"""Regrouping: after an update, entries move to the groups of the newer fingerprint."""

from __future__ import annotations

import asyncio

import structlog

from redrive.errors import Unavailable
from redrive.faultpoints import Step, reach
from redrive.ports import RegroupingLedger

log = structlog.get_logger()

BATCH_ROWS = 250

_PASS_SECONDS = 3600.0
_AFTER_ERROR_SECONDS = 30.0
_WHILE_AT_WORK_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.005


class Regrouper:
    """Moves entries to their groups, until all are there. Any number of them may run.

    Each batch is followed by a pause as long as the batch took, so that it takes half of one
    connection's time at most. While an operation is at work nothing is moved.
    """

    def __init__(
        self,
        *,
        ledger: RegroupingLedger,
        stop: asyncio.Event | None = None,
        batch_rows: int = BATCH_ROWS,
        while_at_work_seconds: float = _WHILE_AT_WORK_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._stop = stop or asyncio.Event()
        self._batch_rows = batch_rows
        self._while_at_work_seconds = while_at_work_seconds

    async def run(self) -> None:
        """Look now and every hour, until stopped."""
        while not self._stop.is_set():
            wait = _PASS_SECONDS
            try:
                await self.regroup()
            except Unavailable as error:
                log.warning("regrouping_waits", error=str(error), seconds=_AFTER_ERROR_SECONDS)
                wait = _AFTER_ERROR_SECONDS
            await self._pause(wait)

    async def regroup(self) -> tuple[int, int]:
        """One pass to the end; returns how many entries moved and how many groups were taken
        over, ended early if stopped. Raises LedgerUnavailable; what was done before stays done.
        """
        moved = merged = 0
        loop = asyncio.get_running_loop()
        try:
            while not self._stop.is_set():
                began = loop.time()
                batch = await self._ledger.regroup(self._batch_rows)
                if batch is None:
                    await self._pause(self._while_at_work_seconds)
                    continue
                reach(Step.MERGED if batch.merged else Step.REGROUPED)
                moved, merged = moved + batch.moved, merged + batch.merged
                if not batch.more:
                    break
                await self._pause(max(loop.time() - began, _SHORTEST_PAUSE_SECONDS))
        finally:
            if moved or merged:
                log.info("regrouped", entries=moved, groups=merged)
        return moved, merged

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
