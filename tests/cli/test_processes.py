"""The processes that run for long."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Shell
from tests.support.servers import free_port

TELLS = """
import gc
from redrive.cli import processes, up
from redrive.cli.app import app

async def tell(*given, stop=None, **_more):
    print("threshold", gc.get_threshold()[0], "frozen", gc.get_freeze_count() > 10_000)
    (stop or given[-1]).set()

processes.serve = processes.run_runner = processes.run_follower = up.run_runner = tell
app()
"""


@pytest.mark.parametrize("command", ["runner", "follower", "web", "up"])
def test_what_runs_for_long_looks_for_garbage_rarely(shell: Shell, command: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", TELLS, command],
        env={**os.environ, "REDRIVE_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "threshold 50000 frozen True" in told.stdout.splitlines()
