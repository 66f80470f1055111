"""The ledger did what it was asked to and went away before it said so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import EntryState, OperationState
from redrive.errors import LedgerUnavailable
from redrive.ledger import Database
from redrive.sweeping import sweep
from redrive.testing import Faults
from tests.support.bullmq_world import BullMQWorld
from tests.support.ledgers import LedgerTemplates
from tests.support.rig import MakeRig, check_adds_up
from tests.support.working import fail_some, run_all

WRITES = [
    ("take_over", 1),
    ("claim", 1),
    ("claim", 2),
    ("claim", 3),
    ("settle", 1),
    ("settle", 3),
    ("finish", 1),
]


def lost_reply(target: str, method: str, nth: int = 1) -> Faults:
    return Faults(target, method, nth, "after", LedgerUnavailable)


@pytest.mark.parametrize(("method", "nth"), WRITES)
async def test_a_runner_goes_on_from_what_was_written_without_its_hearing_of_it(
    make_rig: MakeRig, world: BullMQWorld, method: str, nth: int
) -> None:
    faults = lost_reply("ledger", method, nth)
    rig = make_rig(faults=faults)
    names = await fail_some(world, 10)
    await rig.follower.scan()
    operation = await rig.start()

    assert await rig.runner.run(operation.operation_id)

    assert faults.happened
    finished = await rig.operation(operation.operation_id)
    assert (finished.state, finished.error) == (OperationState.COMPLETED, None)
    assert finished.requeued == 10
    check_adds_up(finished, await rig.items(operation.operation_id))
    shown = await rig.progress.read(operation.operation_id)
    assert shown is not None
    assert (shown.state, shown.succeeded) == (OperationState.COMPLETED, 10)
    assert await run_all(world) == Counter(names)
    await rig.hear()
    assert await rig.states() == {EntryState.RECOVERED: 10}
    await rig.check_counts()


@pytest.mark.parametrize("method", ["start_single", "settle", "finish"])
async def test_a_single_retry_whose_reply_was_lost_is_carried_out_once(
    make_rig: MakeRig, world: BullMQWorld, method: str
) -> None:
    rig = make_rig(faults=lost_reply("ledger", method))
    (name,) = await fail_some(world, 1)
    await rig.follower.scan()

    with pytest.raises(Exception, match=r"[Tt]he ledger"):
        await rig.act(name)
    for operation in await rig.operations.open_operations():
        assert await rig.runner.run(operation.operation_id)
    await sweep(rig.operations, rig.recovery, rig.clock.now())

    assert await run_all(world) == Counter([name])
    await rig.hear()
    assert await rig.states() == {EntryState.RECOVERED: 1}
    assert await rig.operations.open_operations() == []
    await rig.check_counts()


@pytest.mark.parametrize("method", ["record_failures", "record_outcomes"])
async def test_a_follower_counts_once_what_it_did_not_hear_it_had_written(
    make_rig: MakeRig, world: BullMQWorld, method: str
) -> None:
    faults = lost_reply("following", method)
    rig = make_rig(faults=faults)
    await fail_some(world, 5)
    if method == "record_failures":
        with pytest.raises(LedgerUnavailable):
            await rig.follower.scan()
    await rig.follower.scan()
    operation = await rig.start()
    await rig.runner.run(operation.operation_id)
    await run_all(world, fail={"acme-1"})
    await rig.follower.scan()
    if method == "record_outcomes":
        with pytest.raises(LedgerUnavailable):
            await rig.hear()
    await rig.hear()

    assert faults.happened
    finished = await rig.operation(operation.operation_id)
    assert (finished.recovered, finished.failed_again) == (4, 1)
    assert await rig.states() == {EntryState.RECOVERED: 4, EntryState.FAILED: 1}
    await rig.check_counts()


async def test_a_change_that_was_not_confirmed_is_not_called_undone(
    ledger_templates: LedgerTemplates, tmp_path: Path
) -> None:
    url = ledger_templates.create("postgresql", tmp_path)
    database, ended = Database(url), Database(url)

    async def loses_its_connection(connection: AsyncConnection) -> None:
        own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()

        async def end(other: AsyncConnection) -> None:
            await other.execute(text(f"SELECT pg_terminate_backend({own})"))

        await ended.write(end)

    with pytest.raises(LedgerUnavailable) as lost:
        await database.write(loses_its_connection)
    assert "The change may have been made" in str(lost.value)
    assert "Nothing was changed" not in str(lost.value)
    with pytest.raises(LedgerUnavailable, match="Nothing was changed"):
        await database.read(loses_its_connection)
    await database.close()
    await ended.close()
