"""Failures by their cause on the command line."""

from __future__ import annotations

from redrive import wire
from tests.cli.conftest import Shell
from tests.support.failing import sample_jobs


def groups(shell: Shell, *arguments: str) -> list[wire.Group]:
    printed = shell.data("groups", *arguments).stdout
    return wire.Page[wire.Group].model_validate_json(printed).items


def test_groups_are_listed_with_the_most_failed_first(shell: Shell) -> None:
    shell.fail(sample_jobs(6, apps=3))
    shell.fail(sample_jobs(2, apps=1), queue="reports")
    result = shell.run("groups")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["GROUP", "FAILED", "APPS"]
    assert [line.split()[1] for line in lines[1:]] == ["6", "2"]
    first, second = groups(shell)
    assert (first.failed, first.apps.found, second.queue) == (6, 3, "reports")
    assert groups(shell, "--queue", "reports") == [second]
    assert groups(shell, "--search", "nothing like it") == []


def test_one_group_is_shown_with_its_entries(shell: Shell) -> None:
    shell.fail(sample_jobs(3, apps=1))
    (listed,) = groups(shell)
    shown = wire.GroupDetail.model_validate_json(shell.data("group", listed.group_id).stdout)
    assert shown.failed == 3
    assert shown.example is not None
    entries = shell.entries("--group", listed.group_id)
    assert {one.group_id for one in entries} == {listed.group_id}
    assert len(entries) == 3
    result = shell.run("group", listed.group_id)
    assert listed.title in result.stdout
    assert f"redrive failed --group {listed.group_id}" in result.stderr


def test_a_note_is_kept_with_a_group(shell: Shell) -> None:
    shell.fail(sample_jobs(1, apps=1))
    (group,) = groups(shell)
    assert shell.run("group", group.group_id, "--note", "ask the hoster").exit_code == 0
    assert groups(shell)[0].note == "ask the hoster"
    assert "ask the hoster" in shell.run("groups").stdout
    refused = shell.run("group", group.group_id, "--note", "x" * 2001)
    assert refused.exit_code == 2
    assert "Nothing was changed" in refused.stderr


def test_an_unknown_group_is_not_found(shell: Shell) -> None:
    result = shell.run("group", "grp_1_unknown")
    assert result.exit_code == 3
    assert "grp_1_unknown" in result.stderr
