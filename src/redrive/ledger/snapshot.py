"""Several reads of one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Result, Row
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.ledger.database import Database, Reading, T, Work


class Snapshot:
    """A database inside one reading transaction: what is read through it fits together."""

    def __init__(self, database: Database | Snapshot, connection: AsyncConnection) -> None:
        self._database = database
        self._connection = connection

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on the transaction's own view."""
        return await work(self._connection)

    async def rows(
        self,
        statement: Reading,
        parameters: Mapping[str, Any] | None = None,
    ) -> Sequence[Row[Any]]:
        """The rows of one reading statement."""
        found: Result[Any] = await self._connection.execute(statement, parameters)
        return found.all()

    def any_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """As :meth:`Database.any_of`."""
        return self._database.any_of(column, name)

    def listed(self, values: Iterable[object]) -> object:
        """As :meth:`Database.listed`."""
        return self._database.listed(values)


Readable = Database | Snapshot
