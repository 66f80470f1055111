"""Pause, resume and pace from the command line."""

from __future__ import annotations

import getpass

import pytest

from redrive import wire
from redrive.domain import CanaryState, OperationState
from tests.cli.conftest import Shell
from tests.support.failing import sample_jobs


@pytest.fixture
def failed(shell: Shell) -> Shell:
    """A shell over four failed jobs of one app."""
    shell.fail(sample_jobs(4, apps=1))
    return shell


def test_a_bulk_retry_takes_every_limit(failed: Shell) -> None:
    pace = ("--rate", "50", "--floor", "5", "--low-priority")
    canary = ("--canary", "2", "--canary-percent", "50", "--canary-seconds", "60")
    guard = ("--guard", "20", "--guard-outcomes", "10")
    started = failed.start("retry", "--all", *pace, *canary, *guard)
    controls = failed.operation(started.operation_id).controls
    assert controls.model_dump() == {
        "rate": 50,
        "floor": 5,
        "canary": {"entries": 2, "percent": 50, "seconds": 60},
        "guard": {"percent": 20, "outcomes": 10},
        "low_priority": True,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--floor", "5"), "floor: needs a rate"),
        (("--rate", "0"), "rate: must be from"),
        (("--canary-percent", "50"), "needs --canary"),
        (("--guard-outcomes", "5"), "needs --guard"),
        (("--canary", "0"), "canary.entries: must be from 1"),
    ],
)
def test_limits_that_do_not_fit_are_wrong_usage(
    failed: Shell, options: tuple[str, ...], said: str
) -> None:
    result = failed.run("retry", "--all", *options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_limits_are_for_bulk_starts_only(failed: Shell) -> None:
    result = failed.run("retry", failed.entries()[0].entry_id, "--rate", "5")
    assert result.exit_code == 2


def test_an_operation_is_paused_and_resumed(failed: Shell) -> None:
    started = failed.start("retry", "--all")
    paused = wire.SteerResponse.model_validate_json(
        failed.data("pause", started.operation_id, "--reason", "lunch").stdout
    )
    assert paused.state is OperationState.PAUSED
    shown = failed.run("operations", started.operation_id)
    assert "lunch" in shown.stdout
    assert f"paused by {getpass.getuser()}" in failed.run("operations").stdout
    failed.carry_out(started.operation_id)
    assert failed.operation(started.operation_id).completed == 0
    resumed = failed.run("resume", started.operation_id)
    assert resumed.stdout == "The operation goes on; 4 of 4 are left.\n"
    failed.carry_out(started.operation_id)
    assert failed.operation(started.operation_id).state is OperationState.COMPLETED


def test_an_operation_tells_its_rates_and_what_limits_it(failed: Shell) -> None:
    started = failed.start("retry", "--all", "--rate", "50")
    shown = failed.run("operations", started.operation_id).stdout.splitlines()
    facts = {line[:20].strip(): line.split()[-1] for line in shown}
    assert (facts["WANTED RATE"], facts["MEASURED RATE"]) == ("50/s", "0/s")
    assert (facts["EFFECTIVE RATE"], facts["LIMITED BY"]) == ("RATE", "BY")
    failed.run("pause", started.operation_id)
    assert "LIMITED BY           paused" in failed.run("operations", started.operation_id).stdout


def test_a_watch_ends_when_the_operation_pauses_with_a_code_of_its_own(failed: Shell) -> None:
    started = failed.start("retry", "--all", "--canary", "2", "--canary-seconds", "1")
    failed.carry_out(started.operation_id)
    result = failed.run("operations", "--watch", started.operation_id)
    assert result.exit_code == 7
    why = "0 of 2 recovered, 0 failed again, 2 without an outcome."
    assert f"is paused by canary: {why}" in result.stderr
    assert f"redrive resume {started.operation_id}" in result.stderr
    shown = failed.run("operations", started.operation_id).stdout
    assert "CANARY               stopped" in shown
    assert "BECAUSE              0 of 2 recovered" in shown


def test_limits_are_set_and_taken_away(failed: Shell) -> None:
    started = failed.start("retry", "--all", "--rate", "50", "--low-priority")
    result = failed.run(
        *("pace", started.operation_id, "--canary", "2"),
        *("--without", "rate", "--without", "low-priority"),
    )
    assert result.stdout == "From the next batch on: canary 2, 80 % within 300 s.\n"
    operation = failed.operation(started.operation_id)
    assert (operation.controls.rate, operation.controls.low_priority) == (None, False)
    assert operation.canary is CanaryState.PENDING


@pytest.mark.parametrize(
    "options",
    [("guard", "--guard", "5"), ("rate", "--rate", "9"), ("low-priority", "--low-priority")],
)
def test_a_limit_is_not_set_and_taken_away_at_once(failed: Shell, options: tuple[str, ...]) -> None:
    started = failed.start("retry", "--all", "--rate", "50")
    result = failed.run("pace", started.operation_id, "--without", *options)
    assert result.exit_code == 2
    assert f"{options[0]}: set, or taken away" in " ".join(result.stderr.replace("│", " ").split())
    assert failed.operation(started.operation_id).controls.rate == 50


def test_a_pace_that_names_nothing_is_wrong_usage(failed: Shell) -> None:
    started = failed.start("retry", "--all")
    assert failed.run("pace", started.operation_id).exit_code == 2


@pytest.mark.parametrize("command", [("pause",), ("resume",), ("pace", "--rate", "5")])
def test_steering_an_unknown_operation_says_so(failed: Shell, command: tuple[str, ...]) -> None:
    assert failed.run(command[0], "op_nobody", *command[1:]).exit_code == 3


def test_resuming_what_is_not_paused_is_a_conflict(failed: Shell) -> None:
    started = failed.start("retry", "--all")
    assert failed.run("resume", started.operation_id).exit_code == 4


def test_approval_is_not_given_on_the_command_line(
    failed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRIVE_APPROVAL_OVER", "3")
    result = failed.run("retry", "--all")
    assert "another user has to approve it" in result.stdout
    (operation,) = (
        wire.Page[wire.Operation].model_validate_json(failed.data("operations").stdout).items
    )
    watched = failed.run("operations", "--watch", operation.operation_id)
    assert watched.exit_code == 7
    assert "Approve it: another user, at the console" in watched.stderr
    assert "redrive resume" not in watched.stderr
    monkeypatch.setattr("getpass.getuser", lambda: "somebody-else")
    refused = failed.run("resume", operation.operation_id)
    assert refused.exit_code == 4
    assert "signed in at the console" in " ".join(refused.stderr.split())
    assert failed.run("cancel", operation.operation_id).exit_code == 0
