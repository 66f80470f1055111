"""The proof's command line: what it takes, and what it refuses."""

from __future__ import annotations

import pytest

from proof.__main__ import parsed

WHOLE, ONE = "is not a whole number of at least 0", "is not a whole number of at least 1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--seeds -1", f"--seeds: '-1' {WHOLE}"),
        ("--seeds x", f"--seeds: 'x' {WHOLE}"),
        ("--seeds 1.5", f"--seeds: '1.5' {WHOLE}"),
        ("--first-seed -1", f"--first-seed: '-1' {WHOLE}"),
        ("--at-once 0", f"--at-once: '0' {ONE}"),
        ("--minutes 0", "--minutes: '0' is not a number of at least 0.1"),
        ("--minutes soon", "--minutes: 'soon' is not a number of at least 0.1"),
        ("--minutes nan", "--minutes: 'nan' is not a number of at least 0.1"),
        ("--backend mysql", "--backend: invalid choice: 'mysql'"),
        ("--only nothing", "no scenario of this run has 'nothing' in its name"),
        ("--only seed-31", "no scenario of this run has 'seed-31' in its name"),
        ("--seeds 0 --no-steps", "--seeds 0 and --no-steps leave nothing"),
    ],
)
def test_what_cannot_be_played_is_refused_by_name(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_not_said_has_a_default() -> None:
    given = parsed([])
    assert (given.seeds, given.first_seed, given.at_once) == (30, 1, 6)
    assert (given.backend, given.only, given.no_steps, given.minutes) == (None, None, False, None)
    assert parsed("--minutes 9 --seeds 0".split()).minutes == 9


def test_the_help_tells_what_each_option_does_and_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(["--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for told in ("default: 30", "default: 1", "default: 6", "default: all", "default: play all"):
        assert told in said
