"""What happened, in words (``redrive.web.saying``)."""

from __future__ import annotations

from typing import Any

import pytest

from redrive.domain import OperationKind, OperationState
from redrive.web import saying
from tests.unit.test_wire import operation

NOTHING = {"requeued": 0, "skipped": 0, "errored": 0, "recovered": 0, "failed_again": 0}
DISMISS = OperationKind.DISMISS


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, "was cancelled before it took any entry."),
        ({"requeued": 20, "recovered": 20}, "is cancelled: 20 of 3,516 were moved and stay moved."),
        (
            {"requeued": 20, "recovered": 3},
            "is cancelled: 20 of 3,516 were moved and stay moved; of 17 nothing is known yet, and "
            "an undo takes back what no worker has started.",
        ),
        ({"requeued": 1, "recovered": 1}, "is cancelled: 1 of 3,516 was moved and stays moved."),
        ({"skipped": 4}, "is cancelled: 0 of 3,516 were moved."),
        ({"kind": DISMISS, "dismissed": 7}, "7 of 3,516 were dismissed and stay dismissed."),
    ],
)
def test_a_cancel_that_is_done_at_once_says_what_was_moved_before(
    counts: dict[str, Any], said: str
) -> None:
    cancelled = operation(**NOTHING | {"total": 3516, "state": OperationState.CANCELLED} | counts)
    assert saying.cancelled(cancelled, 0).endswith(said)


@pytest.mark.parametrize(
    ("by", "reason", "said"),
    [
        ("canary", "canary: 0 of 3 recovered", "is paused by canary: 0 of 3 recovered."),
        ("admin", "lunch: an hour", "is paused by admin: lunch: an hour."),
        ("admin", "", "is paused by admin."),
        ("approval", "another user has to", "waits for approval: another user has to."),
    ],
)
def test_by_what_an_operation_is_paused_is_said_once(by: str, reason: str, said: str) -> None:
    paused = operation(state=OperationState.PAUSED, paused_by=by, pause_reason=reason)
    assert saying.paused_by(paused) == f"The operation {said}"
