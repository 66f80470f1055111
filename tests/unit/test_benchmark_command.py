"""The benchmarks' command line: what it takes, what it refuses, and how it tells a spread."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import ON_POSTGRESQL, PARTS, parsed
from benchmarks.report import Measured


def whole(option: str, text: str, least: str) -> str:
    return f"argument {option}: {text!r} is not a whole number of at least {least}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--sizes abc", whole("--sizes", "abc", "2")),
        ("--sizes 0", whole("--sizes", "0", "2")),
        ("--sizes 1000,,2000", whole("--sizes", "", "2")),
        ("--entries 0", whole("--entries", "0", "1,000")),
        ("--entries -5", whole("--entries", "-5", "1,000")),
        ("--failed 0", whole("--failed", "0", "100")),
        ("--failed 2000 --entries 1000", "--failed: 2,000 is more than the 1,000 of --entries"),
        ("--requests 0", whole("--requests", "0", "1")),
        ("--loop-entries 0", whole("--loop-entries", "0", "1")),
        ("--repeats 0", whole("--repeats", "0", "1")),
        ("--paced-seconds 0", "--paced-seconds: '0' is not a number of at least 1"),
        ("--paced-seconds inf", "--paced-seconds: 'inf' is not a number of at least 1"),
        ("--live-seconds soon", "--live-seconds: 'soon' is not a number of at least 0.5"),
        ("--only nothing", "--only: invalid choice: 'nothing'"),
        ("--backend mysql", "--backend: invalid choice: 'mysql'"),
        ("--only costs --backend sqlite", "--only: costs is measured on PostgreSQL alone"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_not_said_has_a_default() -> None:
    given = parsed([])
    assert (given.only, given.backend) == ([*PARTS], ["sqlite", "postgresql"])
    assert given.sizes == [1_000, 10_000, 100_000]
    assert (given.entries, given.failed) == (100_000, 10_000)
    assert parsed("--entries 5000".split()).failed == 500


def test_without_postgresql_is_left_out_what_is_measured_on_it_alone() -> None:
    given = parsed("--backend sqlite --backend sqlite".split())
    assert given.backend == ["sqlite"]
    assert set(PARTS) - set(given.only) == set(ON_POSTGRESQL)


def test_the_help_tells_each_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for told in ("1000,10000,100000", "100000", "2000", "a tenth", "both", "all"):
        assert f"default: {told}" in said


def test_what_was_measured_once_has_no_range() -> None:
    measured = Measured(name="x", unit="ms", values=[4.0])
    assert (measured.median, measured.spread) == (4.0, "once")
    assert Measured(name="x", unit="ms", values=[4.0, 6.0]).spread == "4.0 to 6.0"
