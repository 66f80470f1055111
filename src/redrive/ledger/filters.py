"""Filters as conditions, and pages that look at a bounded number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, literal_column, or_, select

from redrive.domain import EntryFilter, EntryState
from redrive.ledger.identities import named
from redrive.ledger.schema import entries

ROWS_PER_LOOK = 10_000
"""How many rows one page looks at where no index serves its filter."""


def one_of(column: Column[str], states: Sequence[StrEnum]) -> ColumnElement[bool]:
    """``column`` is one of the states, as the partial indexes say it: SQLite uses those only where
    the values stand in the statement itself."""
    return column.in_([literal_column(f"'{state}'") for state in states])


class Walk:
    """One page's way along a sequence column, ``after`` a position (None: from the beginning)."""

    def __init__(self, column: Column[int], *, oldest_first: bool, after: int | None) -> None:
        self._column = column
        self._oldest_first = oldest_first
        self._after = after

    def end_of_look(
        self, conditions: Sequence[ColumnElement[bool]], rows: int | None = None
    ) -> Select[Any]:
        """Selects the last position that is looked at, after ``rows`` (None: a page's number);
        ``conditions`` are served by an index together with the column."""
        statement = select(self._column).where(*conditions, *self._from_here())
        return statement.order_by(self._order()).offset((rows or ROWS_PER_LOOK) - 1).limit(1)

    def bounded(self, statement: Select[Any], last_looked: int | None) -> Select[Any]:
        """The statement in the walk's order, from here to ``last_looked`` (None: to the end)."""
        statement = statement.where(*self._from_here()).order_by(self._order())
        if last_looked is None:
            return statement
        column = self._column
        inside = column <= last_looked if self._oldest_first else column >= last_looked
        return statement.where(inside)

    def position_after(
        self, found: Sequence[int], limit: int, last_looked: int | None
    ) -> int | None:
        """Where the next page begins, given what was found up to one more than ``limit``."""
        return found[limit - 1] if len(found) > limit else last_looked

    def _from_here(self) -> list[ColumnElement[bool]]:
        if self._after is None:
            return []
        column = self._column
        return [column > self._after if self._oldest_first else column < self._after]

    def _order(self) -> ColumnElement[int]:
        return self._column.asc() if self._oldest_first else self._column.desc()


def indexed_part(entry_filter: EntryFilter) -> EntryFilter:
    """What of a filter an index serves."""
    state = EntryState.FAILED if entry_filter.state is EntryState.FAILED else None
    return EntryFilter(app_id=entry_filter.app_id, state=state)


def conditions_of(entry_filter: EntryFilter) -> list[ColumnElement[bool]]:
    """A filter in SQL."""
    conditions: list[ColumnElement[bool]] = []
    if entry_filter.app_id is not None:
        conditions.append(entries.c.app_id == entry_filter.app_id)
    if entry_filter.state is not None:
        conditions.append(entries.c.state == entry_filter.state.value)
    if entry_filter.source is not None:
        conditions.append(entries.c.source == entry_filter.source)
    if entry_filter.queue is not None:
        conditions.append(entries.c.queue == entry_filter.queue)
    if entry_filter.job_name is not None:
        conditions.append(entries.c.job_name == entry_filter.job_name)
    if entry_filter.error_type is not None:
        conditions.append(entries.c.error_type == entry_filter.error_type)
    if entry_filter.failed_from is not None:
        conditions.append(entries.c.failed_at >= entry_filter.failed_from)
    if entry_filter.failed_before is not None:
        conditions.append(entries.c.failed_at < entry_filter.failed_before)
    if entry_filter.query:
        wanted = entry_filter.query
        conditions.append(
            or_(
                entries.c.error_message.icontains(wanted, autoescape=True),
                entries.c.error_type.icontains(wanted, autoescape=True),
                entries.c.job_id == wanted,
                named(wanted),
            )
        )
    return conditions
