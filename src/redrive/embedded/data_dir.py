"""The data directory: one ``up`` at a time, and where its Redis can be found."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from redrive.errors import DataDirInUse

LOCK_FILE = "up.lock"
URL_FILE = "redis.url"


class DataDir:
    """Holds a data directory for this process until it ends, however it ends.

    The lock belongs to the open file, so a killed holder leaves nothing behind. A second holder
    gets DataDirInUse with the first one's process id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def __enter__(self) -> DataDir:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode("ascii", "replace").strip()
            os.close(lock)
            raise DataDirInUse(path=self.path, pid=holder or "(unknown)") from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def read_redis_url(data_dir: Path) -> str | None:
    """The URL that the embedded Redis of this directory has, or had last; None: never had one."""
    try:
        return (data_dir / URL_FILE).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def write_redis_url(data_dir: Path, url: str) -> None:
    """Leave the URL, readable for this user only: it holds the password."""
    draft = data_dir / f"{URL_FILE}.new"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(url + "\n")
    draft.replace(data_dir / URL_FILE)
