"""Starts processes quickly: imports everything once and forks a child for each request.

``python -m proof.forker`` reads one JSON request a line: ``{"main": "module:function", "arguments",
"environment", "log", "prepare"}``. The child runs ``main`` as a fresh process would, with these
arguments and this environment and nothing else; ``prepare`` (``module:function`` or null) is called
before it. Answers, one JSON object a line: ``{"pid", "event": "started" | "stopped" | "ended",
"code"}``; the code of a child that a signal ended is the signal's number, negative. When standard
input ends, all children are killed.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from redrive import wiring

PRELOADED = (
    "aiosqlite",
    "asyncpg",
    "bullmq",
    "redrive.cli",
    "redrive.web",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "proof.worker",
)
_PR_SET_PDEATHSIG = 1
SWEEP_SECONDS = 3.0
"""Runners look so often for what was forgotten, not once a minute: a proof has no time to wait."""


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    vars(wiring)["_SWEEP_SECONDS"] = SWEEP_SECONDS
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    while True:
        readable, _, _ = select.select([sys.stdin, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            _report(children)
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                break
            children.add(_fork(json.loads(line)))
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _report(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            _say(pid, "stopped")
            continue
        children.discard(pid)
        _say(pid, "ended", os.waitstatus_to_exitcode(status))


def _say(pid: int, event: str, code: int | None = None) -> None:
    sys.stdout.write(json.dumps({"pid": pid, "event": event, "code": code}) + "\n")
    sys.stdout.flush()


def _fork(request: dict[str, Any]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os._exit(_child(parent, request))
    _say(pid, "started")
    return pid


def _child(parent: int, request: dict[str, Any]) -> int:
    """Become what was asked for; returns the exit code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    with Path(os.devnull).open("rb") as nothing, Path(request["log"]).open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    try:
        if request["prepare"]:
            _named(request["prepare"])()
        _named(request["main"])()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _named(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    main()
