"""What an operation holds: conditions of kept statements, and the parameters that they need."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, bindparam

from redrive.domain import Batch, EntryState, ItemState, Operation
from redrive.ledger.database import Database, any_of
from redrive.ledger.schema import entries, items


def claimed_entries(on_sqlite: bool) -> ColumnElement[bool]:
    """Of given entries, those that an operation still holds: see :func:`claimed_by`.

    Looked up by their ids: the index of claimed entries, which PostgreSQL would take for the
    shorter way, is full of what has been settled.
    """
    return and_(
        any_of(entries.c.id, "ids", on_sqlite=on_sqlite),
        entries.c.state.concat("") == EntryState.CLAIMED.value,
        entries.c.operation_id == bindparam("holder"),
    )


def claimed_by(database: Database, operation: Operation, ids: Iterable[int]) -> dict[str, object]:
    """The parameters of :func:`claimed_entries`."""
    return {"ids": database.listed(ids), "holder": operation.operation_id}


def claimed_items() -> ColumnElement[bool]:
    """The items of a batch that are not settled yet: see :func:`batch_of`."""
    return and_(
        items.c.operation_id == bindparam("holder"),
        items.c.failure_seq.between(bindparam("first"), bindparam("last")),
        items.c.batch_number == bindparam("number"),
        items.c.state == ItemState.CLAIMED.value,
    )


def batch_of(operation: Operation, batch: Batch) -> dict[str, object]:
    """The parameters of :func:`claimed_items`; a batch lies side by side in its operation."""
    seqs = [entry.failure_seq for entry in batch.entries]
    holder = operation.operation_id
    return {"holder": holder, "first": min(seqs), "last": max(seqs), "number": batch.number}
