"""Which versions of the queue library this engine may touch."""

from __future__ import annotations

import re
from importlib.metadata import version

from redrive.engines.bullmq.calls import Calls
from redrive.errors import EngineUnsupported

PYTHON_MAJOR = 3
"""Of the ``bullmq`` package that is installed beside Redrive; its scripts are run in rebuilds."""

WORKER_MAJORS = (5, 6)
"""Of ``bullmq`` for Node.js, as queues name it; the Python package leaves no name."""

LEAST_SERVER = (6, 2)

_VERSION = re.compile(rb"bullmq:(\d+)\.")


def problem_of(library: bytes | None) -> str | None:
    """Why a queue that this library version made is not touched, or None."""
    match = _VERSION.match(library) if library else None
    if not library or (match and int(match[1]) in WORKER_MAJORS):
        return None
    allowed = ", ".join(f"bullmq {major}" for major in WORKER_MAJORS)
    found = library[:64].decode("utf-8", "replace")
    return (
        f"This queue was made by {found}; supported is {allowed}. "
        "It is not followed, and none of its jobs is retried."
    )


async def check_versions(calls: Calls) -> None:
    """Raise EngineUnsupported for a library or a server that the scripts are not bound to."""
    installed = version("bullmq")
    if int(installed.split(".")[0]) != PYTHON_MAJOR:
        raise EngineUnsupported(
            found=f"bullmq {installed} for Python", allowed=f"bullmq {PYTHON_MAJOR}"
        )
    answer = await calls.one("INFO", "server")
    match = re.search(rb"redis_version:(\d+)\.(\d+)", answer)
    if match and (int(match[1]), int(match[2])) < LEAST_SERVER:
        raise EngineUnsupported(
            found=f"Redis {match[1].decode()}.{match[2].decode()}",
            allowed=f"Redis {LEAST_SERVER[0]}.{LEAST_SERVER[1]} or newer",
        )
