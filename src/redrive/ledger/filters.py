"""Filters as conditions, and pages that look at a bounded number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Row,
    Select,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
)

from redrive.domain import EntryFilter, Outcome, to_millis
from redrive.ledger.identities import named
from redrive.ledger.schema import entries, identities, items
from redrive.ledger.schema_triage import groups

ROWS_PER_LOOK = 10_000
"""How many rows one page looks at where no index serves its filter."""


def one_of(column: Column[str], states: Sequence[StrEnum]) -> ColumnElement[bool]:
    """``column`` is one of the states, as the partial indexes say it: SQLite uses those only where
    the values stand in the statement itself."""
    if len(states) == 1:
        return column == literal_column(f"'{states[0]}'")
    return column.in_([literal_column(f"'{state}'") for state in states])


Position = tuple[int, ...]
"""Where a walk stands: the values of its columns."""


class Walk:
    """One page's way along the columns that order a list and are unique together, ``after`` a
    position (None: from the beginning)."""

    def __init__(
        self, *columns: ColumnElement[int], oldest_first: bool, after: Position | None
    ) -> None:
        self._columns = columns
        self._oldest_first = oldest_first
        self._after = after

    def end_of_look(
        self, conditions: Sequence[ColumnElement[bool]], rows: int | None = None
    ) -> Select[Any]:
        """Selects the last position that is looked at, after ``rows`` (None: a page's number);
        ``conditions`` are served by an index together with the columns."""
        statement = select().add_columns(*self._columns).where(*conditions, *self._from_here())
        return statement.order_by(*self._order()).offset((rows or ROWS_PER_LOOK) - 1).limit(1)

    def bounded(self, statement: Select[Any], last_looked: Position | None) -> Select[Any]:
        """The statement in the walk's order, from here to ``last_looked`` (None: to the end)."""
        statement = statement.where(*self._from_here()).order_by(*self._order())
        if last_looked is None:
            return statement
        here, last = tuple_(*self._columns), tuple_(*last_looked)
        return statement.where(here <= last if self._oldest_first else here >= last)

    def position_after(
        self, found: Sequence[Position], limit: int, last_looked: Position | None
    ) -> Position | None:
        """Where the next page begins, given what was found up to one more than ``limit``."""
        return found[limit - 1] if len(found) > limit else last_looked

    def _from_here(self) -> list[ColumnElement[bool]]:
        if self._after is None:
            return []
        here, after = tuple_(*self._columns), tuple_(*self._after)
        return [here > after if self._oldest_first else here < after]

    def _order(self) -> list[ColumnElement[int]]:
        columns = self._columns
        return [column.asc() if self._oldest_first else column.desc() for column in columns]


FAILED_AT = type_coerce(entries.c.failed_at, BigInteger)
"""In milliseconds, as a cursor holds it."""


def order_of(entry_filter: EntryFilter) -> tuple[ColumnElement[int], ...]:
    """The columns by which a list of entries is ordered."""
    by_sequence = entries.c.failure_seq
    return (FAILED_AT, by_sequence) if entry_filter.is_by_time else (by_sequence,)


def position_of(entry_filter: EntryFilter, row: Row[Any]) -> Position:
    """Where an entry's row stands in a list."""
    seq = int(row.failure_seq)
    return (to_millis(row.failed_at), seq) if entry_filter.is_by_time else (seq,)


def group_pk_of(group_id: str) -> ColumnElement[int]:
    """The group of this id, or the one that took it over; none for an unknown id."""
    found = select(func.coalesce(groups.c.merged_into, groups.c.group_pk))
    return found.where(groups.c.group_id == group_id).scalar_subquery()


def conditions_of(entry_filter: EntryFilter) -> list[ColumnElement[bool]]:
    """A filter in SQL."""
    return [
        *_conditions_of_the_job(entry_filter),
        *_conditions_of_the_past(entry_filter),
        *_conditions_by_name(entry_filter),
    ]


def _conditions_of_the_job(entry_filter: EntryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if entry_filter.group_id is not None:
        conditions.append(entries.c.group_pk == group_pk_of(entry_filter.group_id))
    if entry_filter.app_id is not None:
        conditions.append(entries.c.app_id == entry_filter.app_id)
    if entry_filter.states:
        conditions.append(one_of(entries.c.state, entry_filter.states))
    if entry_filter.source is not None:
        conditions.append(entries.c.source == entry_filter.source)
    if entry_filter.queue is not None:
        conditions.append(entries.c.queue == entry_filter.queue)
    if entry_filter.job_name is not None:
        conditions.append(entries.c.job_name == entry_filter.job_name)
    if entry_filter.error_type is not None:
        conditions.append(entries.c.error_type == entry_filter.error_type)
    return conditions


def _conditions_of_the_past(entry_filter: EntryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, least, most in (
        (entries.c.attempts_made, entry_filter.attempts_min, entry_filter.attempts_max),
        (entries.c.retried, entry_filter.retried_min, entry_filter.retried_max),
        (entries.c.same_failures, entry_filter.same_failures_min, None),
    ):
        if least is not None:
            conditions.append(column >= least)
        if most is not None:
            conditions.append(column <= most)
    if entry_filter.failed_from is not None:
        conditions.append(entries.c.failed_at >= entry_filter.failed_from)
    if entry_filter.failed_before is not None:
        conditions.append(entries.c.failed_at < entry_filter.failed_before)
    if entry_filter.failed_again_in is not None:
        moved_last_by = entries.c.operation_id == entry_filter.failed_again_in
        failed_again = exists().where(
            items.c.operation_id == entry_filter.failed_again_in,
            items.c.entry_pk == entries.c.id,
            items.c.outcome == Outcome.FAILED_AGAIN.value,
        )
        conditions += [moved_last_by, failed_again]
    return conditions


def _conditions_by_name(entry_filter: EntryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if entry_filter.entry_ids:
        by_hand = select(identities.c.entry_pk).where(
            identities.c.entry_id.in_(entry_filter.entry_ids)
        )
        conditions.append(entries.c.id.in_(by_hand))
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
