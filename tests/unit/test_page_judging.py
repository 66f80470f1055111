"""What became of an operation's work, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from redrive.domain import OperationPhase, Verdict
from redrive.web.pages.judging import verdict_said


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"moved": 400, "recovered": 392, "failed_again": 8, "failed_same": 8},
            "392 of 400 recovered; 8 failed again the same way.",
        ),
        ({"moved": 1400, "recovered": 1400}, "All 1,400 recovered."),
        ({"moved": 1, "recovered": 1}, "It recovered."),
        (
            {"moved": 20, "failed_again": 20, "failed_same": 5},
            "None of 20 recovered; 5 failed again the same way; 15 failed again differently.",
        ),
        (
            {"moved": 9, "recovered": 5, "vanished": 1, "waiting": 3},
            "5 of 9 recovered; 1 vanished; 3 were not heard of again.",
        ),
        (
            {"moved": 9, "recovered": 5, "waiting": 4, "phase": OperationPhase.OBSERVING},
            "5 of 9 recovered; 4 have no outcome yet.",
        ),
        (
            {"moved": 9, "waiting": 9, "phase": OperationPhase.RUNNING},
            "9 moved; no outcome yet.",
        ),
        ({"moved": 0}, "Nothing was moved."),
        ({"moved": 0, "phase": OperationPhase.PAUSED}, "Nothing has been moved yet."),
    ],
)
def test_a_verdict_in_plain_words(counts: dict[str, Any], said: str) -> None:
    given = dict.fromkeys(
        ("waiting", "recovered", "failed_again", "failed_same", "vanished"), 0
    ) | {"phase": OperationPhase.COMPLETED, "observed_until": None}
    assert verdict_said(Verdict(**(given | counts))) == said
