"""Tables on narrow terminals: an id stands whole on one line, whatever else has to go."""

from __future__ import annotations

import asyncio

import pytest

from redrive.cli.tables import Column, print_table
from tests.cli.conftest import Shell
from tests.support.failing import fail_jobs, sample_jobs

UUID = "0b9d5c1e-7a54-4a0c-9b0e-2f6c1d1f8a77"


def printed(
    capsys: pytest.CaptureFixture[str], columns: list[Column], row: list[str], width: int
) -> list[str]:
    print_table(columns, [row], width)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def busy(shell: Shell) -> Shell:
    """Failed jobs with long names and ids, and operations over one of them and over an app."""
    job = {"app_id": "a-tenant-with-a-long-name", "number": "a long explanation " * 8}
    asyncio.run(fail_jobs(shell.server.url, "mail", [job], {"jobId": UUID}))
    shell.fail(sample_jobs(2, apps=1), queue="a-queue-with-quite-a-long-name")
    (entry,) = shell.entries("--app", "a-tenant-with-a-long-name")
    shell.start("retry", "--app", "app-0", "--reason", "the provider is back " * 5)
    assert shell.run("retry", entry.entry_id).exit_code == 0
    return shell


@pytest.mark.parametrize("columns", [60, 100])
def test_every_id_of_a_list_stands_whole_on_one_line(busy: Shell, columns: int) -> None:
    failed = [*busy.entries(), *busy.entries("--state", "queued")]
    operations = [failed[-1].operation_id or "", *_operations(busy)]
    for arguments, ids in (
        (("failed",), [(one.entry_id, one.job_id) for one in failed[:2]]),
        (("failed", "--state", "queued"), [(failed[-1].entry_id, UUID)]),
        (("operations",), [(one,) for one in operations]),
        (("apps",), [("app-0",), ("a-tenant-with-a-long-name",)]),
        (("queues",), [("mail",), ("a-queue-with-quite-a-long-name",)]),
    ):
        title, *lines = busy.on_terminal(*arguments, columns=columns)
        assert title
        for together in ids:
            assert any(set(together) <= set(line.split()) for line in lines), (together, lines)


@pytest.mark.parametrize("arguments", [("failed",), ("operations",), ("apps",), ("queues",)])
def test_at_80_columns_a_row_is_a_line_that_fits(busy: Shell, arguments: tuple[str, ...]) -> None:
    lines = busy.on_terminal(*arguments)
    assert max(map(len, lines)) <= 80
    assert len(lines) == 3


def test_one_operation_is_told_field_by_field_with_nothing_left_out(busy: Shell) -> None:
    (operation_id,) = _operations(busy)
    lines = busy.on_terminal("operations", operation_id)
    fields = {line[:12].strip() for line in lines}
    assert {"OPERATION", "STATE", "FAILED AGAIN", "REASON", "STARTED AT", "ERROR"} <= fields
    assert operation_id in lines[1].split()
    assert " ".join("\n".join(lines).split()).count("the provider is back") == 5


def test_the_end_of_a_watch_fits_80_columns(busy: Shell) -> None:
    (operation_id,) = _operations(busy)
    busy.carry_out(operation_id)
    lines = busy.on_terminal("operations", "--watch", operation_id)
    assert ["selected", "2"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 80


def test_the_highest_rank_is_left_out_first_and_rank_0_never(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = [Column("ID"), Column("SECOND", rank=2), Column("FIRST", rank=1)]
    row = ["x" * 10, "second", "first"]
    assert printed(capsys, columns, row, 80)[0].split() == ["ID", "SECOND", "FIRST"]
    assert printed(capsys, columns, row, 24)[0].split() == ["ID", "FIRST"]
    assert printed(capsys, columns, row, 5) == ["ID", "x" * 10]


def test_free_text_is_shortened_and_gets_what_is_left_of_the_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = [Column("ID"), Column("TEXT", least=8)]
    assert printed(capsys, columns, ["1234", "word " * 9], 20)[1] == "1234  word word wor…"
    assert printed(capsys, columns, ["1234", "short"], 20)[1] == "1234  short"


def test_wide_characters_count_as_two(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [Column("ID"), Column("NOTE", rank=1)]
    assert printed(capsys, columns, ["失敗した仕事", "note"], 18)[1] == "失敗した仕事  note"
    assert printed(capsys, columns, ["失敗した仕事", "note"], 17)[1] == "失敗した仕事"


def _operations(shell: Shell) -> list[str]:
    """The ids of the bulk operations."""
    shown = shell.run("operations", "--app", "app-0").stdout.splitlines()[1:]
    return [line.split()[0] for line in shown]
