"""Failures and recoveries over time, as bars above and below a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from redrive.domain import ActivityPoint

HEIGHT = 60.0
"""Of one side, in the drawing's own units; a step is ten units wide."""

LOWEST = 4.0
"""Of a bar with anything in it, so that it can be seen beside the highest."""

STEP_WIDTH = 10
FEWEST_COLUMNS = 12


class Span(StrEnum):
    """How far back a chart looks."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self][0]

    @property
    def step(self) -> timedelta:
        return _LENGTHS[self][1]


_LENGTHS = {
    Span.HOUR: (timedelta(hours=1), timedelta(minutes=1)),
    Span.DAY: (timedelta(hours=24), timedelta(minutes=15)),
    Span.WEEK: (timedelta(days=7), timedelta(hours=2)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One step: its time, its counts, and the heights of its two bars."""

    at: datetime
    until: datetime
    x: int
    failed: int
    recovered: int
    up: float
    down: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    columns: list[Column]
    begins_at: datetime
    middle_at: datetime
    ends_at: datetime
    width: int
    highest: int
    failed: int
    recovered: int

    @property
    def peak(self) -> Column:
        return max(self.columns, key=lambda column: column.failed)


def chart_of(
    span: Span, points: Sequence[ActivityPoint], first_activity: datetime | None = None
) -> Chart:
    """Both sides have one scale; a step with anything in it has a bar that can be seen.

    Where the ledger is younger than the span, the steps before its ``first_activity`` are left
    out. Where few are left they stand at the right, so that the bars do not become slabs.
    """
    return chart_over(_known_part(span, points, first_activity), span.step)


def chart_over(
    points: Sequence[ActivityPoint], step: timedelta, *, from_start: bool = False
) -> Chart:
    """A chart of these points, of which there is at least one. Where they are few they stand at the
    right, or, ``from_start``, at the left."""
    last = max(len(points), FEWEST_COLUMNS) - 1
    before = 0 if from_start else last + 1 - len(points)
    begins_at = points[0].at - before * step
    highest = max((max(point.failed, point.recovered) for point in points), default=0)
    columns = [
        Column(
            at=point.at,
            until=point.at + step,
            x=(before + at) * STEP_WIDTH,
            failed=point.failed,
            recovered=point.recovered,
            up=_height(point.failed, highest),
            down=_height(point.recovered, highest),
        )
        for at, point in enumerate(points)
    ]
    return Chart(
        columns=columns,
        begins_at=begins_at,
        middle_at=begins_at + (last - last // 2) * step,
        ends_at=begins_at + last * step,
        width=(last + 1) * STEP_WIDTH,
        highest=highest,
        failed=sum(point.failed for point in points),
        recovered=sum(point.recovered for point in points),
    )


def _known_part(
    span: Span, points: Sequence[ActivityPoint], first_activity: datetime | None
) -> Sequence[ActivityPoint]:
    if first_activity is None:
        return points
    unknown = sum(1 for point in points if point.at + span.step <= first_activity)
    return points[min(unknown, len(points) - 1) :]


def _height(count: int, highest: int) -> float:
    return round(max(HEIGHT * count / highest, LOWEST), 2) if count else 0.0
