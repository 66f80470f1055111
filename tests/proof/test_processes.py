"""The processes of the proof are asked to stop when they listen, and not before."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proof.crew import Crew, environment_of
from proof.plan import Fault, Part, Scenario
from proof.processes import Child, Forker
from tests.support.ledgers import LedgerTemplates
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import eventually


@pytest.fixture
async def forker() -> AsyncIterator[Forker]:
    async with Forker() as forker:
        yield forker


@pytest.fixture
def ledger_url(ledger_templates: LedgerTemplates, tmp_path: Path) -> str:
    """A ledger on SQLite alone: how a process is stopped does not depend on it."""
    return ledger_templates.create("sqlite", tmp_path)


def listen_late() -> None:
    """As a process of the forker: handle SIGTERM once the file is there that it is given, and end
    with 0 when it comes."""
    while not Path(sys.argv[1]).exists():
        time.sleep(0.01)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()


async def start_late(forker: Forker, folder: Path) -> Child:
    main, wanted = f"{__name__}:listen_late", ["late", str(folder / "listen")]
    return await forker.start(main, wanted, {}, folder / "log")


async def test_who_is_asked_to_stop_before_it_listens_ends_in_order(
    forker: Forker, tmp_path: Path
) -> None:
    child = await start_late(forker, tmp_path)
    asking = asyncio.create_task(child.end())
    await asyncio.sleep(0)
    (tmp_path / "listen").touch()
    assert await asking == 0


async def test_who_never_listens_ends_by_the_signal(forker: Forker, tmp_path: Path) -> None:
    child = await start_late(forker, tmp_path)
    await child.ask_to_stop(0)
    assert await child.ended == -signal.SIGTERM


async def test_a_follower_that_has_just_been_started_can_be_replaced(
    forker: Forker, tmp_path: Path, ledger_url: str, redis_server: RedisServer
) -> None:
    scenario = Scenario(name="replaced", backend="sqlite", jobs=(), acts=())
    settings = environment_of(tmp_path, ledger_url, redis_server.url, free_port(), scenario)
    crew = Crew(forker, tmp_path, settings, scenario, no_stop, None)
    crew.take(Part.FOLLOWER)

    async def started() -> bool:
        return bool(crew.alive(Part.FOLLOWER))

    await eventually(started, "the follower is started")
    (first,) = crew.alive(Part.FOLLOWER)
    await crew.replace(Part.FOLLOWER)
    await eventually(started, "another follower is started")
    (second,) = crew.alive(Part.FOLLOWER)
    assert second is not first
    await crew.dismiss()
    assert crew.problems == []


async def no_stop(_child: Child, _fault: Fault) -> None:
    """Nothing is to be done while a process is stopped."""
