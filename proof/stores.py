"""The real stores of a proof: a Redis for each scenario, a ledger for each scenario."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from proof.observed import Loss
from redrive.ledger import Database, SqlAccounts
from redrive.web import hash_password
from redrive.wiring import SystemClock
from tests.support.ledgers import LedgerTemplates
from tests.support.processes import children_of, is_gone
from tests.support.servers import PostgresServer, RedisServer

USER, APPROVER = "admin", "second"
PASSWORD = "the proof signs in with this"


class Ledgers:
    """Makes ledgers with the console's users in them; one PostgreSQL serves them all.

    A second PostgreSQL is there to be killed, by one scenario at a time. Neither is started before
    it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._files = LedgerTemplates(folder, None)
        self._calm: _Cluster | None = None
        self._doomed: _Cluster | None = None
        self._folder = folder
        self._clusters = itertools.count(1)
        self._making = asyncio.Lock()
        self.killing = asyncio.Lock()
        self._password_hash = hash_password(PASSWORD)

    async def create(self, backend: str, folder: Path, *, doomed: bool = False) -> str:
        """The URL of a new ledger."""
        async with self._making:
            url = await asyncio.to_thread(self._create, backend, folder, doomed)
        database = Database(url)
        for user in (USER, APPROVER):
            await SqlAccounts(database, SystemClock()).put_user(user, self._password_hash)
        await database.close()
        return url

    def _create(self, backend: str, folder: Path, doomed: bool) -> str:
        if backend == "sqlite":
            return self._files.create("sqlite", folder)
        return self._cluster(doomed).templates.create("postgresql", folder)

    def _cluster(self, doomed: bool) -> _Cluster:
        if doomed:
            self._doomed = self._doomed or self._new_cluster()
            return self._doomed
        self._calm = self._calm or self._new_cluster()
        return self._calm

    def _new_cluster(self) -> _Cluster:
        """In a folder of its own: that of a lost one is there still."""
        return _Cluster(self._folder / f"postgresql-{next(self._clusters)}")

    async def discard(self, url: str) -> None:
        """Remove a doomed ledger, unless its PostgreSQL is lost. The more files a killed one has,
        the longer it syncs them before it is there again."""
        if self._doomed is not None:
            await asyncio.to_thread(self._doomed.templates.drop, url)

    async def kill_and_restart(self) -> None:
        """SIGKILL every process of the doomed PostgreSQL, and start it on the same files. One that
        does not come back is the end of this scenario and of no other."""
        cluster, self._doomed = self._doomed, None
        assert cluster is not None
        try:
            await asyncio.to_thread(cluster.kill_and_restart)
        except Exception:
            await asyncio.to_thread(cluster.server.stop)
            raise
        self._doomed = cluster

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for cluster in (self._calm, self._doomed):
            if cluster is not None:
                await asyncio.to_thread(cluster.server.stop)


class _Cluster:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.server = PostgresServer()
        self.templates = LedgerTemplates(folder, self.server)

    def kill_and_restart(self) -> None:
        """SIGKILL to all of the server's processes. It is stopped first: what it starts while its
        processes are counted would outlive it, and keep the next one from its memory."""
        postmaster = self.server.postmaster_pid()
        os.kill(postmaster, signal.SIGSTOP)
        doomed = [*children_of(postmaster), postmaster]
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while not all(is_gone(pid) for pid in doomed):
            time.sleep(0.01)
        self.server.clear_after_kill()
        self.server.start()


class KillableRedis:
    """A Redis that confirms only what is on disk, or one that may lose its last second.

    With ``loses`` it writes to its file before it answers but never syncs, so that the file's
    length at any moment is what it had confirmed by then; :meth:`lose` cuts the file there.
    """

    def __init__(self, folder: Path, *, loses: bool) -> None:
        self.server = RedisServer(folder, appendfsync="no" if loses else "always")

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def kill_and_restart(self) -> None:
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(0.2)
        await self.start()

    async def lose(self, seconds: float) -> Loss:
        """Go on for a while, die, and come back as it was before that while."""
        file = self.server.folder / "appendonly.aof"
        since = time.time()
        length = file.stat().st_size
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.server.kill)
        until = time.time()
        os.truncate(file, length)
        await self.start()
        return Loss(since=since, until=until)

    async def stop(self) -> None:
        await asyncio.to_thread(self.server.kill)
