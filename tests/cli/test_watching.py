"""Watching an operation: lines, a bar, a table at the end, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Shell, read_all
from tests.support.failing import sample_jobs
from tests.support.waiting import until


def test_the_table_at_the_end_says_what_happened_with_every_reason(shell: Shell) -> None:
    shell.fail(sample_jobs(4, apps=1))
    first, second, *_ = shell.entries()
    started = shell.start("retry", "--all")
    shell.retry_elsewhere(first)
    with shell.client() as client:
        client.zrem("bull:mail:failed", second.job_id)
        client.delete(f"bull:mail:{second.job_id}")
    shell.carry_out(started.operation_id)
    result = shell.run("operations", "--watch", started.operation_id)
    assert result.exit_code == 0
    table = [line.rsplit(None, 1) for line in result.stdout.splitlines()[1:]]
    assert {what.strip(): int(count) for what, count in table} == {
        "selected": 4,
        "moved back to their queue": 2,
        "skipped": 2,
        "already_live": 1,
        "missing": 1,
        "errored": 0,
        "recovered so far": 0,
        "failed again so far": 0,
    }
    assert "completed 4/4" in result.stderr


def test_a_watched_operation_that_was_cancelled_gives_exit_code_6(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    started = shell.start("retry", "--all")
    shell.run("cancel", started.operation_id)
    result = shell.run("operations", "--watch", started.operation_id)
    assert result.exit_code == 6
    assert "cancelled" in result.stderr


def test_on_a_terminal_the_progress_is_a_bar_and_data_still_goes_to_stdout(
    shell: Shell, tmp_path: Path
) -> None:
    shell.fail(sample_jobs(2, apps=1))
    started = shell.start("retry", "--all")
    shell.carry_out(started.operation_id)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "redrive", "operations", "--watch", started.operation_id],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(terminal)
    stdout, _ = process.communicate(timeout=60)
    talk = read_all(controller)
    assert process.returncode == 0
    assert "━" in talk
    assert "2/2" in talk
    assert b"moved back to their queue" in stdout


def test_ctrl_c_leaves_the_operation_running_and_says_how_to_go_on(
    shell: Shell, tmp_path: Path
) -> None:
    shell.fail(sample_jobs(2, apps=1))
    log = tmp_path / "watch.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "redrive", "retry", "--all", "--watch"], stderr=file
        )
    until(lambda: "queued 0/2" in log.read_text(), "it watches")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    (line,) = [one for one in log.read_text().splitlines() if "Watch it:" in one]
    operation_id = line.split()[-1]
    assert f"redrive cancel {operation_id}" in log.read_text()
    assert shell.operation(operation_id).state == "queued"
