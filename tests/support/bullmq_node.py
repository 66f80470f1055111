"""Producers and workers in Node.js, with the real ``bullmq`` package from npm."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import zlib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "node"
ANSWER_SECONDS = 30


def need_node() -> None:
    """Install the packages once; without Node.js skip, or fail where nothing may be skipped."""
    required = bool(os.environ.get("CI") or os.environ.get("REDRIVE_REQUIRE_ALL"))
    problem = why_no_node()
    if problem and required:
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)


def why_no_node() -> str | None:
    """Install the packages once; returns what is missing, None if nothing is."""
    return _install() if _has_node() else "Node.js and npm are not installed"


def _has_node() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def _install() -> str | None:
    """Several test processes may come here at once; one of them installs."""
    name = f"redrive-npm-{zlib.crc32(str(FOLDER).encode()):x}.lock"
    with (Path(tempfile.gettempdir()) / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
        if all((FOLDER / "node_modules" / name).exists() for name in wanted):
            return None
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    return None if done.returncode == 0 else f"npm install failed: {done.stderr[-500:]}"


class NodeSide:
    """A Node.js process that adds, works and retries as told (see ``node/queue.mjs``)."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def tell(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One command and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_SECONDS)
        assert line, "the Node.js process has ended"
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer


@contextlib.asynccontextmanager
async def node_side(
    url: str, *, prefix: str = "bull", library: str = "bullmq"
) -> AsyncIterator[NodeSide]:
    """A running Node.js process, ended with the test."""
    process = await asyncio.create_subprocess_exec(
        *("node", "queue.mjs", url, prefix, library),
        cwd=FOLDER,
        stdin=PIPE,
        stdout=PIPE,
        limit=2**24,
    )
    try:
        yield NodeSide(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
        if process.returncode is None:
            process.kill()
            await process.wait()


def recorded(record: Path) -> list[dict[str, Any]]:
    """What a worker has written to its file."""
    if not record.exists():
        return []
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


async def until_counts(node: NodeSide, queue: str, **expected: int) -> None:
    """Wait until the library counts exactly these."""
    wanted = {state.replace("_", "-"): count for state, count in expected.items()}
    counts: dict[str, int] = {}
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while not wanted.items() <= counts.items():
                await asyncio.sleep(0.02)
                counts = await node.tell("counts", queue=queue)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {wanted}; there is {counts}") from None
