"""A group's failures by hour, as small bars, and what they say about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from redrive.domain import Group
from redrive.standing import LATELY

HEIGHT = 20.0
"""Of the highest bar, in the drawing's own units; an hour is ten units wide."""

LOWEST = 2.0
"""Of a bar with anything in it, so that it can be seen beside the highest."""

STEP_WIDTH = 10
STEP = timedelta(hours=1)
NEW_FOR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One hour: its time, its count, where it stands and how high."""

    at: datetime
    until: datetime
    x: int
    failed: int
    height: float


def bars_of(group: Group) -> list[Bar]:
    """Every hour of the day; those without failures have no height."""
    highest = most(group)
    return [
        Bar(
            at=point.at,
            until=point.at + STEP,
            x=place * STEP_WIDTH,
            failed=point.failed,
            height=_height(point.failed, highest),
        )
        for place, point in enumerate(group.chart)
    ]


def most(group: Group) -> int:
    """The failures of its worst hour."""
    return max((point.failed for point in group.chart), default=0)


def in_a_day(group: Group) -> int:
    """Its failures of all hours that are shown."""
    return sum(point.failed for point in group.chart)


def is_new(group: Group, now: datetime) -> bool:
    """Whether it was first seen within the hour."""
    return now - group.first_seen_at < NEW_FOR


def still_happens(group: Group, now: datetime) -> bool:
    """Whether it has failed within the last minutes, as the overview counts them."""
    return now - group.last_failed_at < LATELY


def _height(count: int, highest: int) -> float:
    return round(max(HEIGHT * count / highest, LOWEST), 2) if count else 0.0
