"""The runners' end of the operation queue: one run per operation and process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from redrive.dispatch import _Runs
from redrive.domain import OperationId

JOB = SimpleNamespace(data={"operation_id": "op_1"})


async def test_an_operation_that_comes_back_while_it_runs_is_waited_for_and_not_run_twice() -> None:
    started: list[OperationId] = []
    finish = asyncio.Event()

    async def run(operation_id: OperationId) -> bool:
        started.append(operation_id)
        await finish.wait()
        return True

    runs = _Runs(run)
    first = asyncio.create_task(runs.process(JOB, "token"))
    second = asyncio.create_task(runs.process(JOB, "another"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not second.done()

    finish.set()
    await asyncio.gather(first, second)

    assert started == ["op_1"]
    await runs.ended()


async def test_a_run_that_breaks_leaves_nothing_in_hand_and_is_told() -> None:
    async def run(operation_id: OperationId) -> bool:
        raise ValueError(operation_id)

    runs = _Runs(run)
    with pytest.raises(ValueError, match="op_1"):
        await runs.process(JOB, "token")

    await runs.ended()
    assert runs.unfinished == set()
