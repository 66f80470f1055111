"""The counters of apps and groups, moved in the transaction that makes them true.

Lock order of every transaction: sequence, entries, apps (sorted), groups (sorted), operations
(sorted), items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import EntryState
from redrive.ledger.schema import Millis, apps, entries
from redrive.ledger.schema_triage import groups

Moves = Counter[tuple[str, int | None, EntryState | None, EntryState | None]]
"""How many entries of an app and a group (None: they have none) went from one state (None: they
came) to another (None: they left)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupNews:
    """New failures of a group. ``newest_seq`` is that of the one that happened last. Of failures
    that leave, there is only a number, below zero."""

    failures: int
    first_at: datetime | None
    last_at: datetime | None
    newest_seq: int | None


async def move_counts(
    connection: AsyncConnection,
    moves: Moves,
    news: Mapping[int, GroupNews] | None = None,
    newest: Mapping[str, datetime] | None = None,
) -> None:
    """Add what moved to the counters of apps and groups; tell groups what failed anew, and apps
    when that was (``newest``)."""
    await _move_app_counts(connection, moves, newest or {})
    await move_group_counts(connection, moves, news)


async def _move_app_counts(
    connection: AsyncConnection, moves: Moves, newest: Mapping[str, datetime]
) -> None:
    """Apps in sorted order, each once, in one round trip."""
    deltas: dict[str, Counter[EntryState]] = {app_id: Counter() for app_id in newest}
    for (app_id, _, before, after), number in moves.items():
        delta = deltas.setdefault(app_id, Counter())
        if before is not None:
            delta[before] -= number
        if after is not None:
            delta[after] += number
    states = sorted({state for delta in deltas.values() for state in delta if delta[state]})
    changes = [
        {"moved_app": app_id}
        | {f"{state}_by": deltas[app_id][state] for state in states}
        | ({"newest": newest.get(app_id)} if newest else {})
        for app_id in sorted(deltas)
        if any(deltas[app_id].values()) or app_id in newest
    ]
    if changes:
        await connection.execute(_moves_apps(tuple(states), bool(newest)), changes)


@cache
def _moves_apps(states: tuple[EntryState, ...], with_newest: bool) -> Update:
    values: dict[str, Any] = {
        state.value: apps.c[state.value] + bindparam(f"{state}_by") for state in states
    }
    if with_newest:
        newest, last = bindparam("newest", type_=Millis()), apps.c.last_failed_at
        values["last_failed_at"] = case((or_(last.is_(None), last < newest), newest), else_=last)
    return update(apps).where(apps.c.app_id == bindparam("moved_app")).values(values)


async def move_group_counts(
    connection: AsyncConnection, moves: Moves, news: Mapping[int, GroupNews] | None = None
) -> None:
    """Groups in sorted order, each once, in one round trip."""
    failed: Counter[int] = Counter()
    members: Counter[int] = Counter()
    for (_, group_pk, before, after), number in moves.items():
        if group_pk is not None:
            failed[group_pk] += number * (
                (after is EntryState.FAILED) - (before is EntryState.FAILED)
            )
            members[group_pk] += number * ((before is None) - (after is None))
    known = news or {}
    changes = [
        {"moved_group": pk, "failed_by": failed[pk], "entries_by": members[pk]}
        | (_news_of(known.get(pk)) if news else {})
        for pk in sorted(failed.keys() | known.keys())
        if failed[pk] or members[pk] or pk in known
    ]
    if changes:
        await connection.execute(_NEWS if news else _MOVES, changes)


def _news_of(news: GroupNews | None) -> dict[str, object]:
    return {
        "failures_by": 0 if news is None else news.failures,
        "first_at": None if news is None else news.first_at,
        "last_at": None if news is None else news.last_at,
        "newest_seq": None if news is None else news.newest_seq,
    }


def _moving() -> Update:
    return (
        update(groups)
        .where(groups.c.group_pk == bindparam("moved_group"))
        .values(
            failed=groups.c.failed + bindparam("failed_by"),
            entries=groups.c.entries + bindparam("entries_by"),
        )
    )


def _with_news() -> Update:
    first, last = bindparam("first_at", type_=Millis()), bindparam("last_at", type_=Millis())
    newest = select(entries.c.id).where(entries.c.failure_seq == bindparam("newest_seq"))
    return _moving().values(
        failures=groups.c.failures + bindparam("failures_by"),
        first_seen_at=case((first < groups.c.first_seen_at, first), else_=groups.c.first_seen_at),
        last_failed_at=case((last > groups.c.last_failed_at, last), else_=groups.c.last_failed_at),
        example_pk=func.coalesce(newest.scalar_subquery(), groups.c.example_pk),
    )


_MOVES, _NEWS = _moving(), _with_news()
