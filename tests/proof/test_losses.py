"""The checker's judgement where Redis lost what it had confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proof.checker import check
from proof.observed import Loss
from tests.proof.test_checker import ENTRY, FIRST, ITEM, JOB, RIGHT, SECOND, found, operation


def test_what_redis_forgot_is_counted_apart() -> None:
    lost = [Loss(since=4.5, until=6.0)]
    assert found(runs=[FIRST, SECOND, replace(SECOND, started=8.0)], losses=lost) == set()
    before = [Loss(since=5.3, until=6.0)]
    assert found(runs=[FIRST, SECOND, replace(SECOND, started=8.0)], losses=before) == {"doubled"}
    again = replace(SECOND, stamp="op_2:2", started=8.0, ended=8.1, reported=8.2)
    items = [
        replace(ITEM, outcome="vanished"),
        replace(ITEM, operation_id="op_2", stamp="op_2:2", settled=7.0),
    ]
    operations = [operation(requeued=1, vanished=1)]
    operations.append(replace(operation(requeued=1, recovered=1), operation_id="op_2"))
    verdict = check(
        replace(RIGHT, runs=[FIRST, again], items=items, operations=operations, losses=lost)
    )
    assert (verdict.problems, verdict.undone) == ({}, 1)


def test_a_loss_excuses_only_what_was_handed_over_about_then() -> None:
    """Two operations hand one failure over; the first one's hand-over may have been forgotten."""
    lost = [Loss(since=4.5, until=5.0)]
    again = replace(SECOND, stamp="op_2:2", started=99.0, ended=99.1, reported=99.2)
    other = replace(ITEM, operation_id="op_2", stamp="op_2:2", settled=98.9, moved=98.8)
    of_other = replace(operation(requeued=1, recovered=1), operation_id="op_2")
    forgotten = replace(ITEM, outcome="vanished")
    vanished = [operation(requeued=1, vanished=1), of_other]
    assert not found(
        runs=[FIRST, again], losses=lost, items=[forgotten, other], operations=vanished
    )
    third = replace(again, stamp="op_3:3", started=105.0, ended=105.1, reported=105.2)
    late = replace(other, operation_id="op_3", stamp="op_3:3", settled=104.9, moved=104.8)
    operations = [*vanished, replace(of_other, operation_id="op_3")]
    items = [forgotten, other, late]
    assert "doubled" in found(
        runs=[FIRST, again, third], losses=lost, items=items, operations=operations
    )
    for moved in (98.8, None):
        never_ran = [forgotten, replace(other, outcome="vanished", moved=moved)]
        told = [operation(requeued=1, vanished=1)] * 2
        told[1] = replace(told[1], operation_id="op_2")
        assert "lost" in found(runs=[FIRST], losses=lost, items=never_ran, operations=told, jobs=[])


def test_what_a_worker_begins_late_of_what_was_lost_counts_as_lost() -> None:
    lost = [Loss(since=4.5, until=5.0)]
    again = replace(SECOND, stamp="op_2:2", started=99.0, ended=99.1, reported=99.2)
    other = replace(ITEM, operation_id="op_2", stamp="op_2:2", settled=98.9, moved=98.8)
    told: dict[str, Any] = {
        "operations": [
            operation(requeued=1, vanished=1),
            replace(operation(requeued=1, recovered=1), operation_id="op_2"),
        ],
        "items": [replace(ITEM, outcome="vanished"), other],
        "losses": lost,
    }
    late = replace(SECOND, started=5.5, ended=5.6, reported=None)
    assert found(**told, runs=[FIRST, late, again]) == set()
    heard = replace(late, reported=5.7)
    assert found(**told, runs=[FIRST, heard, again]) >= {"doubled", "misjudged"}


def test_what_completed_in_a_lost_while_is_done_and_may_be_resynced() -> None:
    lost = [Loss(since=4.5, until=5.0)]
    unheard = replace(SECOND, started=5.01, ended=5.02, reported=None)
    again = replace(SECOND, stamp="op_2:2", started=99.0, ended=99.1, reported=99.2)
    second = replace(
        ITEM, operation_id="op_2", stamp="op_2:2", settled=98.9, moved=98.8, kind="resync"
    )
    told: dict[str, Any] = {
        "operations": [
            operation(requeued=1, recovered=1),
            replace(operation(requeued=1, recovered=1), operation_id="op_2"),
        ],
        "items": [ITEM, replace(second, from_state="recovered")],
    }
    assert found(**told, runs=[FIRST, unheard, again], losses=lost) == set()
    assert found(**told, runs=[FIRST, again], losses=lost) == {"doubled"}


def test_only_a_completion_that_was_lost_leaves_a_recovered_job_failed() -> None:
    lost = [Loss(since=4.5, until=6.0)]
    for recovered_at, expected in ((5.1, set()), (99.0, {"unbalanced"}), (None, {"unbalanced"})):
        entry = replace(ENTRY, recovered_at=recovered_at)
        assert found(entries=[entry], engine_failed={JOB: 1.15}, losses=lost) == expected
