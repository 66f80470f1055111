"""What holds for every command: settings, schema, help, exit codes, users."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import typer

from redrive import errors, wire
from redrive.cli.exit_codes import MEANINGS, ExitCode, errors_as_exit_codes, exit_code_of
from redrive.cli.stopping import stop_on_signals
from redrive.settings import Settings
from tests.cli.conftest import Shell, use_environment


def test_wrong_settings_list_every_problem_and_give_exit_code_2(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRIVE_PORT", "0")
    monkeypatch.setenv("REDRIVE_BATCH_SIZE", "many")
    for command in ("up", "failed", "health"):
        result = bare.run(command)
        assert result.exit_code == 2
        assert "REDRIVE_PORT" in result.stderr
        assert "REDRIVE_BATCH_SIZE" in result.stderr
        assert "nothing was started" in result.stderr


def test_without_a_redis_the_error_names_both_ways_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bare: Shell
) -> None:
    use_environment(monkeypatch, data_dir=str(tmp_path / "empty"))
    result = bare.run("failed")
    assert result.exit_code == 2
    assert "REDRIVE_REDIS_URL" in result.stderr
    assert "REDRIVE_DATA_DIR" in result.stderr


@pytest.mark.parametrize("command", ["web", "runner", "follower", "failed", "health"])
def test_an_old_schema_is_refused_and_the_command_named(bare: Shell, command: str) -> None:
    result = bare.run(command)
    assert result.exit_code == 2
    assert "redrive migrate" in result.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing/ledger.db", "unable to open database file"), ("text.db", "file is not a database")],
)
def test_a_database_that_cannot_be_opened_is_named_with_the_reason(
    bare: Shell, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be taken for one " * 20)
    for command in ("migrate", "failed"):
        result = bare.run(command, "--database-url", f"sqlite:///{tmp_path / name}")
        assert result.exit_code == 5
        assert f"The ledger cannot be reached: {reason} ({tmp_path / name})." in result.stderr
        assert "Nothing was changed." in result.stderr


def test_a_postgresql_that_is_away_is_named_without_its_password(bare: Shell) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/ledger"
    for command in ("up", "web", "runner", "follower", "failed"):
        result = bare.run(command, "--database-url", url)
        assert result.exit_code == 5
        assert "(127.0.0.1:1/ledger). Nothing was changed." in result.stderr
        assert "hunter2" not in result.stderr


def test_a_misspelt_variable_starts_nothing(bare: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRIVE_HOSTT", "0.0.0.0")
    result = bare.run("up")
    assert result.exit_code == 2
    assert "REDRIVE_HOSTT: there is no such setting; did you mean REDRIVE_HOST?" in result.stderr


def test_migrate_brings_the_schema_and_may_be_repeated(bare: Shell) -> None:
    for _ in range(2):
        assert bare.run("migrate").exit_code == 0
    assert bare.run("failed").exit_code == 0


def test_help_names_every_variable_and_every_exit_code(bare: Shell) -> None:
    text = bare.run("--help").stdout
    for name in Settings.model_fields:
        assert f"REDRIVE_{name.upper()}" in text
    for code, meaning in MEANINGS.items():
        assert f"{int(code)}  {meaning}" in text


def test_help_of_a_command_names_the_variables_of_its_flags(bare: Shell) -> None:
    text = bare.run("up", "--help").stdout
    for name in ("DATA_DIR", "DATABASE_URL", "REDIS_URL", "REDIS_BINARY", "HOST", "PORT"):
        assert f"[REDRIVE_{name}]" in text


def test_version_is_printed(bare: Shell) -> None:
    result = bare.run("version")
    assert (result.exit_code, result.stdout.count(".")) == (0, 2)


def every_error(kind: type[errors.RedriveError]) -> list[type[errors.RedriveError]]:
    return [kind, *(one for child in kind.__subclasses__() for one in every_error(child))]


@pytest.mark.parametrize(
    ("parent", "code"),
    [
        (errors.NotFound, ExitCode.NOT_FOUND),
        (errors.Conflict, ExitCode.CONFLICT),
        (errors.Unavailable, ExitCode.UNAVAILABLE),
        (errors.BadInput, ExitCode.USAGE),
    ],
)
def test_errors_of_one_family_have_one_exit_code(
    parent: type[errors.RedriveError], code: ExitCode
) -> None:
    for kind in every_error(parent):
        assert exit_code_of(kind("what happened")) is code


def test_a_second_signal_ends_a_long_running_command_at_once_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def run() -> None:
        async with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(typer.Exit) as ended, errors_as_exit_codes():
        asyncio.run(run())
    assert ended.value.exit_code == ExitCode.INTERRUPTED
    assert "second signal" in capsys.readouterr().err


def test_a_user_is_created_listed_and_given_another_password(shell: Shell) -> None:
    assert shell.run("user", "add", "ada", typed="correct horse\n").exit_code == 0
    users = wire.Page[wire.User].model_validate_json(shell.data("user", "list").stdout).items
    assert [one.name for one in users] == ["ada"]
    changed = shell.run("user", "passwd", "ada", typed="battery staple\n")
    assert changed.exit_code == 0
    assert "all sessions of ada have ended" in changed.stderr
    assert "hash" not in shell.run("user", "list").stdout


def test_a_user_that_exists_or_does_not_is_told_apart(shell: Shell) -> None:
    shell.run("user", "add", "ada", typed="correct horse\n")
    assert shell.run("user", "add", "ada", typed="correct horse\n").exit_code == 4
    assert shell.run("user", "passwd", "bob", typed="correct horse\n").exit_code == 3


@pytest.mark.parametrize("name", ["approval", "canary", "guard"])
def test_no_user_is_called_like_what_pauses_by_itself(shell: Shell, name: str) -> None:
    refused = shell.run("user", "add", name, typed="correct horse\n")
    assert refused.exit_code == 2
    assert "No user was created" in refused.stderr
    assert shell.run("user", "list").stdout.splitlines()[1:] == []


def test_a_short_password_is_refused(shell: Shell) -> None:
    result = shell.run("user", "add", "ada", typed="short\n")
    assert result.exit_code == 2
    assert shell.run("user", "list").stdout.splitlines()[1:] == []
