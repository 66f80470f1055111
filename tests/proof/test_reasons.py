"""Reasons that nothing accounts for, in histories written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proof.observed import ItemSeen, Loss, Observed, Run
from proof.reasons import untrue
from tests.proof.test_checker import FIRST, ITEM, JOB, PLAN, RIGHT, SECOND

LEFT = replace(ITEM, state="skipped", outcome=None, moved=None)
DONE = replace(SECOND, stamp=None, started=2.0, ended=2.1, reported=2.2)
FAILED = replace(DONE, outcome="failed")
LATER = replace(DONE, started=5.0, ended=5.1, reported=5.2)
OTHER = replace(ITEM, operation_id="op_0", stamp="op_0:1")


def history(reason: str, *runs: Run, items: tuple[ItemSeen, ...] = (), **changes: Any) -> Observed:
    """One entry that was left alone for a reason, and what else happened to its job."""
    left = replace(LEFT, reason=reason)
    return replace(RIGHT, runs=[FIRST, *runs], items=[left, *items], **changes)


@pytest.mark.parametrize(
    ("reason", "accounts", "does_not"),
    [
        ("not_failed", DONE, FAILED),
        ("superseded", FAILED, DONE),
        ("failed_again_before", FAILED, DONE),
        ("missing", DONE, FAILED),
        ("not_failed", DONE, LATER),
    ],
)
def test_a_reason_is_true_if_the_job_ended_so_before_it_was_given(
    reason: str, accounts: Run, does_not: Run
) -> None:
    assert untrue(history(reason, accounts)) == []
    for others in ([does_not], []):
        (said,) = untrue(history(reason, *others))
        assert str(JOB) in said
        assert reason in said


def test_what_was_live_already_has_run_since() -> None:
    assert untrue(history("already_live", LATER)) == []
    assert untrue(history("already_live")) != []


def test_what_another_one_took_it_has_an_item_of() -> None:
    assert untrue(history("taken_by_another", SECOND, items=(OTHER,))) == []
    assert untrue(history("taken_by_another", SECOND)) != []


def test_what_its_queue_has_forgotten_is_missing() -> None:
    assert untrue(history("missing", jobs=[replace(PLAN, dropped=True)])) == []


def test_nothing_accounts_for_an_error() -> None:
    assert untrue(replace(RIGHT, items=[replace(LEFT, state="errored", reason="error")])) != []


def test_nobody_can_account_for_what_redis_has_forgotten() -> None:
    assert untrue(history("not_failed", losses=[Loss(since=0.0, until=9.0)])) == []
