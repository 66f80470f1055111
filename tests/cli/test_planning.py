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


def test_a_plan_keeps_its_limits_for_its_start(shell: Shell) -> None:
    shell.fail(sample_jobs(4, apps=2))
    slow = plan(shell, "--where", "app=app-0", "--rate", "0.5", "--canary", "1")
    assert (slow.predicted_seconds, slow.controls.rate) == (4.0, 0.5)
    started = shell.operation(shell.start("start", slow.plan_token or "").operation_id)
    assert started.controls == slow.controls
    other = plan(shell, "--where", "app=app-1", "--rate", "50", "--canary", "1")
    options = ("--floor", "5", "--guard", "20", "--low-priority", "--without", "canary")
    began = shell.start("start", other.plan_token or "", *options)
    assert shell.operation(began.operation_id).controls.model_dump() == {
        "rate": 50,
        "floor": 5,
        "canary": None,
        "guard": {"percent": 20, "outcomes": 100},
        "low_priority": True,
    }


def test_limits_that_fit_no_plan_or_no_dismissal_start_nothing(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    retry = plan(shell, "--everything", "--rate", "5").plan_token or ""
    result = shell.run("start", retry, "--floor", "9")
    assert result.exit_code == 2
    assert "floor: 9 is over the rate of 5" in result.stderr
    dismissal = plan(shell, "--everything", "--kind", "dismiss").plan_token or ""
    for command in (("start", dismissal), ("plan", "--everything", "--kind", "dismiss")):
        result = shell.run(*command, "--rate", "5")
        assert result.exit_code == 2
        assert "A dismissal takes no limits (rate 5/s)" in result.stderr
    assert shell.start("start", retry).total == 1


def test_a_plan_names_its_groups_its_samples_and_its_limits(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    limits = ("--rate", "0.5", "--canary", "1", "--canary-seconds", "60")
    result = shell.run("plan", "--where", "queue=mail", *limits)
    for entry in shell.entries():
        assert result.stdout.count(entry.entry_id) == 1
        assert f"{entry.error_type}: {entry.error_message}" in result.stdout
        assert entry.group_id is not None
        assert entry.group_id in result.stdout
    assert "2 entries, in about 4 s at 0.5/s." in result.stderr
    assert "Limits: rate 0.5/s; canary 1, 80 % within 60 s." in result.stderr
    assert "Up to 60 s more for the outcomes of the canary." in result.stderr


@pytest.mark.parametrize("action", ["retry", "resync", "dismiss"])
def test_what_is_planned_and_left_out_is_told_beside_the_answer_without_a_question_too(
    shell: Shell, action: str
) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    named = ("--where", f"entry={entry.entry_id},ent_unknown")
    pace = () if action == "dismiss" else ("--rate", "0.1")
    result = shell.run(action, *named, *pace, "--yes", "--json")
    assert result.exit_code == 0, result.output
    assert wire.BulkRetryResponse.model_validate_json(result.stdout).total == 1
    assert "left out  unknown" in result.stderr
    assert result.stderr.count(entry.entry_id) == 1
    seconds = "0 s at 20,000/s" if action == "dismiss" else "10 s at 0.1/s"
    assert f"1 entry, in about {seconds}." in result.stderr


def test_what_is_left_out_is_told_where_nothing_is_selected(shell: Shell) -> None:
    result = shell.run("retry", "--where", "entry=ent_unknown", "--yes")
    assert result.exit_code == 3
    assert "left out  unknown" in result.stderr
    assert "No entry of the selection (1 entry by hand) can be taken" in result.stderr


def test_resync_where_runs_what_fits_again_from_scratch(shell: Shell) -> None:
    shell.fail(sample_jobs(4, apps=2))
    started = shell.start("resync", "--where", "app=app-0", "--yes", "--rate", "50")
    operation = shell.operation(started.operation_id)
    assert (operation.kind, operation.total, operation.wanted_rate) == ("resync", 2, 50)
    assert "of a selection: app=app-0: op_" in started.message


def test_an_operation_in_the_way_is_told_with_what_it_selects(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    running = shell.start("retry", "--where", "queue=mail", "--yes")
    refused = shell.run("retry", "--all")
    assert refused.exit_code == 4
    assert "is already working on a selection: queue=mail." in refused.stderr
    warned = shell.run("plan", "--everything")
    assert "is working on a selection: queue=mail. This can be started" in warned.stderr
    for arguments in (("operations",), ("operations", running.operation_id)):
        assert "queue=mail" in shell.run(*arguments).stdout


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
        ("resync", "--where", "app=a", "--app", "a"),
        ("resync", "--app", "a", "--include-repeated"),
        ("resync", "--where", "app=a"),
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
