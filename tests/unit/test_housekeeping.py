"""The rhythm of pruning and regrouping."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import pytest

from redrive.errors import LedgerUnavailable
from redrive.housekeeping import Housekeeping


@dataclass(frozen=True)
class Done:
    more: bool


@pytest.mark.parametrize("error", [LedgerUnavailable(), AttributeError("nobody thought of it")])
async def test_a_pass_that_fails_does_not_end_what_runs_beside_it(error: Exception) -> None:
    stop = asyncio.Event()
    worked = 0

    async def work() -> None:
        nonlocal worked
        worked += 1
        stop.set()
        raise error

    await asyncio.wait_for(Housekeeping(stop).passes(work, "cleaning"), 5)
    assert worked == 1


async def test_batches_go_on_to_the_last_one_and_wait_for_operations() -> None:
    given = deque([Done(more=True), None, Done(more=True), Done(more=False), Done(more=True)])

    async def take() -> Done | None:
        return given.popleft()

    housekeeping = Housekeeping(None, while_at_work_seconds=0)
    assert [batch.more async for batch in housekeeping.batches(take)] == [True, True, False]
    assert len(given) == 1


async def test_no_batch_is_taken_once_it_is_stopped() -> None:
    stop = asyncio.Event()

    async def take() -> Done:
        return Done(more=True)

    taken = 0
    async for _ in Housekeeping(stop).batches(take):
        taken += 1
        stop.set()
    assert taken == 1
