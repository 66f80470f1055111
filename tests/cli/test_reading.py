"""Looking at entries, apps, queues and health from the command line."""

from __future__ import annotations

import json

import pytest

from redrive import wire
from redrive.domain import JobState
from tests.cli.conftest import Shell
from tests.support.failing import accept, refuse, reject, sample_jobs


def test_failed_lists_what_failed_newest_first(shell: Shell) -> None:
    shell.fail(sample_jobs(6, apps=3))
    result = shell.run("failed")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 7
    assert lines[0].split() == ["ENTRY", "APP", "QUEUE", "JOB", "FAILED", "AT", "TIMES", "ERROR"]
    assert "ProviderError: the provider refused" in lines[1]
    assert result.stderr == ""


def test_failed_as_json_is_the_public_model(shell: Shell) -> None:
    shell.fail(sample_jobs(6, apps=3))
    found = shell.entries("--app", "app-1")
    assert {one.app_id for one in found} == {"app-1"}
    assert [one.failures for one in found] == [1, 1]
    assert shell.entries("--queue", "mail", "--search", "refused 5")[0].error_message.endswith("5")
    assert shell.entries("--state", "recovered") == []


def test_a_longer_list_goes_on_at_its_cursor(shell: Shell) -> None:
    shell.fail(sample_jobs(5, apps=1))
    first = wire.Page[wire.Entry].model_validate_json(shell.data("failed", "--limit", "3").stdout)
    assert first.next_cursor is not None
    rest = shell.entries("--limit", "3", "--cursor", first.next_cursor)
    assert len({one.entry_id for one in (*first.items, *rest)}) == 5
    assert first.next_cursor in shell.run("failed", "--limit", "3").stderr


def test_a_cursor_that_no_list_gave_out_is_wrong_usage(shell: Shell) -> None:
    result = shell.run("failed", "--cursor", "made-up")
    assert result.exit_code == 2
    assert "made-up" in result.stderr


def test_escape_sequences_of_a_job_never_reach_the_terminal(shell: Shell) -> None:
    shell.fail([{"app_id": "evil\x1b[2J", "number": "\x1b]0;owned\x07\r\n[red]1"}])
    (entry,) = shell.entries()
    for command in (("failed",), ("apps",), ("entry", entry.entry_id)):
        output = shell.run(*command).stdout
        assert "\x1b" not in output
        assert "\x07" not in output
    assert "[red]1" in shell.run("failed").stdout


def test_no_message_carries_an_escape_sequence_to_the_terminal(shell: Shell) -> None:
    shell.fail([{"app_id": "evil\x1b[2J", "number": 1}])
    (entry,) = shell.entries()
    for command in (
        ("cancel", "op_\x1b[2J"),
        ("entry", "ent_\x9b2J"),
        ("retry", "--app", "nobody\x1b]0;owned\x07"),
        ("failed", "--cursor", "\x1b[31m"),
        ("retry", entry.entry_id),
    ):
        result = shell.run(*command)
        assert result.output.strip(), command
        assert not {"\x1b", "\x07", "\x9b"} & set(result.output), command


def test_entry_shows_the_stack_trace_and_masks_secrets(shell: Shell) -> None:
    shell.fail([{"app_id": "a", "number": 1, "password": "hunter2"}])
    (entry,) = shell.entries()
    result = shell.run("entry", entry.entry_id)
    assert "Traceback" in result.stdout
    assert "hunter2" not in result.stdout
    assert '"number":1' in result.stdout
    detail = wire.EntryDetail.model_validate_json(shell.data("entry", entry.entry_id).stdout)
    assert detail.job is not None
    assert detail.job.state == "failed"
    assert detail.payload is not None
    assert "hunter2" not in detail.payload.data


def test_entry_tells_who_retried_it_and_what_came_of_it(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (entry,) = shell.entries()
    assert "BECAME" not in shell.run("entry", entry.entry_id).stdout
    for became, process in (
        ("failed again the same way", refuse),
        ("failed again differently", reject),
        ("recovered", accept),
    ):
        shell.run("retry", entry.entry_id, "--reason", "once more")
        head, newest, *_ = story_of(shell, entry)
        assert head.split() == ["STARTED", "AT", "KIND", "BY", "OPERATION", "BECAME", "WHY"]
        assert "waiting" in newest
        assert newest.endswith("once more")
        shell.work(process)
        assert became in story_of(shell, entry)[1]
    detail = wire.EntryDetail.model_validate_json(shell.data("entry", entry.entry_id).stdout)
    assert [one.same_way for one in detail.history] == [None, False, True]


def story_of(shell: Shell, entry: wire.Entry) -> list[str]:
    """The last table that an entry's page shows, with its head."""
    lines = shell.run("entry", entry.entry_id).stdout.splitlines()
    (first,) = [number for number, line in enumerate(lines) if "BECAME" in line]
    return [line.rstrip() for line in lines[first:]]


def test_an_unknown_entry_or_operation_gives_exit_code_3(shell: Shell) -> None:
    for command in (("entry", "ent_none"), ("operations", "op_none"), ("cancel", "op_none")):
        result = shell.run(*command)
        assert result.exit_code == 3
        assert command[1] in result.stderr
        assert result.stdout == ""


def test_apps_come_with_the_most_failed_first(shell: Shell) -> None:
    shell.fail([{"app_id": "many", "number": n} for n in range(3)] + sample_jobs(1, apps=1))
    page = wire.Page[wire.App].model_validate_json(shell.data("apps").stdout)
    assert [(one.app_id, one.failed) for one in page.items] == [("many", 3), ("app-0", 1)]
    assert shell.run("apps").stdout.splitlines()[1].startswith("many")


def test_queues_count_jobs_by_state(shell: Shell) -> None:
    shell.fail(sample_jobs(4, apps=1))
    (queue,) = wire.Page[wire.Queue].model_validate_json(shell.data("queues").stdout).items
    assert (queue.queue, queue.counts[JobState.FAILED]) == ("mail", 4)
    assert "mail" in shell.run("queues").stdout


def test_with_the_queue_system_away_queues_invents_no_row(shell: Shell) -> None:
    for more in ((), ("--json",)):
        result = shell.run("queues", "--redis-url", "redis://127.0.0.1:1", *more)
        assert (result.exit_code, result.stdout) == (5, "")
        assert "The queue system default cannot be reached" in result.stderr


def test_queues_of_the_sources_that_answer_are_listed_and_the_other_one_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.fail(sample_jobs(4, apps=1))
    sources = [{"name": "here"}, {"name": "there", "url": "redis://127.0.0.1:1"}]
    monkeypatch.setenv("REDRIVE_SOURCES", json.dumps(sources))
    result = shell.run("queues", "--json")
    assert result.exit_code == 5
    (queue,) = wire.Page[wire.Queue].model_validate_json(result.stdout).items
    assert (queue.source, queue.queue) == ("here", "mail")
    assert "there cannot be reached" in result.stderr
    assert "there" not in shell.run("queues").stdout


def test_health_tells_each_part_and_fails_when_one_is_away(
    shell: Shell, monkeypatch: object
) -> None:
    result = shell.run("health")
    assert result.exit_code == 0
    assert "reachable" in result.stdout
    away = shell.run("health", "--redis-url", "redis://127.0.0.1:1", "--json")
    assert away.exit_code == 5
    readiness = wire.Readiness.model_validate_json(away.stdout)
    assert readiness.ready is False
    assert readiness.components["ledger"] is True
    assert readiness.components["redis"] is False
