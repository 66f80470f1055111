"""What Redrive tells, against histories written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proof.checker import check
from proof.observed import AnswerSeen, AuditSeen
from tests.proof.test_checker import ITEM, JOB, RIGHT, STAMP, found, operation

RETRIED = operation(requeued=1, recovered=1)
COUNTS = {"total": 1, "requeued": 1, "skipped": 0, "errored": 0, "released": 0}
START = AuditSeen(
    action="retry.start",
    operation_id="op_1",
    result="started",
    counts={"total": 1},
    actor="admin",
)
END = AuditSeen(
    action="retry.end",
    operation_id="op_1",
    result="completed",
    counts=COUNTS,
    actor="admin",
    before={"state": "running"},
)
CANCEL = AuditSeen(
    action="operation.cancel",
    operation_id="op_1",
    result="cancelling",
    counts={},
    actor="admin",
    before={"state": "running"},
)
UNDO = replace(CANCEL, action="operation.undo", before={"state": "completed"})
CANCELLED = replace(END, result="cancelled")
PROGRESS: dict[str, Any] = {
    "state": "completed",
    "cancelled": False,
    "total": 1,
    "completed": 1,
    "succeeded": 1,
    "failed": 0,
    "skipped": 0,
    "released": 0,
    "recovered": 1,
    "failed_again": 0,
    "failed_same": 0,
    "vanished": 0,
    "waiting": 0,
}


@pytest.mark.parametrize("name", PROGRESS)
def test_progress_that_is_not_what_the_ledger_counts_is_untold(name: str) -> None:
    assert found(progress={"op_1": PROGRESS}) == set()
    assert found(progress={"op_1": {**PROGRESS, name: 7}}) == {"untold"}
    assert found(progress={}) == {"untold"}


def test_an_operation_has_one_start_and_an_end_with_its_counts_in_the_audit_trail() -> None:
    assert found(audit=[START, END]) == set()
    for wrong in (
        [],
        [START],
        [END],
        [END, START],
        [START, START, END],
        [START, END, END],
        [replace(START, counts={"total": 2}), END],
        [replace(START, actor="second"), END],
        [START, replace(END, result="failed")],
        [START, replace(END, counts=COUNTS | {"requeued": 0})],
        [START, CANCEL, END],
        [START, replace(CANCEL, action="operation.approve"), END],
        [START, replace(CANCEL, action="operation.resume"), END],
    ):
        assert found(audit=wrong) == {"untold"}, wrong


def test_who_cancelled_and_who_undid_is_in_the_audit_trail() -> None:
    cancelled = replace(RETRIED, state="cancelled", cancelled_by="admin")
    directly = replace(CANCEL, result="cancelled")
    by_two = [
        START,
        CANCEL,
        replace(UNDO, actor="second", before={"state": "cancelling"}),
        CANCELLED,
    ]
    for right in (
        [START, CANCEL, CANCELLED],
        [START, END, UNDO, CANCELLED],
        [START, directly],
        by_two,
    ):
        assert found(operations=[cancelled], audit=right) == set(), right
    for wrong in (
        [START, CANCELLED],
        [START, END, UNDO],
        [START, CANCEL, CANCEL, CANCELLED],
        [START, replace(CANCEL, actor="second"), CANCELLED],
        [START, END, replace(UNDO, actor="second"), CANCELLED],
    ):
        assert found(operations=[cancelled], audit=wrong) == {"untold"}, wrong


def test_who_approved_is_in_the_audit_trail() -> None:
    approved = replace(RETRIED, approved_by="second")
    waits = replace(START, result="waits for approval")
    approval = replace(
        CANCEL, action="operation.approve", actor="second", before={"state": "paused"}
    )
    assert found(operations=[approved], audit=[waits, approval, END]) == set()
    for wrong in ([waits, END], [waits, replace(approval, actor="admin"), END]):
        assert found(operations=[approved], audit=wrong) == {"untold"}, wrong


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({"scope": "all"}, {"scope": "app", "app_id": "app"}, True),
        ({"scope": "app", "app_id": "app"}, {"scope": "app", "app_id": "app"}, True),
        ({"scope": "app", "app_id": "app"}, {"scope": "filter", "where": {"app_id": "app"}}, True),
        ({"scope": "app", "app_id": "app"}, {"scope": "app", "app_id": "other"}, False),
        ({"scope": "all"}, {"scope": "entry"}, False),
    ],
)
def test_two_bulk_operations_never_work_on_the_same_entries(
    one: dict[str, Any], other: dict[str, Any], shared: bool
) -> None:
    nothing = replace(operation(), total=0)
    operations = [
        replace(nothing, operation_id="op_2", **one),
        replace(nothing, operation_id="op_3", **other),
    ]
    counts = dict.fromkeys(COUNTS, 0)
    start = replace(START, counts={"total": 0})
    end = replace(END, counts=counts)
    starts = [replace(start, operation_id=name) for name in ("op_2", "op_3")]
    ends = [replace(end, operation_id=name) for name in ("op_2", "op_3")]

    def told(*rows: AuditSeen) -> set[str]:
        return found(operations=[RETRIED, *operations], audit=[START, END, *rows])

    assert told(starts[0], ends[0], starts[1], ends[1]) == set()
    assert told(*starts, *ends) == ({"unexpected"} if shared else set())


def test_an_answer_names_the_job_that_was_handed_over() -> None:
    done = AnswerSeen(job=JOB, status=200, result="requeued", operation_id="op_1", job_id="a")
    assert found(answers=[done]) == set()
    taken_back = replace(ITEM, state="released", reason="taken_back", outcome=None)
    assert "untold" not in check(replace(RIGHT, answers=[done], items=[taken_back])).problems
    for wrong in (
        replace(done, job_id="b"),
        replace(done, job=("mail", "b")),
        replace(done, operation_id="op_9"),
        replace(done, result="recreated"),
        replace(done, status=409),
        replace(done, status=500),
    ):
        assert found(answers=[wrong]) == {"untold"}, wrong
    skipped = replace(ITEM, state="skipped", reason="missing", outcome=None, stamp=STAMP)
    assert "untold" in check(replace(RIGHT, answers=[done], items=[skipped])).problems


def test_an_answer_that_nothing_was_done_is_right() -> None:
    for status, result in ((409, "wrong_state"), (503, "engine_unavailable")):
        assert found(answers=[AnswerSeen(job=JOB, status=status, result=result)]) == set()


def test_an_answer_names_no_operation_that_there_is_not() -> None:
    pending = AnswerSeen(job=JOB, status=503, result="hand_over_pending", operation_id="op_1")
    assert found(answers=[pending]) == set()
    assert found(answers=[replace(pending, operation_id="op_9")]) == {"untold"}
