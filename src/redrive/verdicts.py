"""How an operation's verdict came about: its outcomes over time, in a bounded number of steps."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from redrive.domain import Judgement, Operation, OutcomePoint, verdict_of
from redrive.ports import ReadingLedger

MOST_POINTS = 120

_DAY = timedelta(days=1)
_STEPS = tuple(timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440))


async def read_judgement(
    ledger: ReadingLedger, operation: Operation, now: datetime, observe_for: timedelta
) -> Judgement:
    """The operation's verdict with its outcomes over time: from its start until now, or until the
    last outcome of a verdict that is final."""
    verdict = verdict_of(operation, now, observe_for)
    last = await ledger.last_outcome(operation.operation_id)
    if last is None:
        return Judgement(operation=operation, verdict=verdict, step=_STEPS[0], points=())
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
    return Judgement(operation=operation, verdict=verdict, step=step, points=points)


def step_over(span: timedelta) -> timedelta:
    """The shortest step of which no more than MOST_POINTS cover the span, wherever it begins."""
    most = MOST_POINTS - 1
    days = math.ceil(span / _DAY / most)
    return next((step for step in _STEPS if span / step <= most), _DAY * days)
