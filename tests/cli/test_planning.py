"""Plans on the command line: what they tell, what they start, and how they exit."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from redrive import wire
from tests.cli.conftest import Shell
from tests.support.failing import sample_jobs


def plan(shell: Shell, *arguments: str) -> wire.Plan:
    return wire.Plan.model_validate_json(shell.data("plan", *arguments).stdout)


def test_a_plan_tells_what_would_happen_and_moves_nothing(shell: Shell) -> None:
    shell.fail(sample_jobs(4, apps=2))
    result = shell.run("plan", "--where", "app=app-1", "--where", "text=refused")
    assert result.exit_code == 0
    assert "app=app-1, text=refused" in result.stdout
    assert "2 entries, in about" in result.stderr
    assert "redrive start plan_" in result.stderr
    with shell.client() as client:
        assert client.llen("bull:mail:wait") == 0


def test_a_plan_is_started_by_its_token_once(shell: Shell) -> None:
    shell.fail(sample_jobs(3, apps=1))
    planned = plan(shell, "--everything")
    assert (planned.total, len(planned.samples)) == (3, 3)
    shell.fail(sample_jobs(1, apps=1), queue="late")
    started = shell.start("start", planned.plan_token or "", "--reason", "fixed")
    assert started.total == 3
    shell.carry_out(started.operation_id)
    operation = shell.operation(started.operation_id)
    assert (operation.succeeded, operation.reason) == (3, "fixed")
    again = shell.run("start", planned.plan_token or "")
    assert again.exit_code == 4
    assert started.operation_id in again.stderr
    assert shell.run("start", "plan_unknown").exit_code == 3


def test_a_plan_of_nothing_gives_exit_code_3(shell: Shell) -> None:
    result = shell.run("plan", "--where", "app=nobody", "--json")
    assert result.exit_code == 3
    assert wire.Plan.model_validate_json(result.stdout).total == 0
    assert shell.run("retry", "--where", "app=nobody", "--yes").exit_code == 3


def test_an_empty_filter_is_refused_and_names_what_is_allowed(shell: Shell) -> None:
    result = shell.run("plan")
    assert result.exit_code == 2
    for said in ("--where app=", "--everything", "Nothing was changed"):
        assert said in result.stderr


def test_retry_where_starts_what_fits(shell: Shell) -> None:
    shell.fail(sample_jobs(4, apps=2))
    started = shell.start("retry", "--where", "app=app-0", "--yes")
    assert started.total == 2
    shell.carry_out(started.operation_id)
    assert len(shell.entries()) == 2


@pytest.mark.parametrize(("said", "code", "started"), [("n", 130, 0), ("y", 0, 1)])
def test_on_a_terminal_the_plan_is_told_and_asked_about_first(
    shell: Shell, said: str, code: int, started: int
) -> None:
    shell.fail(sample_jobs(2, apps=1))
    controller, terminal = pty.openpty()
    os.write(controller, f"{said}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "redrive", "retry", "--where", "queue=mail"],
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(terminal)
    os.close(controller)
    assert done.returncode == code, done.stderr
    assert "2 entries, in about" in done.stderr
    assert "Retry them? [y/N]" in done.stderr
    assert ("Nothing was started." in done.stderr) is (said == "n")
    assert shell.run("operations", "--json").stdout.count('"operation_id"') == started


def test_where_nobody_can_be_asked_nothing_is_started_without_a_yes(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    result = shell.run("retry", "--where", "queue=mail")
    assert result.exit_code == 2
    assert "--yes is needed where nobody can be asked" in result.stderr
    assert shell.run("operations", "--json").stdout.count("op_") == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry", "--where", "app=a", "--all"),
        ("retry", "ent_1", "--where", "app=a"),
        ("retry", "--all", "--yes"),
        ("retry", "--app", "a", "--include-repeated"),
        ("retry", "--where", "app=a", "--yes", "--idempotency-key", "k"),
        ("dismiss",),
        ("dismiss", "ent_1", "--where", "app=a", "--yes"),
        ("dismiss", "ent_1", "--watch"),
    ],
)
def test_options_that_do_not_fit_together_are_wrong_usage(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert shell.run(*arguments).exit_code == 2


def test_entries_are_dismissed_and_restored(shell: Shell) -> None:
    shell.fail(sample_jobs(3, apps=1))
    first, *others = shell.entries()
    result = shell.run("dismiss", first.entry_id, "--reason", "known")
    assert result.exit_code == 0
    assert "its entry is dismissed" in result.stdout
    assert shell.run("dismiss", first.entry_id).exit_code == 4
    named = ",".join(one.entry_id for one in others)
    started = shell.start("dismiss", "--where", f"entry={named}", "--yes")
    shell.carry_out(started.operation_id)
    assert len(shell.entries("--state", "dismissed")) == 3
    assert shell.operation(started.operation_id).dismissed == 2
    result = shell.run("restore", first.entry_id)
    assert result.stdout == f"The entry of job {first.job_id} is failed again.\n"
    assert [one.entry_id for one in shell.entries()] == [first.entry_id]
    assert shell.run("restore", first.entry_id).exit_code == 4
    assert shell.run("restore", "ent_unknown").exit_code == 3


def test_the_list_of_entries_takes_the_same_conditions(shell: Shell) -> None:
    shell.fail(sample_jobs(3, apps=3))
    assert len(shell.entries("--where", "app=app-1")) == 1
    assert len(shell.entries("--where", "attempts>=1")) == 3
    assert shell.entries("--where", "retried>=1") == []
