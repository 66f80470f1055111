"""Pruning a test's ledger, by the clock of its books."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from redrive.domain import OverEntry, Prunable, PrunedBatch, Retention
from redrive.ledger import SqlRetentionLedger
from redrive.retention import Pruner
from tests.support.books import Books

DAYS_30 = timedelta(days=30)
MILLISECOND = timedelta(milliseconds=1)
MONTH = Retention(history=DAYS_30, audit=DAYS_30)


async def nothing_held(_over: Sequence[OverEntry]) -> tuple[int, ...]:
    """No queue holds any of these as failed."""
    return ()


def pruner(books: Books, *, ledger: Any = None, **options: Any) -> Pruner:
    """A pruner that keeps a month, unless told otherwise."""
    given: dict[str, Any] = {"retention": MONTH, "batch_rows": 100, "engines": {}} | options
    return Pruner(ledger=ledger or SqlRetentionLedger(books.database), clock=books.clock, **given)


async def prune(books: Books, **options: Any) -> dict[Prunable, int]:
    """One whole pass; returns what it removed. No operation may be open."""
    async with asyncio.timeout(60):
        removed: Counter[Prunable] = await pruner(books, **options).prune()
    return {what: number for what, number in removed.items() if number}


async def prune_batch(
    books: Books, what: Prunable, limit: int = 100, position: str | None = None
) -> PrunedBatch | None:
    """One batch of what is a month old."""
    ledger = SqlRetentionLedger(books.database)
    return await ledger.prune(what, books.clock.now() - DAYS_30, limit, position, nothing_held)
