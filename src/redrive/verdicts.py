"""How an operation's verdict came about: its outcomes over time, in a bounded number of steps."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from redrive.domain import (
    LOOKED_AT,
    MOST_COUNTED,
    EntryFilter,
    EntryState,
    FollowUp,
    Judgement,
    Operation,
    OutcomePoint,
    follow_ups_of,
    verdict_of,
)
from redrive.ports import ReadingLedger

MOST_POINTS = 120

_DAY = timedelta(days=1)
_STEPS = tuple(timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440))


async def read_judgement(
    ledger: ReadingLedger, operation: Operation, now: datetime, observe_for: timedelta
) -> Judgement:
    """The operation's verdict with its outcomes over time: from its start until now, or until the
    last outcome of a verdict that is final; and with what could be done next."""
    verdict = verdict_of(operation, now, observe_for)
    follow_ups = await _follow_ups(ledger, operation)
    last = await ledger.last_outcome(operation.operation_id)
    if last is None:
        return Judgement(
            operation=operation, verdict=verdict, step=_STEPS[0], points=(), follow_ups=follow_ups
        )
    end = last if verdict.is_final else max(now, last)
    step = step_over(end - operation.created_at)
    seconds = step.total_seconds()
    first = int(operation.created_at.timestamp() // seconds)
    steps = [
        datetime.fromtimestamp(number * seconds, tz=UTC)
        for number in range(first, int(end.timestamp() // seconds) + 1)
    ]
    known = {point.at: point for point in await ledger.outcomes(operation.operation_id, step)}
    empty = (OutcomePoint(at=at, recovered=0, failed_again=0) for at in steps)
    points = tuple(known.get(point.at, point) for point in empty)
    return Judgement(
        operation=operation, verdict=verdict, step=step, points=points, follow_ups=follow_ups
    )


async def _follow_ups(ledger: ReadingLedger, operation: Operation) -> tuple[FollowUp, ...]:
    """What could be done next, each with how many entries it would still take, without those that
    would take none. Where they are too many to be counted it stays as many as there ever were."""
    left = []
    for one in follow_ups_of(operation):
        fitting = EntryFilter(
            states=(EntryState.FAILED,),
            failed_again_in=operation.operation_id,
            same_failures_min=one.same_failures_min,
        )
        count = await ledger.count(fitting, MOST_COUNTED, LOOKED_AT)
        if count.is_bounded:
            left.append(one)
        elif count.found:
            left.append(replace(one, at_most=count.found, is_counted=True))
    return tuple(left)


def step_over(span: timedelta) -> timedelta:
    """The shortest step of which no more than MOST_POINTS cover the span, wherever it begins."""
    most = MOST_POINTS - 1
    days = math.ceil(span / _DAY / most)
    return next((step for step in _STEPS if span / step <= most), _DAY * days)
