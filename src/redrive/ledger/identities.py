"""Entries by their entry id.

The id never changes, the rest of an entry does: an index beside what changes is written anew at
every change, and this one, on random text, was a quarter of what an operation cost PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.ledger.schema import entries, identities
from redrive.ledger.snapshot import Readable


def named(entry_id: str | None) -> ColumnElement[bool]:
    """The entry of this id; none for None."""
    found = select(identities.c.entry_pk).where(identities.c.entry_id == entry_id)
    return entries.c.id == found.scalar_subquery()


def any_named(database: Readable, name: str) -> ColumnElement[bool]:
    """The entries whose ids are given to the parameter ``name`` (see :meth:`Database.listed`)."""
    found = select(identities.c.entry_pk).where(database.any_of(identities.c.entry_id, name))
    return entries.c.id.in_(found)


async def add_identities(connection: AsyncConnection, first_seq: int) -> None:
    """Make the entries known by their ids that were inserted from this sequence number on."""
    added = select(entries.c.entry_id, entries.c.id).where(entries.c.failure_seq >= first_seq)
    await connection.execute(insert(identities).from_select(["entry_id", "entry_pk"], added))
