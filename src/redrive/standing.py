"""How things stand: what is failed, for whom, since when, and what is being done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from redrive.domain import (
    ActivityPoint,
    App,
    AppId,
    EntryState,
    Group,
    GroupFilter,
    GroupPoint,
    Operation,
)
from redrive.errors import StoreUnavailable
from redrive.ports import FollowerReports, Page, ReadingLedger

LATELY = timedelta(minutes=5)

_MOST_GROUPS = 6
_TOP_APPS = 20
_MOST_APPS = 1000
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowerLag:
    """When a source was last followed to its end, and how far behind that is, in seconds.

    ``caught_up_at`` is None if no follower has reported within the last hour, and where
    ``is_known`` is false: the reports lie in Redrive's own Redis, which did not answer.
    """

    source: str
    caught_up_at: datetime | None
    lag_seconds: float | None
    is_known: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What every page shows beside its own content; ``failing_groups`` have failed entries.

    ``planned`` has the apps of open operations over a selection; one that is left out touches more
    than were looked for.
    """

    totals: Mapping[EntryState, int]
    operations: list[Operation]
    followers: list[FollowerLag]
    failing_groups: int
    planned: Mapping[str, frozenset[AppId]] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return self.totals.get(EntryState.FAILED, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What an operator sees first. ``recovered_24h`` is counted in whole minutes."""

    standing: Standing
    recovered_24h: int
    failing_since: datetime | None
    apps: list[App]


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """The whole first page, all of one moment of the ledger.

    ``groups`` are those with the most failed entries. ``lately`` counts failures, so that an entry
    which fails again counts again. ``first_activity`` is the first minute in which
    the ledger counted anything. ``failing_apps`` have failed entries.
    """

    summary: Summary
    groups: list[Group]
    failing_apps: int
    lately: int
    activity: list[ActivityPoint]
    first_activity: datetime | None


async def read_followers(
    reports: FollowerReports, sources: Iterable[str], now: datetime
) -> list[FollowerLag]:
    """How far behind each source is; unknown where Redis does not say so within a second."""
    seen: Mapping[str, datetime] | None
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            seen = await reports.read()
    except (StoreUnavailable, TimeoutError):
        seen = None
    return [_lag(source, seen, now) for source in sources]


async def read_standing(ledger: ReadingLedger, followers: list[FollowerLag]) -> Standing:
    """Cheap enough for every page."""
    operations = await ledger.open_operations()
    plans = [one.plan_id for one in operations if one.plan_id is not None]
    return Standing(
        totals=await ledger.totals(),
        operations=operations,
        followers=followers,
        planned=await ledger.apps_of_plans(plans, _MOST_APPS) if plans else {},
        failing_groups=await ledger.failing_groups(),
    )


async def read_summary(
    ledger: ReadingLedger, followers: list[FollowerLag], now: datetime
) -> Summary:
    """The state of everything."""
    return Summary(
        standing=await read_standing(ledger, followers),
        recovered_24h=await ledger.recovered_since(now - _DAY),
        failing_since=await ledger.failing_since(),
        apps=(await ledger.apps(None, _TOP_APPS)).items,
    )


async def read_incident(
    ledger: ReadingLedger,
    followers: list[FollowerLag],
    now: datetime,
    span: timedelta,
    step: timedelta,
) -> Incident:
    """The state of everything with what fails and how it went over the last ``span``."""
    groups = await read_groups(ledger, GroupFilter(), now, None, _MOST_GROUPS)
    lately = await read_activity(ledger, now, LATELY, _MINUTE)
    return Incident(
        summary=await read_summary(ledger, followers, now),
        groups=groups.items,
        failing_apps=await ledger.failing_apps(),
        lately=sum(point.failed for point in lately),
        activity=await read_activity(ledger, now, span, step),
        first_activity=await ledger.first_activity(),
    )


async def read_activity(
    ledger: ReadingLedger, now: datetime, span: timedelta, step: timedelta
) -> list[ActivityPoint]:
    """Failures and recoveries by step over the last ``span``, every step there, the one that is
    running last."""
    seconds = step.total_seconds()
    last = int(now.timestamp() // seconds)
    steps = [
        datetime.fromtimestamp(number * seconds, tz=UTC)
        for number in range(last - int(span / step) + 1, last + 1)
    ]
    known = {point.at: point for point in await ledger.activity(steps[0], step)}
    return [known.get(at) or ActivityPoint(at=at, failed=0, recovered=0) for at in steps]


async def read_groups(
    ledger: ReadingLedger, group_filter: GroupFilter, now: datetime, cursor: str | None, limit: int
) -> Page[Group]:
    """Groups, most failed entries first, with the chart of a day."""
    hours = hours_until(now)
    page = await ledger.groups(group_filter, hours[0], _HOUR, cursor, limit)
    return Page(items=[charted(group, hours) for group in page.items], next_cursor=page.next_cursor)


def hours_until(now: datetime) -> list[datetime]:
    """When the hours of a day's chart begin, the one that is running last."""
    running = now.replace(minute=0, second=0, microsecond=0)
    return [running - back * _HOUR for back in range(int(_DAY / _HOUR) - 1, -1, -1)]


def charted(group: Group, hours: Sequence[datetime]) -> Group:
    """The group with every hour in its chart."""
    failed = {point.at: point.failed for point in group.chart}
    points = tuple(GroupPoint(at=at, failed=failed.get(at, 0)) for at in hours)
    return replace(group, chart=points)


def _lag(source: str, seen: Mapping[str, datetime] | None, now: datetime) -> FollowerLag:
    at = None if seen is None else seen.get(source)
    return FollowerLag(
        source=source,
        caught_up_at=at,
        lag_seconds=None if at is None else max((now - at).total_seconds(), 0.0),
        is_known=seen is not None,
    )
