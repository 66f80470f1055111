"""The parts of ``make bench`` run to their end, over a handful of entries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import ON_POSTGRESQL, PARTS
from benchmarks.others import LOOP, NATIVE, NODE
from benchmarks.worlds import BACKENDS

ROOT = Path(__file__).parents[2]
SMALL = ("--sizes", "50", "--entries", "1000", "--failed", "100", "--loop-entries", "20")
ONCE = ("--requests", "1", "--repeats", "1", "--paced-seconds", "1", "--live-seconds", "0.5")
MANY_BATCHES = "20"
TOO_SHORT_TO_CANCEL = "cancelling"
OF_MANY_COURSES = "pacing"
OF_EITHER = [part for part in PARTS if part not in (TOO_SHORT_TO_CANCEL, OF_MANY_COURSES)]


def run(tmp_path: Path, *words: str, **environment: str) -> set[str]:
    """What a run with these words has measured."""
    done = try_to_run(tmp_path, *words, **environment)
    assert done.returncode == 0, done.stderr
    return {file.stem for file in tmp_path.glob("*.json")}


def try_to_run(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, *SMALL, *ONCE],
        cwd=ROOT,
        env=os.environ
        | {"BENCHMARK_RESULTS": str(tmp_path), "REDRIVE_BATCH_SIZE": MANY_BATCHES}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_part_measures_something(tmp_path: Path, backend: str) -> None:
    """Every other part on one database, and the rest on the other."""
    turn = BACKENDS.index(backend)
    wanted = [part for part in OF_EITHER if part not in ON_POSTGRESQL][turn :: len(BACKENDS)]
    only_here = [part for part in OF_EITHER if part in ON_POSTGRESQL] if turn else []
    parts = [word for part in (*wanted, *only_here) for word in ("--only", part)]
    written = run(tmp_path, *parts, "--backend", backend)
    assert written == {*(f"{part}-{backend}" for part in wanted), *only_here, "servers"}
    servers = json.loads((tmp_path / "servers.json").read_text())
    assert "appendonly yes, appendfsync everysec" in servers["redis"]
    assert "fsync on, synchronous_commit on" in servers["postgresql"]


def test_one_database_can_be_measured_alone(tmp_path: Path) -> None:
    written = run(tmp_path, "--only", OF_MANY_COURSES, "--backend", "sqlite")
    assert {name for name in written if name.startswith("pacing")} == {"pacing-sqlite"}


def test_without_node_the_other_ways_are_measured(tmp_path: Path) -> None:
    words = ("--only", "others", "--backend", "sqlite")
    run(tmp_path, *words, PATH=str(tmp_path / "nothing"))
    rows = json.loads((tmp_path / "others-sqlite.json").read_text())["rows"]
    names = [row["name"] for row in rows]
    assert (LOOP in names, NATIVE in names, NODE in names) == (True, True, False)


def test_a_cancel_in_the_middle_is_measured(tmp_path: Path) -> None:
    words = ("--only", TOO_SHORT_TO_CANCEL, "--backend", "sqlite")
    written = run(tmp_path, *words, REDRIVE_BATCH_SIZE="3")
    assert "cancelling-sqlite" in written
    rows = json.loads((tmp_path / "cancelling-sqlite.json").read_text())["rows"]
    assert [len(row["values"]) for row in rows] == [1, 1]


def test_what_could_not_be_measured_is_said_in_one_line(tmp_path: Path) -> None:
    """All of it is one batch, so that it is over when the cancel comes."""
    words = ("--only", "cancelling", "--backend", "sqlite")
    done = try_to_run(tmp_path, *words, REDRIVE_BATCH_SIZE="1000")
    assert done.returncode == 1
    assert "Not measured: all of 1,000 entries were moved before the cancel" in done.stderr
    assert "Traceback" not in done.stderr
