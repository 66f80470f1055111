"""Settings: where they come from, and how every problem is told at once."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from redrive.domain import Retention
from redrive.errors import SettingsError
from redrive.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of this machine."""
    for name in list(os.environ):
        if name.startswith("REDRIVE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problems_of(**flags: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**flags)
    return caught.value.problems


DOUBLED = "sources.name (REDRIVE_SOURCES): each source needs a name of its own (given: 'a')"


def test_without_anything_the_defaults_are_for_one_machine() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8484, None)
    assert settings.ledger_url.endswith("/redrive-data/ledger.db")
    assert [source.engine for source in settings.sources] == ["bullmq"]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "redrive.toml").write_text('host = "file"\nport = 1001\nbatch_size = 7\n')
    monkeypatch.setenv("REDRIVE_PORT", "1002")
    monkeypatch.setenv("REDRIVE_HOST", "environment")
    settings = load_settings(port="1003", host=None)
    assert (settings.port, settings.host, settings.batch_size) == (1003, "environment", 7)


def test_every_problem_is_listed_at_once_with_key_and_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "redrive.toml").write_text('colour = "red"\n')
    monkeypatch.setenv("REDRIVE_PORT", "99999")
    monkeypatch.setenv("REDRIVE_LOG_FORMAT", "xml")
    monkeypatch.setenv("REDRIVE_TRUSTED_PROXIES", "10.0.0.1")
    found = "\n".join(problems_of(batch_size="0"))
    assert "port (REDRIVE_PORT): Input should be less than or equal to 65535" in found
    assert "(given: '99999')" in found
    assert "log_format (REDRIVE_LOG_FORMAT): Input should be 'console' or 'json'" in found
    assert "trusted_proxies (REDRIVE_TRUSTED_PROXIES): must be a list" in found
    assert "batch_size (REDRIVE_BATCH_SIZE): Input should be greater than or equal to 1" in found
    assert "colour: there is no such setting" in found


def test_an_error_never_repeats_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRIVE_ADMIN_PASSWORD", "hunter2")
    monkeypatch.setenv("REDRIVE_REDIS_URL", "http://:hunter2@example")
    monkeypatch.setenv("REDRIVE_DATABASE_URL", "mysql://me:hunter2@example")
    monkeypatch.setenv("REDRIVE_SOURCES", '[{"url": "tcp://:hunter2@example"}]')
    found = problems_of()
    assert len(found) == 4
    assert "hunter2" not in "\n".join(found)


def test_sources_can_be_given_as_json_and_must_have_names_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "REDRIVE_SOURCES", '[{"name": "a", "prefix": "x"}, {"name": "b", "queues": ["mail-*"]}]'
    )
    first, second = load_settings().sources
    assert (first.prefix, second.queues) == ("x", ("mail-*",))
    monkeypatch.setenv("REDRIVE_SOURCES", '[{"name": "a"}, {"name": "a"}]')
    assert problems_of() == (DOUBLED,)


def test_a_doubled_name_is_listed_beside_everything_else_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "REDRIVE_SOURCES", '[{"name": "a", "queue": ["*"]}, {"name": "a", "engine": "rq"}]'
    )
    monkeypatch.setenv("REDRIVE_PORT", "0")
    found = problems_of()
    assert found[:3] == (
        "sources.0.queue: there is no such setting; did you mean queues?",
        "sources.1.engine (REDRIVE_SOURCES): Input should be 'bullmq' (given: 'rq')",
        DOUBLED,
    )
    assert found[3].startswith("port (REDRIVE_PORT)")
    assert len(found) == 4


def test_a_source_without_a_name_is_called_default_and_counts_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDRIVE_SOURCES", '[{"prefix": "x"}, {"name": "default"}]')
    assert problems_of() == (DOUBLED.replace("'a'", "'default'"),)


def test_a_misspelt_key_of_a_source_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "redrive.toml").write_text('[[sources]]\nqueue = ["*"]\n')
    assert problems_of() == ("sources.0.queue: there is no such setting; did you mean queues?",)


def test_a_settings_file_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRIVE_CONFIG", "elsewhere.toml")
    assert problems_of() == ("REDRIVE_CONFIG: there is no file elsewhere.toml",)


