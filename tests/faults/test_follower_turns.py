"""How far the follower counts the stream as heard, and whose turn it is in a scan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from redrive import follower as following
from redrive.domain import EntryFilter, EntryState
from redrive.follower import Follower
from redrive.ledger import Database, SqlFollowerLedger
from redrive.ports import Clock
from redrive.testing import InMemoryEngine, ManualClock
from redrive.wiring import SystemClock
from tests.support.rig import QUEUE, Rig
from tests.support.servers import RedisServer
from tests.support.waiting import eventually


@pytest.fixture
async def rig(database: Database, redis_server: RedisServer) -> AsyncIterator[Rig]:
    rig = Rig(database, InMemoryEngine(), redis_server.url)
    yield rig
    await rig.close()


@pytest.fixture
def queues(rig: Rig) -> InMemoryEngine:
    assert isinstance(rig.engine, InMemoryEngine)
    return rig.engine


def follower_with(rig: Rig, ledger: SqlFollowerLedger, clock: Clock | None = None) -> Follower:
    return Follower(
        engine=rig.engine,
        ledger=ledger,
        progress=rig.progress,
        reports=rig.reports,
        clock=clock or rig.clock,
    )


def an_hour_later(rig: Rig) -> Follower:
    """A follower for which every hand-over until now lies long behind."""
    return follower_with(rig, rig.following, ManualClock(SystemClock().now() + timedelta(hours=1)))


async def moved(rig: Rig, queues: InMemoryEngine, job_id: str) -> None:
    """A job failed and was handed back."""
    queues.fail(QUEUE, job_id)
    await rig.follower.scan()
    await rig.act(job_id)


async def state_after_a_turn(rig: Rig, follower: Follower) -> EntryState:
    """What job 1's entry is once the follower has heard and checked."""
    await follower.hear()
    await follower.check_entries()
    return (await rig.entry("1")).state


async def test_a_job_that_is_gone_is_not_given_up_while_its_outcome_is_still_to_be_heard(
    rig: Rig, queues: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_EVENTS", 1)
    await moved(rig, queues, "1")
    queues.complete(QUEUE, "1", keep=False)
    follower = an_hour_later(rig)

    assert await state_after_a_turn(rig, follower) is EntryState.QUEUED
    assert await state_after_a_turn(rig, follower) is EntryState.RECOVERED


async def test_a_job_that_is_gone_is_given_up_once_the_stream_is_heard_to_its_end(
    rig: Rig, queues: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_EVENT_WAIT_SECONDS", 0.0)
    await moved(rig, queues, "1")
    queues.drop(QUEUE, "1")
    follower = an_hour_later(rig)

    await follower.check_entries()
    assert (await rig.entry("1")).state is EntryState.QUEUED, "nothing was heard yet"

    await follower.hear()
    assert await state_after_a_turn(rig, follower) is EntryState.VANISHED


async def test_a_queue_that_lags_behind_holds_the_others_verdicts_up(
    rig: Rig, queues: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_EVENTS", 1)
    queues.fail("other", "2")
    await moved(rig, queues, "1")
    queues.start(QUEUE, "1")
    queues.drop(QUEUE, "1")
    queues.complete("other", "2")
    follower = an_hour_later(rig)

    assert await state_after_a_turn(rig, follower) is EntryState.QUEUED


async def test_a_small_queue_is_scanned_before_a_large_one_is_through(
    rig: Rig, queues: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BATCH", 1)
    monkeypatch.setattr(following, "_PAGES_IN_A_ROW", 2)
    for number in range(6):
        queues.fail("a-large-one", str(number))
    queues.fail("small", "1")

    assert await rig.follower.scan() == 7

    page = await rig.reading.entries(EntryFilter(), None, 50, oldest_first=True)
    order = [entry.queue for entry in page.items]
    assert order == ["a-large-one"] * 2 + ["small"] + ["a-large-one"] * 4


async def test_a_page_is_read_while_the_one_before_is_recorded(
    rig: Rig, queues: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BATCH", 2)
    for number in range(6):
        queues.fail(QUEUE, str(number))
    places: list[str] = []
    read = rig.engine.failures

    async def noted(queue: str, after: str, limit: int) -> Any:
        if limit == following.BATCH:
            places.append(after)
        return await read(queue, after, limit)

    monkeypatch.setattr(rig.engine, "failures", noted)

    class Waiting(SqlFollowerLedger):
        """Waits, at the first page, until the second one is being read."""

        async def record_failures(self, *given: Any) -> Any:
            async def begun() -> bool:
                return len(places) > 1

            await eventually(begun, "the next page is being read")
            return await super().record_failures(*given)

    follower = follower_with(rig, Waiting(rig.database, rig.clock))
    assert await follower.scan() == 6
    assert len(set(places)) == len(places) == 4


async def test_a_page_that_was_read_ahead_is_left_when_another_follower_was_quicker(
    rig: Rig, queues: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BATCH", 2)
    for number in range(4):
        queues.fail(QUEUE, str(number))

    class Overtaken(SqlFollowerLedger):
        """Another follower records everything just before this one does."""

        async def record_failures(self, *given: Any) -> Any:
            await rig.follower.scan()
            return await super().record_failures(*given)

    follower = follower_with(rig, Overtaken(rig.database, rig.clock))
    await follower.scan()
    page = await rig.reading.entries(EntryFilter(), None, 50, oldest_first=True)
    assert [(entry.job_id, entry.failures) for entry in page.items] == [
        (str(number), 1) for number in range(4)
    ]


async def test_a_stream_that_breaks_during_a_scan_does_not_break_the_scan(
    rig: Rig, queues: InMemoryEngine
) -> None:
    recording, go_on = asyncio.Event(), asyncio.Event()

    class Slow(SqlFollowerLedger):
        async def record_failures(self, *given: Any) -> Any:
            recorded = await super().record_failures(*given)
            recording.set()
            await go_on.wait()
            return recorded

    queues.fail(QUEUE, "1")
    follower = follower_with(rig, Slow(rig.database, rig.clock))
    stop = asyncio.Event()
    with capture_logs() as logs:
        following_it = asyncio.create_task(follower.run(stop))
        await recording.wait()
        queues.away = True

        async def broken() -> bool:
            return any(log["event"] == "follower_waits" for log in logs)

        await eventually(broken, "the stream breaks")
        go_on.set()
        queues.away = False
        queues.fail(QUEUE, "2")

        async def both() -> bool:
            return sum((await rig.states()).values()) == 2

        await eventually(both, "the scan goes on")
        stop.set()
        await following_it
    assert all("cannot be reached" in log["error"] for log in logs if "error" in log), logs


async def test_a_follower_that_sleeps_over_what_became_of_a_job_does_not_bring_its_failure_back(
    rig: Rig, queues: InMemoryEngine
) -> None:
    """It has read the first failure when the others retry the job twice, and it completes."""

    class Sleeping(SqlFollowerLedger):
        async def record_failures(self, *given: Any) -> Any:
            await rig.follower.scan()
            for ends in (queues.fail, queues.complete):
                await rig.act("1")
                ends(QUEUE, "1")
                await rig.hear()
                await rig.follower.scan()
            return await super().record_failures(*given)

    queues.fail(QUEUE, "1")
    follower = follower_with(rig, Sleeping(rig.database, rig.clock))
    await follower.check()

    entry = await rig.entry("1")
    assert (entry.state, entry.failures) == (EntryState.RECOVERED, 2)
    await rig.check_counts()
