"""What the demo tells its user to type."""

from __future__ import annotations

import sys

import pytest

from redrive.cli.demo import program


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ("/lib/redrive/__main__.py", f"{sys.executable} -m redrive"),
        ("/opt/elsewhere/bin/redrive", "/opt/elsewhere/bin/redrive"),
    ],
)
def test_the_program_is_called_as_it_was_started(
    monkeypatch: pytest.MonkeyPatch, called: str, said: str
) -> None:
    monkeypatch.setattr(sys, "argv", [called, "demo"])
    assert program() == said