def test_a_settings_file_that_is_not_toml_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "redrive.toml").write_text("port = = 1\n")
    (problem,) = problems_of()
    assert problem.startswith("redrive.toml: ")
    assert "line 1" in problem


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRIVE_PORT", "")
    assert load_settings().port == 8484


def test_settings_cannot_be_changed_and_do_not_show_the_password() -> None:
    settings = load_settings(admin_password="long enough")
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
    assert "long enough" not in repr(settings)


def test_a_variable_that_is_no_setting_is_refused_and_the_likely_one_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDRIVE_HOSTT", "0.0.0.0")
    monkeypatch.setenv("REDRIVE_ZZZ", "1")
    monkeypatch.setenv("REDRIVE_PORT", "0")
    found = problems_of()
    assert len(found) == 3
    assert found[0].startswith("port (REDRIVE_PORT)")
    assert found[1:] == (
        "REDRIVE_HOSTT: there is no such setting; did you mean REDRIVE_HOST?",
        "REDRIVE_ZZZ: there is no such setting",
    )
    monkeypatch.delenv("REDRIVE_PORT")
    assert len(problems_of()) == 2


def test_a_key_that_is_no_setting_is_refused_and_the_likely_one_named(tmp_path: Path) -> None:
    (tmp_path / "redrive.toml").write_text('hosts = "::"\n[[sources]]\nqueue = ["*"]\n')
    assert problems_of() == (
        "sources.0.queue: there is no such setting; did you mean queues?",
        "hosts: there is no such setting; did you mean host?",
    )


def test_variables_that_are_no_settings_but_known_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here.toml").write_text("batch_size = 7\n")
    monkeypatch.setenv("REDRIVE_CONFIG", "here.toml")
    monkeypatch.setenv("REDRIVE_REQUIRE_ALL", "1")
    monkeypatch.setenv("REDRIVE_EMPTY", "")
    assert load_settings().batch_size == 7


def test_what_kubernetes_sets_for_a_service_beside_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "SERVICE_HOST": "10.0.0.7",
        "SERVICE_PORT": "6379",
        "SERVICE_PORT_REDIS": "6379",
        "PORT": "tcp://10.0.0.7:6379",
        "PORT_6379_TCP": "tcp://10.0.0.7:6379",
        "PORT_6379_TCP_PROTO": "tcp",
        "PORT_6379_TCP_ADDR": "10.0.0.7",
    }.items():
        monkeypatch.setenv(f"REDRIVE_REDIS_{name}", value)
    assert load_settings().port == 8484


@pytest.mark.parametrize(
    ("given", "days"), [("7", 7), (7, 7), ("0", None), (0, None), ("never", None), ("Never", None)]
)
def test_days_of_retention_are_a_number_or_never(given: object, days: int | None) -> None:
    retention = load_settings(retention_days=given, audit_retention_days=given).retention
    expected = None if days is None else timedelta(days=days)
    assert (retention.history, retention.audit) == (expected, expected)


def test_without_a_setting_what_is_over_is_kept_for_thirty_days() -> None:
    assert load_settings().retention == Retention(
        history=timedelta(days=30), audit=timedelta(days=30)
    )


@pytest.mark.parametrize("given", ["-1", "1.5", "30d", "", "36501", True, [3]])
def test_days_of_retention_that_are_none_are_refused(given: object) -> None:
    (problem,) = problems_of(retention_days=given)
    assert problem == (
        "retention_days (REDRIVE_RETENTION_DAYS): must be a whole number of days up to 36500, "
        f"or 0 or never (given: {given!r})"
    )


@pytest.mark.parametrize(("given", "minutes"), [(None, 60), ("0", 0), ("5", 5), ("10080", 10_080)])
def test_outcomes_are_waited_for_so_many_minutes(
    monkeypatch: pytest.MonkeyPatch, given: str | None, minutes: int
) -> None:
    if given is not None:
        monkeypatch.setenv("REDRIVE_OBSERVE_MINUTES", given)
    assert load_settings().observe_for == timedelta(minutes=minutes)


@pytest.mark.parametrize("given", ["-1", "10081", "1h", "1.5"])
def test_minutes_that_are_none_are_refused_with_what_is_allowed(given: str) -> None:
    (problem,) = problems_of(observe_minutes=given)
    assert problem.startswith("observe_minutes (REDRIVE_OBSERVE_MINUTES): ")
    assert problem.endswith(f"(given: {given!r})")
