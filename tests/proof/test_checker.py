"""The checker's judgement, on histories written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proof.checker import check
from proof.observed import EntrySeen, ItemSeen, Observed, OperationSeen, Run, read_runs
from proof.plan import FOR_EVER, JobPlan

JOB = ("mail", "a")
STAMP = "op_1:1"
PLAN = JobPlan(queue="mail", app_id="app", job_id="a", fails_through=0)
FIRST = Run(job=JOB, stamp=None, attempt=1, started=1.0, ended=1.1, outcome="failed", reported=1.2)
SECOND = Run(
    job=JOB, stamp=STAMP, attempt=1, started=5.0, ended=5.1, outcome="completed", reported=5.2
)
ITEM = ItemSeen(
    operation_id="op_1",
    kind="retry",
    job=JOB,
    stamp=STAMP,
    failed_at=1.15,
    state="requeued",
    reason="requeued",
    outcome="recovered",
    settled=4.9,
    moved=4.8,
)
ENTRY = EntrySeen(job=JOB, app_id="app", state="recovered", failed_at=1.15)


def operation(**counts: int) -> OperationSeen:
    names = (
        *("requeued", "skipped", "errored", "released", "dismissed", "taken_back"),
        *("recovered", "failed_again", "failed_same", "vanished"),
    )
    return OperationSeen(
        operation_id="op_1",
        kind="retry",
        scope="all",
        state="completed",
        total=1,
        counts={name: counts.get(name, 0) for name in names},
        by_minute={name: counts.get(name, 0) for name in ("recovered", "failed_again")},
        actor="admin",
    )


RIGHT = Observed(
    jobs=[PLAN],
    runs=[FIRST, SECOND],
    items=[ITEM],
    operations=[operation(requeued=1, recovered=1)],
    entries=[ENTRY],
    engine_failed={},
)


def found(**changes: Any) -> set[str]:
    """The kinds of wrong in the right history with something changed."""
    return set(check(replace(RIGHT, **changes)).problems)


def test_a_history_in_which_all_went_well_is_clean() -> None:
    verdict = check(RIGHT)
    assert verdict.problems == {}
    assert (verdict.selected, verdict.handed_over, verdict.runs) == (1, 1, 2)
    assert (verdict.recovered, verdict.by_engine, verdict.undone) == (0, 0, 0)


def test_a_hand_over_without_a_run_is_lost() -> None:
    assert found(runs=[FIRST]) == {"lost"}


def test_the_same_start_of_the_same_hand_over_twice_is_doubled() -> None:
    assert found(runs=[FIRST, SECOND, replace(SECOND, started=6.0, ended=6.1)]) == {"doubled"}


def test_a_run_repeated_by_the_engine_is_counted_apart() -> None:
    killed = replace(SECOND, ended=None, outcome=None, reported=None)
    repeated = replace(SECOND, attempt=2, started=9.0, ended=9.1, reported=9.2)
    verdict = check(replace(RIGHT, runs=[FIRST, killed, repeated]))
    assert verdict.problems == {}
    assert verdict.by_engine == 1


def test_a_run_under_a_hand_over_that_the_ledger_denies_is_unexpected() -> None:
    given_back = replace(ITEM, state="skipped", reason="resolved_elsewhere", outcome=None)
    assert found(items=[given_back], operations=[operation(skipped=1)]) == {"unexpected"}
    assert "unexpected" in found(items=[], operations=[])


def test_moving_another_failure_than_the_selected_one_is_unexpected() -> None:
    failed_anew = replace(FIRST, attempt=2, started=2.0, ended=2.1, reported=2.2)
    assert found(runs=[FIRST, failed_anew, SECOND]) == {"unexpected"}


def test_one_failure_that_two_operations_handed_over_is_doubled() -> None:
    other = replace(ITEM, operation_id="op_2", stamp="op_2:2")
    third = replace(SECOND, stamp="op_2:2", started=7.0, ended=7.1, reported=7.2)
    assert "doubled" in found(runs=[FIRST, SECOND, third], items=[ITEM, other])


def test_each_resync_accounts_for_one_completion() -> None:
    again = replace(SECOND, stamp="op_2:2", started=7.0, ended=7.1, reported=7.2)
    first, second = (
        replace(ITEM, kind="resync"),
        replace(ITEM, operation_id="op_2", kind="resync", stamp="op_2:2", from_state="recovered"),
    )
    resync = replace(operation(requeued=1, recovered=1), kind="resync")
    told: dict[str, Any] = {"operations": [resync, replace(resync, operation_id="op_2")]}
    assert found(**told, runs=[FIRST, SECOND, again], items=[first, second]) == set()
    same = replace(second, from_state="failed")
    assert found(**told, runs=[FIRST, SECOND, again], items=[first, same]) == {"doubled"}
    early = replace(again, started=5.05)
    assert found(**told, runs=[FIRST, SECOND, early], items=[first, second]) == {"doubled"}
    more = replace(SECOND, stamp="op_0:0", started=3.0, ended=3.1, reported=3.2)
    assert "doubled" in found(**told, runs=[FIRST, more, SECOND, again], items=[first, second])


def test_one_failure_that_two_resyncs_handed_over_is_doubled_whatever_became_of_it() -> None:
    failed = replace(SECOND, outcome="failed")
    again = replace(failed, stamp="op_2:2", started=7.0, ended=7.1, reported=7.2)
    first = replace(ITEM, kind="resync", outcome="failed_again")
    second = replace(first, operation_id="op_2", stamp="op_2:2")
    resync = replace(operation(requeued=1, failed_again=1), kind="resync")
    told: dict[str, Any] = {
        "jobs": [replace(PLAN, fails_through=FOR_EVER)],
        "operations": [resync, replace(resync, operation_id="op_2")],
        "runs": [FIRST, failed, again],
    }
    anew = replace(second, failed_at=5.15)
    assert "doubled" not in found(**told, items=[first, anew])
    assert "doubled" in found(**told, items=[first, second])


def test_an_outcome_that_is_not_what_the_worker_saw_is_misjudged() -> None:
    vanished = replace(ITEM, outcome="vanished")
    assert "misjudged" in found(items=[vanished], operations=[operation(requeued=1, vanished=1)])


def test_a_dismissed_entry_is_never_handed_over_by_its_dismissal() -> None:
    dismissed = replace(ITEM, kind="dismiss", state="dismissed", reason="dismissed", outcome=None)
    poison = replace(PLAN, fails_through=FOR_EVER)
    left_alone: dict[str, Any] = {
        "jobs": [poison],
        "items": [dismissed],
        "operations": [operation(dismissed=1)],
        "entries": [replace(ENTRY, state="dismissed")],
    }
    assert found(**left_alone, runs=[FIRST], engine_failed={JOB: 1.15}) == set()
    assert found(**left_alone, runs=[FIRST, SECOND], engine_failed={JOB: 1.15}) == {"unexpected"}
    assert found(**left_alone, runs=[FIRST], engine_failed={JOB: 7.0}) == {"unbalanced"}
    assert "unexpected" in found(items=[replace(ITEM, kind="dismiss")])
    assert "unexpected" in found(**{**left_alone, "items": [replace(dismissed, kind="retry")]})


def test_a_restored_entry_is_retried_like_any_other() -> None:
    dismissed = replace(
        ITEM, operation_id="op_0", stamp="op_0:1", kind="dismiss", state="dismissed", outcome=None
    )
    retried = replace(ITEM, stamp="op_1:2")
    operations = [
        replace(operation(dismissed=1), operation_id="op_0", kind="dismiss"),
        operation(requeued=1, recovered=1),
    ]
    again = replace(SECOND, stamp="op_1:2")
    assert not found(items=[dismissed, retried], operations=operations, runs=[FIRST, again])


def test_an_operation_takes_just_what_its_plan_selected() -> None:
    planned = replace(operation(requeued=1, recovered=1), where={"app_id": "app", "queue": "mail"})
    assert found(operations=[planned], promised={"op_1": 1}) == set()
    assert found(operations=[planned], promised={"op_1": 2}) == {"unbalanced"}
    for where in ({"app_id": "another"}, {"queue": "invoices"}):
        assert found(operations=[replace(planned, where=where)]) == {"unexpected"}


def test_an_operation_over_an_app_takes_nothing_of_another_app() -> None:
    of_an_app = replace(operation(requeued=1, recovered=1), scope="app", app_id="app")
    assert found(operations=[of_an_app]) == set()
    assert found(operations=[replace(of_an_app, app_id="another")]) == {"unexpected"}


def test_an_item_without_a_reason_and_wrong_counts_are_unbalanced() -> None:
    claimed = replace(ITEM, state="claimed", reason=None, outcome=None)
    assert "unbalanced" in found(items=[claimed])
    assert found(operations=[operation(requeued=2, recovered=1)]) == {"unbalanced"}
    assert found(operations=[replace(operation(requeued=1, recovered=1), total=2)]) == {
        "unbalanced"
    }


def test_an_operation_fails_only_where_its_source_was_away() -> None:
    away = "the queue system could not be reached"
    given_back = replace(ITEM, state="released", reason="engine_away", outcome=None)
    failed = replace(operation(released=1), state="failed", error=away)
    left: dict[str, Any] = {
        "jobs": [replace(PLAN, fails_through=FOR_EVER)],
        "runs": [FIRST],
        "items": [given_back],
        "entries": [replace(ENTRY, state="failed")],
        "engine_failed": {JOB: 1.15},
    }
    assert found(**left, operations=[failed]) == set()
    for wrong in (
        replace(failed, error="1 entries have no recorded reason"),
        replace(failed, error=None),
        replace(failed, total=5),
        replace(failed, state="completed", error=None),
        replace(failed, state="cancelled", error=None, cancelled_by="admin"),
    ):
        assert found(**left, operations=[wrong]) == {"unbalanced"}
    one_of_five = replace(operation(requeued=1, recovered=1), state="failed", total=5)
    for error in ("4 entries have no recorded reason", away):
        assert found(operations=[replace(one_of_five, error=error)]) == {"unbalanced"}


def test_a_cancelled_operation_keeps_its_counts_and_who_cancelled_it() -> None:
    cancelled = replace(operation(requeued=1, recovered=1), state="cancelled", total=5)
    assert found(operations=[replace(cancelled, cancelled_by="admin")]) == set()
    assert found(operations=[cancelled]) == {"unbalanced"}
    taken_back = replace(ITEM, state="released", reason="taken_back", outcome=None)
    undone = replace(operation(released=1, taken_back=1), state="cancelled", cancelled_by="admin")
    left: dict[str, Any] = {"items": [taken_back], "runs": [FIRST], "jobs": []}
    assert found(**left, operations=[undone]) == set()
    counts = {**undone.counts, "taken_back": 0}
    assert found(**left, operations=[replace(undone, counts=counts)]) == {"unbalanced"}


def test_minutes_that_do_not_add_up_to_the_verdict_are_unbalanced() -> None:
    right = operation(requeued=1, recovered=1)
    for minutes in ({}, {"recovered": 2}, {"recovered": 1, "failed_again": 1}):
        assert found(operations=[replace(right, by_minute=minutes)]) == {"unbalanced"}


def test_ways_of_failing_that_the_items_do_not_tell_are_unbalanced() -> None:
    again = replace(ITEM, outcome="failed_again", same_way=True)
    failing = {
        "jobs": [replace(PLAN, fails_through=FOR_EVER)],
        "runs": [FIRST, replace(SECOND, outcome="failed")],
        "entries": [replace(ENTRY, state="failed", failed_at=5.15)],
        "engine_failed": {JOB: 5.15},
    }
    same = operation(requeued=1, failed_again=1, failed_same=1)
    differently = operation(requeued=1, failed_again=1)
    assert found(**failing, items=[again], operations=[same]) == set()
    assert found(**failing, items=[again], operations=[differently]) == {"unbalanced"}
    other = replace(again, same_way=False)
    assert found(**failing, items=[other], operations=[differently]) == set()
    assert found(**failing, items=[other], operations=[same]) == {"unbalanced"}
    assert found(items=[replace(ITEM, same_way=False)]) == {"unbalanced"}


def test_a_failure_that_the_ledger_does_not_know_is_unbalanced() -> None:
    assert found(engine_failed={JOB: 7.0}) == {"unbalanced"}
    poison = replace(PLAN, job_id="b", fails_through=FOR_EVER)
    known = EntrySeen(job=("mail", "b"), app_id="app", state="failed", failed_at=3.0)
    failed = {("mail", "b"): 3.0}
    assert not found(jobs=[PLAN, poison], entries=[ENTRY, known], engine_failed=failed)


def test_work_that_never_completes_is_lost_unless_it_is_poison() -> None:
    again = replace(ITEM, outcome="failed_again")
    failing = {
        "runs": [FIRST, replace(SECOND, outcome="failed")],
        "items": [again],
        "operations": [operation(requeued=1, failed_again=1)],
        "entries": [replace(ENTRY, state="failed", failed_at=5.15)],
        "engine_failed": {JOB: 5.15},
    }
    assert found(**failing) == {"lost"}
    assert found(**failing, jobs=[replace(PLAN, fails_through=FOR_EVER)]) == set()


def test_a_hand_over_in_doubt_that_came_out_right_is_recovered() -> None:
    assert check(replace(RIGHT, hurt_at=[4.85])).recovered == 1
    assert check(replace(RIGHT, hurt_at=[4.95])).recovered == 0


def test_the_workers_record_is_read_run_by_run() -> None:
    lines = [
        '{"event": "start", "run": "x", "at": 1.0, "pid": 1, "queue": "mail", "job_id": "a",'
        ' "stamp": null, "attempt": 1}',
        '{"event": "start", "run": "y", "at": 0.5, "pid": 1, "queue": "mail", "job_id": "b",'
        ' "stamp": "op_1:1", "attempt": 2}',
        '{"event": "end", "run": "x", "at": 1.1, "pid": 1, "outcome": "failed"}',
        '{"event": "reported", "run": "x", "at": 1.2, "pid": 1}',
    ]
    cut_off = Run(job=("mail", "b"), stamp="op_1:1", attempt=2, started=0.5)
    assert read_runs(lines) == [cut_off, FIRST]


def test_a_counter_that_is_not_what_a_count_says_is_unbalanced() -> None:
    assert found(miscounts=["app acme counts 2 failed, its entries 1"]) == {"unbalanced"}


def test_a_run_after_the_completion_of_its_hand_over_is_doubled_whatever_its_start_number() -> None:
    again = replace(SECOND, attempt=2, started=6.0, ended=6.1, reported=6.2)
    assert found(runs=[FIRST, SECOND, again]) == {"doubled"}
    unknown = replace(SECOND, reported=None)
    assert found(runs=[FIRST, unknown, again]) == set()


def test_only_what_came_out_right_was_recovered_from_doubt() -> None:
    in_doubt = replace(RIGHT, hurt_at=[4.85])
    assert check(in_doubt).recovered == 1
    wrong = replace(ITEM, outcome="vanished")
    verdict = check(
        replace(in_doubt, items=[wrong], operations=[operation(requeued=1, vanished=1)])
    )
    assert verdict.misjudged
    assert verdict.recovered == 0


def test_an_operation_that_left_out_what_had_failed_is_unbalanced() -> None:
    assert found(promised={"op_1": 1}) == set()
    assert found(promised={"op_1": 2}) == {"unbalanced"}


def test_a_failure_without_an_entry_is_unbalanced() -> None:
    poison = replace(PLAN, job_id="b", fails_through=FOR_EVER)
    failed = {("mail", "b"): 3.0}
    entry = EntrySeen(job=("mail", "b"), app_id="app", state="failed", failed_at=3.0)
    assert found(jobs=[PLAN, poison], engine_failed=failed, entries=[ENTRY, entry]) == set()
    assert found(jobs=[PLAN, poison], engine_failed=failed) == {"unbalanced"}
