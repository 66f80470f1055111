"""Verdicts: phases, rates, and when nobody waits any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from redrive import wire
from redrive.domain import (
    Judgement,
    OperationPhase,
    OperationState,
    OutcomePoint,
    follow_ups_of,
    phase_of,
    progress_of,
    verdict_of,
)
from redrive.verdicts import MOST_POINTS, step_over
from tests.unit.test_wire import AT, operation

HOUR = timedelta(hours=1)
MOVED = {"requeued": 10, "recovered": 5, "failed_again": 2, "failed_same": 1, "vanished": 1}


def test_every_state_is_a_phase() -> None:
    assert {state.value for state in OperationState} < {phase.value for phase in OperationPhase}


@pytest.mark.parametrize(
    ("state", "waiting", "since", "phase"),
    [
        ("completed", True, timedelta(0), "observing"),
        ("cancelled", True, timedelta(0), "observing"),
        ("completed", True, HOUR - timedelta(milliseconds=1), "observing"),
        ("completed", True, HOUR, "completed"),
        ("cancelled", True, HOUR, "cancelled"),
        ("completed", False, timedelta(0), "completed"),
        ("failed", True, timedelta(0), "failed"),
        ("running", True, timedelta(0), "running"),
        ("paused", True, timedelta(0), "paused"),
        ("cancelling", True, timedelta(0), "cancelling"),
    ],
)
def test_an_operation_observes_from_its_end_until_all_is_judged_or_the_time_is_over(
    state: str, waiting: bool, since: timedelta, phase: str
) -> None:
    found = operation(
        state=OperationState(state),
        requeued=6,
        recovered=5 if waiting else 6,
        failed_again=0,
        finished_at=AT if OperationState(state).terminal else None,
    )
    now = AT + since
    assert phase_of(found, now, HOUR) == phase
    assert phase_of(progress_of(found, now), now, HOUR) == phase
    verdict = verdict_of(found, now, HOUR)
    assert verdict.phase == phase
    assert verdict.is_final == (phase in ("completed", "cancelled", "failed"))
    assert verdict.observed_until == (AT + HOUR if OperationState(state).terminal else None)
    assert wire.Operation.of(found, now, HOUR).phase == phase


def test_without_time_to_observe_a_verdict_is_final_at_the_end() -> None:
    found = operation(requeued=6, recovered=0, failed_again=0)
    assert verdict_of(found, AT, timedelta(0)).is_final


def test_a_verdict_says_what_became_of_everything_that_was_moved() -> None:
    verdict = verdict_of(operation(**MOVED), AT, HOUR)
    assert (verdict.moved, verdict.waiting, verdict.judged) == (10, 2, 8)
    assert (verdict.recovered, verdict.failed_again, verdict.vanished) == (5, 2, 1)
    assert (verdict.failed_same, verdict.failed_differently) == (1, 1)
    assert verdict.recovery_rate == 0.625
    assert not verdict.all_recovered


def test_where_nothing_is_judged_there_is_no_rate() -> None:
    verdict = verdict_of(operation(recovered=0, failed_again=0), AT, HOUR)
    assert verdict.recovery_rate is None


def test_a_verdict_over_nothing_moved_is_final_and_nothing_is_left_to_recover() -> None:
    verdict = verdict_of(operation(requeued=0, recovered=0, failed_again=0), AT, HOUR)
    assert verdict.is_final
    assert verdict.all_recovered
    assert verdict.recovery_rate is None


@pytest.mark.parametrize(
    "span",
    [
        timedelta(0),
        timedelta(minutes=119),
        timedelta(minutes=120),
        timedelta(hours=26),
        timedelta(days=31),
        timedelta(days=119),
        timedelta(days=120),
        timedelta(days=4000),
    ],
)
def test_the_steps_of_a_series_are_whole_minutes_and_their_number_is_bounded(
    span: timedelta,
) -> None:
    step = step_over(span)
    assert step % timedelta(minutes=1) == timedelta(0)
    assert span / step + 1 <= MOST_POINTS


def judgement(*points: tuple[datetime, int, int], **values: Any) -> Judgement:
    found = operation(**values)
    return Judgement(
        operation=found,
        verdict=verdict_of(found, AT, HOUR),
        step=timedelta(minutes=1),
        points=tuple(
            OutcomePoint(at=at, recovered=recovered, failed_again=failed)
            for at, recovered, failed in points
        ),
        follow_ups=follow_ups_of(found),
    )


def ended(**counts: int) -> Judgement:
    return judgement(state=OperationState.COMPLETED, finished_at=AT, **counts)


def kinds_that_follow(found: Judgement) -> list[str]:
    return [one.kind for one in wire.OperationVerdict.of(found).follow_ups]


def test_each_point_of_a_series_tells_the_rate_until_then() -> None:
    minute = timedelta(minutes=1)
    points = [(AT, 0, 0), (AT + minute, 3, 1), (AT + 2 * minute, 0, 1)]
    shown = wire.OperationVerdict.of(judgement(*points, **MOVED))
    assert [(point.recovered, point.failed_again) for point in shown.series] == [
        (0, 0),
        (3, 1),
        (0, 1),
    ]
    assert [point.recovery_rate for point in shown.series] == [None, 0.75, 0.6]
    assert shown.step_seconds == 60


def test_what_failed_again_can_be_retried_and_the_poison_dismissed() -> None:
    shown = wire.OperationVerdict.of(ended(**MOVED))
    assert [follow_up.model_dump() for follow_up in shown.follow_ups] == [
        {"kind": "retry", "entries": 2, "filter": {"failed_again_in": "op_1"}},
        {
            "kind": "dismiss",
            "entries": 1,
            "filter": {"failed_again_in": "op_1", "same_failures_min": 1},
        },
    ]


def test_what_failed_before_a_resume_is_poison_only_if_it_failed_the_same_way_twice() -> None:
    _, dismiss = wire.OperationVerdict.of(ended(**MOVED, heard_before=1)).follow_ups
    assert (dismiss.kind, dismiss.filter["same_failures_min"]) == ("dismiss", 2)


@pytest.mark.parametrize(("recovered", "failed_same"), [(0, 1), (4, 5), (5, 0)])
def test_without_a_cure_for_the_rest_or_without_the_same_failure_nothing_is_poison(
    recovered: int, failed_same: int
) -> None:
    counts = {"requeued": 10, "recovered": recovered, "failed_again": 5, "failed_same": failed_same}
    assert kinds_that_follow(ended(**counts)) == ["retry"]


@pytest.mark.parametrize("state", ["queued", "running", "paused", "cancelling"])
def test_nothing_follows_an_operation_that_has_not_ended(state: str) -> None:
    assert kinds_that_follow(judgement(state=OperationState(state), **MOVED)) == []


def test_where_nothing_failed_again_nothing_follows() -> None:
    counts = {"requeued": 6, "recovered": 6, "failed_again": 0}
    assert kinds_that_follow(ended(**counts)) == []
