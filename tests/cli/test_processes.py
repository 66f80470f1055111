"""The processes of a larger deployment, which run for long."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import Shell

TELLS = """
import gc
from redrive.cli import processes
from redrive.cli.app import app

async def tell(_services, _stop):
    print(gc.get_threshold()[0], gc.get_freeze_count() > 10_000)

processes.run_runner = processes.run_follower = tell
app()
"""


@pytest.mark.parametrize("part", ["runner", "follower"])
def test_a_runner_and_a_follower_look_for_garbage_rarely(shell: Shell, part: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", TELLS, part], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["50000", "True"]
