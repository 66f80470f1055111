"""The steps at which the crash proof ends a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import redrive
from redrive import faultpoints
from redrive.faultpoints import Step, reach

COMES_THREE_TIMES = """
from redrive.faultpoints import Step, arm_from_environment, reach
arm_from_environment()
for number in range(3):
    print(number, flush=True)
    reach(Step.CLAIMED)
    reach(Step.MOVED)
"""


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    faultpoints.arm(None)


def started_with(fault: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "REDRIVE_FAULT"}
    return subprocess.run(
        [sys.executable, "-c", COMES_THREE_TIMES],
        env=environment if fault is None else {**environment, "REDRIVE_FAULT": fault},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_unarmed_nothing_happens_at_any_step() -> None:
    for step in Step:
        reach(step)
    ended = started_with(None)
    assert (ended.returncode, ended.stdout.split()) == (0, ["0", "1", "2"])


def test_armed_the_process_dies_at_the_nth_arrival() -> None:
    ended = started_with("settled:1:kill,moved:2:kill")
    assert (ended.returncode, ended.stdout.split()) == (-signal.SIGKILL, ["0", "1"])


def test_a_process_that_was_stopped_at_a_step_goes_on_and_is_not_stopped_again() -> None:
    environment = {**os.environ, "REDRIVE_FAULT": "claimed:1:stop"}
    with subprocess.Popen(
        [sys.executable, "-c", COMES_THREE_TIMES], env=environment, stdout=subprocess.PIPE
    ) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        assert process.stdout is not None
        assert process.stdout.read().split() == [b"0", b"1", b"2"]


@pytest.mark.parametrize("fault", ["moved", "moved:one:kill", "nowhere:1:kill", "moved:1:pause"])
def test_a_fault_that_cannot_be_read_is_refused_and_named(fault: str) -> None:
    ended = started_with(fault)
    assert ended.returncode == 1
    assert f"REDRIVE_FAULT: '{fault}' is not a step" in ended.stderr


def test_each_step_stands_at_one_place_or_more_in_the_code() -> None:
    folder = Path(redrive.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    reached = re.findall(r"reach\((Step\.[^)]+)\)", code)
    standing = set(re.findall(r"Step\.([A-Z_]+)", " ".join(reached)))
    assert standing == {step.name for step in Step}
