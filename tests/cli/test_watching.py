"""Watching an operation: lines, a bar, a table at the end, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from redrive import wire
from tests.cli.conftest import Shell, read_all
from tests.support.failing import accept, refuse, reject, sample_jobs
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
        "still waiting": 2,
    }
    assert "observing 4/4" in result.stderr


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


def moved(shell: Shell, count: int) -> str:
    """The id of an operation that has handed back ``count`` jobs."""
    shell.fail(sample_jobs(count, apps=1))
    started = shell.start("retry", "--all")
    shell.carry_out(started.operation_id)
    return started.operation_id


def table_of(stdout: str) -> dict[str, str]:
    """What the table at the end says, without its head."""
    lines = [line.rsplit(None, 1) for line in stdout.splitlines()[1:]]
    return {what.strip(): said for what, said in lines}


def test_a_verdict_by_which_everything_recovered_gives_exit_code_0(shell: Shell) -> None:
    operation_id = moved(shell, 2)
    shell.work(accept)
    result = shell.run("operations", operation_id, "--watch", "--verdict")
    assert result.exit_code == 0, result.output
    said = table_of(result.stdout)
    assert (said["recovered"], said["failed again"]) == ("2", "0")


@pytest.mark.parametrize(("process", "same", "other"), [(refuse, "2", "0"), (reject, "0", "2")])
def test_a_verdict_by_which_something_failed_again_gives_exit_code_8(
    shell: Shell, process: Any, same: str, other: str
) -> None:
    operation_id = moved(shell, 2)
    shell.work(process)
    result = shell.run("operations", operation_id, "--watch", "--verdict")
    assert result.exit_code == 8
    assert "Of 2 that were moved 0 recovered." in result.stderr
    said = table_of(result.stdout)
    assert (said["the same way"], said["differently"]) == (same, other)
    assert shell.operation(operation_id).verdict.failed_same == int(same)


def test_a_verdict_that_nobody_waits_for_any_more_says_what_still_waits(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRIVE_OBSERVE_MINUTES", "0")
    operation_id = moved(shell, 2)
    result = shell.run("operations", operation_id, "--watch", "--verdict", "--json")
    assert result.exit_code == 8
    shown = wire.Operation.model_validate_json(result.stdout)
    assert (shown.phase, shown.verdict.waiting) == ("completed", 2)
    assert shell.run("operations", operation_id, "--watch").exit_code == 0


def test_an_operation_shows_its_verdict(shell: Shell) -> None:
    operation_id = moved(shell, 2)
    lines = shell.run("operations", operation_id).stdout.splitlines()
    facts = {line[:20].strip(): line[20:].strip() for line in lines}
    assert (facts["STATE"], facts["VERDICT"], facts["WAITING"]) == ("observing", "open", "2")
    shell.work(refuse)
    lines = shell.run("operations", operation_id).stdout.splitlines()
    facts = {line[:20].strip(): line[20:].strip() for line in lines}
    assert (facts["STATE"], facts["VERDICT"], facts["WAITING"]) == ("completed", "final", "0")
    assert (facts["FAILED THE SAME WAY"], facts["RECOVERY RATE"]) == ("2", "0.0%")
