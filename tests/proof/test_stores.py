"""The stores of the proof, one that does not come back after it was killed among them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
from pathlib import Path

import pytest

from proof.campaign import play_safely
from proof.plan import Act, Action, Kill, Outage, Scenario
from proof.processes import Forker
from proof.stores import Ledgers
from proof.world import world
from redrive.ledger import Database, SqlReadingLedger
from tests.support.servers import PostgresServer
from tests.support.waiting import eventually


def files_of(url: str) -> Path:
    """Where the PostgreSQL of a ledger has its files, and its socket."""
    return Path(url.partition("?host=")[2])


async def test_a_postgresql_that_does_not_come_back_is_replaced(tmp_path: Path) -> None:
    async with Ledgers(tmp_path) as ledgers:
        lost = await ledgers.create("postgresql", tmp_path, doomed=True)
        (files_of(lost) / "global" / "pg_control").unlink()
        with pytest.raises(AssertionError, match="could not find the database system"):
            await ledgers.kill_and_restart()
        await ledgers.discard(lost)
        assert not files_of(lost).exists()

        url = await ledgers.create("postgresql", tmp_path, doomed=True)
        await ledgers.kill_and_restart()
        database = Database(url)
        assert not any((await SqlReadingLedger(database).totals()).values())
        await database.close()


class Slow(PostgresServer):
    """Its start takes until it is asked whether it is ready."""

    def prolong_next_start(self) -> None:
        data = files_of(self.url("postgres"))
        self._released = data / "released"
        command = f"until [ -e {self._released} ]; do sleep 0.05; done; false"
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = '{command}'\n")
        (data / "recovery.signal").touch(mode=0o666)

    def is_ready(self) -> bool:
        self._released.touch()
        return super().is_ready()

    def close(self) -> None:
        self._released.touch()
        self.stop()


async def test_a_postgresql_that_takes_long_to_start_is_waited_for() -> None:
    with contextlib.closing(Slow()) as server:
        server.stop_at_once()
        server.prolong_next_start()

        async def starting() -> bool:
            file = files_of(server.url("postgres")) / "postmaster.pid"
            return file.exists() and file.read_text().split()[-1:] == ["starting"]

        first = asyncio.create_task(asyncio.to_thread(server.start))
        await eventually(starting, "it is starting")
        with pytest.raises(subprocess.CalledProcessError):
            server.psql("SELECT 'too early'")
        await asyncio.to_thread(server.start)
        assert server.psql("SELECT 'it answers'").split()[2:4] == ["it", "answers"]
        await first
        assert "starting up" not in server.told()
        assert "ready to accept connections" in server.told()


class WithoutReturn(Ledgers):
    """Ledgers whose doomed PostgreSQL loses a file that it cannot do without."""

    url: str

    async def create(self, backend: str, folder: Path, *, doomed: bool = False) -> str:
        self.url = await super().create(backend, folder, doomed=doomed)
        return self.url

    async def kill_and_restart(self) -> None:
        (files_of(self.url) / "global" / "pg_control").unlink()
        await super().kill_and_restart()


async def test_a_postgresql_that_does_not_come_back_is_told_beside_what_follows_from_it(
    tmp_path: Path,
) -> None:
    scenario = Scenario(
        name="without-return",
        backend="postgresql",
        jobs=world(random.Random(1), 4),
        acts=(Act(action=Action.RESTORE, after=1.0),),
        together=True,
        kills=(Kill(what=Outage.POSTGRES_KILLED),),
    )
    async with Forker() as forker, WithoutReturn(tmp_path) as ledgers:
        played = await play_safely(scenario, forker, ledgers, tmp_path)
    told = [
        one for one in played.problems if one.startswith("postgresql killed 0.000 s into act 0: ")
    ]
    assert len(told) == 1
    assert "PostgreSQL does not start" in told[0]
    assert "could not find the database system" in told[0]
    assert any("LedgerUnavailable" in one for one in played.problems)
