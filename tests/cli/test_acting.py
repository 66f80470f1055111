"""Retry, resync and cancel from the command line: what they say, and how they exit."""

from __future__ import annotations

import json

import pytest

from redrive import wire
from tests.cli.conftest import Shell
from tests.support.failing import sample_jobs


def test_retry_of_one_entry_puts_its_job_back_and_names_it(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    entry = shell.entries()[0]
    answer = wire.RetryResponse.model_validate_json(
        shell.data("retry", entry.entry_id, "--reason", "provider is back").stdout
    )
    assert (answer.job_id, answer.result) == (entry.job_id, "requeued")
    with shell.client() as client:
        assert client.lrange("bull:mail:wait", 0, -1) == [entry.job_id]
        data = json.loads(client.hget(f"bull:mail:{entry.job_id}", "data") or "")
        assert data["isRescan"] is True
    assert shell.operation(answer.operation_id).reason == "provider is back"


def test_resync_of_one_entry_tells_the_job_that_it_starts_from_scratch(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    result = shell.run("resync", entry.entry_id)
    assert result.exit_code == 0
    assert result.stdout == f"Job {entry.job_id} is back in its queue.\n"
    with shell.client() as client:
        data = json.loads(client.hget(f"bull:mail:{entry.job_id}", "data") or "")
        assert data["isRescan"] is False


def test_a_second_retry_of_the_same_entry_is_a_conflict(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    assert shell.run("retry", entry.entry_id).exit_code == 0
    again = shell.run("retry", entry.entry_id)
    assert again.exit_code == 4
    assert "Nothing was changed" in again.stderr


def test_a_job_that_somebody_moved_meanwhile_is_not_moved_and_the_reason_is_said(
    shell: Shell,
) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    shell.retry_elsewhere(entry)
    result = shell.run("retry", entry.entry_id)
    assert result.exit_code == 4
    assert "already waiting or running" in result.stderr


def forget(shell: Shell, entry: wire.Entry) -> None:
    """Somebody removes the job, and nothing is known to rebuild it from."""
    with shell.client() as client:
        client.zrem("bull:mail:failed", entry.job_id)
        client.delete(f"bull:mail:{entry.job_id}")


def test_a_job_that_cannot_be_rebuilt_is_said_to_have_vanished(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRIVE_PAYLOAD_LIMIT", "0")
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    forget(shell, entry)
    result = shell.run("retry", entry.entry_id)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "The entry is vanished now." in result.stderr
    assert "Nothing was changed" not in result.stderr
    assert [one.entry_id for one in shell.entries("--state", "vanished")] == [entry.entry_id]


@pytest.mark.parametrize("action", ["retry", "resync"])
def test_as_json_an_entry_that_was_not_moved_is_told_too_with_exit_code_4(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setenv("REDRIVE_PAYLOAD_LIMIT", "0")
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    forget(shell, entry)
    result = shell.run(action, entry.entry_id, "--json")
    assert result.exit_code == 4
    answer = wire.RetryResponse.model_validate_json(result.stdout)
    assert (answer.job_id, answer.result) == (entry.job_id, "missing")
    assert "vanished" in answer.message
    assert shell.operation(answer.operation_id).skipped == 1


@pytest.mark.parametrize("action", ["retry", "resync"])
@pytest.mark.parametrize(
    "option",
    [("--idempotency-key", "ticket-1"), ("--watch",), ("--outcomes", "5"), ("--verdict",)],
)
def test_one_entry_takes_no_option_of_a_bulk_start(
    shell: Shell, action: str, option: tuple[str, ...]
) -> None:
    result = shell.run(action, "ent_1", *option)
    assert result.exit_code == 2
    assert f"{option[0]}: for bulk starts only" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("retry", "--all"), ("resync", "--app", "a"), ("operations", "op_1")]
)
def test_outcomes_are_only_waited_for_by_somebody_who_watches(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    result = shell.run(*arguments, "--outcomes", "5")
    assert result.exit_code == 2
    assert "--outcomes needs --watch" in result.stderr
    result = shell.run(*arguments, "--verdict")
    assert result.exit_code == 2
    assert "--verdict needs --watch" in result.stderr
    result = shell.run(*arguments, "--watch", "--verdict", "--outcomes", "5")
    assert result.exit_code == 2
    assert "name one of: --outcomes SECONDS, --verdict" in result.stderr


def test_with_redis_away_a_start_is_kept_and_no_log_line_stands_before_its_answer(
    shell: Shell,
) -> None:
    shell.fail(sample_jobs(2, apps=1))
    process = shell.program("retry", "--all", "--redis-url", "redis://127.0.0.1:1")
    assert process.returncode == 0
    assert process.stdout.startswith("Started retry of 2 entries")
    assert process.stderr.startswith("Watch it: ")
    assert len(process.stderr.splitlines()) == 1


def test_warnings_are_logged_by_a_short_command_that_is_told_to(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRIVE_LOG_LEVEL", "warning")
    shell.fail(sample_jobs(2, apps=1))
    process = shell.program("retry", "--all", "--redis-url", "redis://127.0.0.1:1")
    assert "progress_not_written" in process.stderr


def test_with_the_queue_system_away_a_retry_changes_nothing(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    result = shell.run("retry", entry.entry_id, "--redis-url", "redis://127.0.0.1:1")
    assert result.exit_code == 5
    assert [one.state for one in shell.entries()] == ["failed"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry",),
        ("retry", "--all", "--app", "a"),
        ("retry", "ent_1", "--all"),
        ("resync",),
        ("resync", "ent_1", "--app", "a"),
        ("operations", "--watch"),
        ("failed", "--limit", "0"),
        ("failed", "--state", "lost"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_gives_exit_code_2_and_starts_nothing(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    result = shell.run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_retry_of_an_app_starts_an_operation_over_its_entries_only(shell: Shell) -> None:
    shell.fail(sample_jobs(9, apps=3))
    started = shell.start("retry", "--app", "app-2")
    assert (started.total, started.new) == (3, True)
    shell.carry_out(started.operation_id)
    operation = shell.operation(started.operation_id)
    assert (operation.state, operation.succeeded) == ("completed", 3)
    assert (operation.origin, operation.scope, operation.app_id) == ("cli", "app", "app-2")
    assert len(shell.entries()) == 6


def test_the_same_key_again_answers_with_the_operation_it_started(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    first = shell.start("retry", "--all", "--idempotency-key", "ticket-1")
    second = shell.start("retry", "--all", "--idempotency-key", "ticket-1")
    assert (second.operation_id, second.new) == (first.operation_id, False)


def test_a_bulk_start_over_a_running_one_names_the_running_one(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    running = shell.start("retry", "--all")
    result = shell.run("retry", "--app", "app-0")
    assert result.exit_code == 4
    assert running.operation_id in result.stderr


def test_a_bulk_start_over_nothing_or_an_unknown_app_gives_exit_code_3(shell: Shell) -> None:
    assert shell.run("retry", "--all").exit_code == 3
    assert shell.run("retry", "--app", "nobody").exit_code == 3


def test_resync_of_an_app_takes_in_what_has_recovered(shell: Shell) -> None:
    shell.fail(sample_jobs(2, apps=1))
    started = shell.start("resync", "--app", "app-0")
    assert shell.operation(started.operation_id).kind == "resync"


def test_cancel_of_a_queued_operation_leaves_everything_failed(shell: Shell) -> None:
    shell.fail(sample_jobs(3, apps=1))
    started = shell.start("retry", "--all")
    answer = wire.CancelResponse.model_validate_json(
        shell.data("cancel", started.operation_id).stdout
    )
    assert answer.state == "cancelled"
    assert len(shell.entries()) == 3
    again = shell.run("cancel", started.operation_id)
    assert again.exit_code == 4
    assert "keeps its counts" in again.stderr


def test_cancel_with_undo_takes_back_what_waits(shell: Shell) -> None:
    shell.fail(sample_jobs(3, apps=1))
    started = shell.start("retry", "--all")
    shell.carry_out(started.operation_id)
    finished = shell.run("cancel", started.operation_id)
    assert finished.exit_code == 4
    asked = wire.CancelResponse.model_validate_json(
        shell.data("cancel", started.operation_id, "--undo").stdout
    )
    assert (asked.state, asked.operation_id) == ("cancelling", started.operation_id)
    shell.carry_out(started.operation_id)
    undone = shell.operation(started.operation_id)
    assert (undone.state, undone.succeeded, undone.released) == ("cancelled", 0, 3)
    assert len(shell.entries()) == 3
    again = shell.run("cancel", started.operation_id, "--undo")
    assert again.exit_code == 4
    assert "nothing is left to take back" in again.stderr
