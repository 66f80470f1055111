"""The proof and the benchmarks leave nothing running, however they are ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.interrupting import INTERRUPTED
from tests.support.processes import command_line

ROOT = Path(__file__).parents[2]
PROOF = ("proof", "--backend", "postgresql", "--no-steps", "--seeds", "12")
BENCHMARKS = ("benchmarks", "--only", "following", "--backend", "postgresql")


@pytest.fixture
def folder() -> Iterator[Path]:
    """For everything temporary; one that PostgreSQL's own user can enter."""
    made = Path(tempfile.mkdtemp(prefix="redrive-interrupted-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def running_in(folder: Path) -> list[str]:
    """The command lines of the processes that work in the folder, as servers do."""
    lines = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                if str((process / "cwd").readlink()).startswith(str(folder)):
                    lines.append(command_line(int(process.name)))
    return lines


@pytest.mark.parametrize(
    ("words", "number"),
    [(PROOF, signal.SIGTERM), (BENCHMARKS, signal.SIGTERM), (BENCHMARKS, signal.SIGINT)],
    ids=["proof, terminated", "benchmarks, terminated", "benchmarks, interrupted"],
)
def test_what_is_interrupted_ends_its_servers(
    words: tuple[str, ...], number: signal.Signals, folder: Path
) -> None:
    environment = {"TMPDIR": str(folder), "BENCHMARK_RESULTS": str(folder), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        servers = " ".join(running_in(folder))
        assert "redis-server" in servers
        assert "postgres" in servers
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in said
    assert running_in(folder) == []
    left = {one.name.rsplit("-", 1)[0] for one in folder.glob("redrive-*")}
    assert left <= {"redrive-proof"}, "only what is left of failed scenarios stays"
