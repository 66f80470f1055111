"""The words for what operations, queues and followers are, and their tones."""

from __future__ import annotations

from typing import Any

import pytest

from redrive.domain import (
    EntryState,
    ItemState,
    JobState,
    Limit,
    MatchCount,
    Operation,
    OperationId,
    OperationKind,
    OperationPhase,
    OperationState,
    QueueCounts,
    Reason,
    Scope,
)
from redrive.standing import FollowerLag
from redrive.web.pages import limits, words
from redrive.web.pages.following import following_of
from redrive.web.pages.queues import compared
from tests.support.factories import AT


def operation_with(**values: Any) -> Operation:
    """A completed operation over whatever these counts say."""
    counts = dict.fromkeys(
        ("requeued", "skipped", "errored", "released", "recovered", "failed_again", "vanished"), 0
    )
    given: dict[str, Any] = {
        "operation_id": OperationId("op_1"),
        "kind": OperationKind.RETRY,
        "scope": Scope.everything(),
        "state": OperationState.COMPLETED,
        "cutoff_seq": 1,
        "total": 10,
        "runner_epoch": 1,
        "actor": "ada",
        "origin": "cli",
        "reason": "",
        "created_at": AT,
        "started_at": AT,
        "finished_at": AT,
        "cancelled_by": None,
        "error": None,
    }
    return Operation(**{**given, **counts, **values})


def counts_of(problem: str | None = None) -> QueueCounts:
    """A queue that was read, or a source that was not."""
    counts = {} if problem else {JobState.FAILED: 1}
    return QueueCounts(source="default", queue="mail", counts=counts, paused=False, problem=problem)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"requeued": 3, "recovered": 3}, ("finished, recovered", "ok")),
        ({"requeued": 3, "recovered": 1}, ("finished, still waiting", "quiet")),
        ({"requeued": 3, "failed_again": 1}, ("finished, some failed again", "warn")),
        ({"requeued": 3, "failed_again": 3}, ("finished, failed again", "danger")),
        ({"requeued": 3, "vanished": 3}, ("finished, vanished", "danger")),
        ({"requeued": 3, "recovered": 2, "vanished": 1}, ("finished, partly recovered", "warn")),
        ({"requeued": 2, "recovered": 2, "errored": 1}, ("finished, partly recovered", "warn")),
        ({"requeued": 2, "recovered": 2, "skipped": 1}, ("finished, recovered", "ok")),
        ({"skipped": 3}, ("finished, nothing moved", "warn")),
        ({"errored": 3}, ("finished, nothing moved", "danger")),
        ({"state": OperationState.RUNNING}, ("running", "info")),
        ({"state": OperationState.CANCELLED, "requeued": 1, "recovered": 1}, ("cancelled", "warn")),
        ({"state": OperationState.FAILED}, ("stopped by an error", "danger")),
    ],
)
def test_an_operations_word_and_tone_follow_what_became_of_the_work(
    counts: dict[str, Any], said: tuple[str, str]
) -> None:
    operation = operation_with(**counts)
    assert words.verdict_of(operation, OperationPhase(operation.state.value)) == said


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"requeued": 3, "recovered": 1}, ("finished, observing", "info")),
        ({"requeued": 3, "failed_again": 1}, ("finished, some failed again", "warn")),
        ({"state": OperationState.CANCELLED, "requeued": 1}, ("cancelled, observing", "warn")),
    ],
)
def test_an_operation_that_is_observed_says_so(
    counts: dict[str, Any], said: tuple[str, str]
) -> None:
    assert words.verdict_of(operation_with(**counts), OperationPhase.OBSERVING) == said


def test_one_that_waits_for_approval_says_so() -> None:
    paused = operation_with(state=OperationState.PAUSED, paused_by="approval")
    assert words.verdict_of(paused, OperationPhase.PAUSED) == ("waits for approval", "warn")
    paused = operation_with(state=OperationState.PAUSED, paused_by="ada")
    assert words.verdict_of(paused, OperationPhase.PAUSED) == ("paused", "warn")


def test_every_state_has_a_word() -> None:
    assert set(words.OPERATION_WORDS) == set(OperationState)
    assert set(words.ITEM_WORDS) == set(ItemState)
    assert set(words.REASON_WORDS) == set(Reason)
    assert set(limits.LIMIT_WORDS) == set(Limit)


@pytest.mark.parametrize(
    ("in_queue", "failed", "dismissed", "claimed", "said"),
    [
        (3, 3, 0, 0, ""),
        (
            12,
            7,
            2,
            0,
            "12 failed jobs, the ledger 7 failed entries of it: 2 dismissed here, "
            "3 not yet taken in.",
        ),
        (
            1,
            0,
            0,
            1,
            "1 failed job, the ledger 0 failed entries of it: 1 in the hands of an operation.",
        ),
        (0, 1, 0, 0, "0 failed jobs, the ledger 1 failed entry of it: 1 no longer in the queue."),
    ],
)
def test_a_queues_count_and_the_ledgers_are_compared(
    in_queue: int, failed: int, dismissed: int, claimed: int, said: str
) -> None:
    known = {
        EntryState.FAILED: MatchCount(found=failed, is_bounded=False),
        EntryState.DISMISSED: MatchCount(found=dismissed, is_bounded=False),
        EntryState.CLAIMED: MatchCount(found=claimed, is_bounded=False),
    }
    assert compared(in_queue, known) == (f"The queue holds {said}" if said else "")
    many = {EntryState.FAILED: MatchCount(found=failed, is_bounded=True)}
    assert compared(in_queue, many) == ""


@pytest.mark.parametrize(
    ("known", "lag", "queues", "said"),
    [
        (True, 3.0, [counts_of()], ("3 s", "behind the queues", False)),
        (True, 90.0, [counts_of()], ("1 min 30 s", "behind the queues", True)),
        (True, None, [counts_of()], ("silent", "no report within an hour", True)),
        (False, None, [counts_of()], ("unknown", "Redrive's Redis does not answer", True)),
        (True, 0.1, None, ("unknown", "the queue system does not answer", True)),
        (True, 0.1, [counts_of("away")], ("unknown", "the queue system does not answer", True)),
    ],
)
def test_a_lag_that_cannot_be_known_is_not_told(
    known: bool, lag: float | None, queues: list[QueueCounts] | None, said: tuple[str, str, bool]
) -> None:
    follower = FollowerLag(source="default", caught_up_at=None, lag_seconds=lag, is_known=known)
    following = following_of(follower, queues)
    assert following.said == f"{said[0]}{' ' if 'behind' in said[1] else ': '}{said[1]}"
    assert (following.value, following.note, following.is_late) == said
