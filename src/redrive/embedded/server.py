"""The embedded server: start, watch, stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import redis

from redrive.embedded import guard
from redrive.embedded.data_dir import read_redis_url, write_redis_url
from redrive.errors import EmbeddedRedisFailed

HOST = "127.0.0.1"
OLD_SERVER_SECONDS = 30.0
FIRST_ANSWER_SECONDS = 20.0
STOP_SECONDS = 20.0


class EmbeddedRedis:
    """A Redis of our own in ``data_dir``, on loopback, behind a random password.

    Port and password stay the same from start to start while the port is free, so that workers
    which point at it go on after a restart. To be started from the main thread: the server ends
    with the thread that started it. The caller holds the :class:`DataDir`.
    """

    def __init__(self, data_dir: Path, binary: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.binary = binary
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, wait until it has loaded its files and answers, and leave its URL.

        An older server that is still writing its files is waited for. Raises
        EmbeddedRedisFailed, with the end of the server's log.
        """
        self._launch()
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it, with everything written. Without effect if it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    async def keep_running(self, stop: asyncio.Event, check_seconds: float = 0.5) -> None:
        """Until ``stop``: start it again, on the same address, whenever it has ended."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), check_seconds)
            if not stop.is_set() and not self.running:
                self._launch()
                await asyncio.to_thread(self._wait_until_it_answers)

    def _launch(self) -> None:
        folder = self.data_dir / "redis"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._wait_for_the_old_one(folder)
        try:
            port, password = self._address()
            self.url = f"redis://:{password}@{HOST}:{port}/0"
            self._process = self._spawn(folder, lock, port, password)
        finally:
            os.close(lock)

    def _wait_for_the_old_one(self, folder: Path) -> int:
        """Take the lock that a server holds as long as it lives; returns its descriptor.

        The descriptor is handed to the server, so the lock outlives a killed parent exactly as
        long as the server does. Starting a second server on the same files would lose writes.
        """
        lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + OLD_SERVER_SECONDS
        asked = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise EmbeddedRedisFailed(
                        problem=f"an older server still uses the files in {folder}."
                    ) from None
                if not asked:
                    self._ask_it_to_end()
                    asked = True
                time.sleep(0.05)
            else:
                return lock

    def _ask_it_to_end(self) -> None:
        url = read_redis_url(self.data_dir)
        if url is None:
            return
        with (
            contextlib.suppress(redis.RedisError),
            contextlib.closing(redis.Redis.from_url(url, socket_timeout=5)) as client,
        ):
            client.shutdown()

    def _address(self) -> tuple[int, str]:
        """The last port and password if the port is free, else new ones."""
        known = urlsplit(read_redis_url(self.data_dir) or "")
        if known.port and known.password and _is_free(known.port):
            return known.port, known.password
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            return probe.getsockname()[1], secrets.token_urlsafe(24)

    def _spawn(self, folder: Path, lock: int, port: int, password: str) -> subprocess.Popen[bytes]:
        """Start the server; its configuration comes over stdin, so no list of processes shows
        the password."""
        config = (
            f"bind {HOST}\nport {port}\nrequirepass {password}\nprotected-mode yes\n"
            f'dir "{_quoted(folder)}"\nlogfile "{_quoted(folder / "server.log")}"\n'
            'loglevel notice\nappendonly yes\nappendfsync everysec\nsave ""\n'
            "maxmemory-policy noeviction\nauto-aof-rewrite-min-size 64mb\ndaemonize no\n"
        )
        guard_script = str(Path(guard.__file__))
        process = subprocess.Popen(  # noqa: S603 - the program is the operator's own choice
            [sys.executable, "-I", guard_script, str(os.getpid()), str(self.binary), "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock,),
            # Ctrl-C in a terminal reaches the whole group: the server would end before the
            # runner has settled the batch that it has in hand.
            start_new_session=True,
        )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(config.encode())
        return process

    def _wait_until_it_answers(self) -> None:
        """At its first answer, leave its URL. A server that loads its files gets all the time."""
        try:
            self._poll()
        except BaseException:
            self.stop()
            raise
        write_redis_url(self.data_dir, self.url)

    def _poll(self) -> None:
        deadline = time.monotonic() + FIRST_ANSWER_SECONDS
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=5)) as client:
            while True:
                try:
                    client.ping()
                except redis.BusyLoadingError:
                    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
                except redis.RedisError as error:
                    if not self.running or time.monotonic() > deadline:
                        raise EmbeddedRedisFailed(
                            problem=f"{self.binary} gave no answer ({error}). Its log ends: "
                            + _tail(self.data_dir / "redis" / "server.log")
                        ) from error
                else:
                    return
                time.sleep(0.02)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return " / ".join(lines[-5:])
