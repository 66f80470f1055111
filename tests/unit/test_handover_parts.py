"""How an operation's choices reach the engines."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from redrive.domain import (
    NO_CONTROLS,
    Controls,
    Operation,
    RequeueBatch,
    RequeueResult,
    controls_as_text,
)
from redrive.handover import HandOver
from redrive.ledger import Database
from redrive.ledger.schema import operations
from redrive.testing import InMemoryEngine
from tests.support.books import Books
from tests.support.factories import SOURCE


class Overheard(InMemoryEngine):
    """Keeps what it was asked to move."""

    def __init__(self) -> None:
        super().__init__(SOURCE)
        self.asked: list[RequeueBatch] = []

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        self.asked.append(batch)
        return await super().requeue(batch)


async def give_controls(books: Books, operation: Operation, controls: Controls) -> None:
    async def work(connection: Any) -> None:
        await connection.execute(update(operations).values(controls=controls_as_text(controls)))

    await books.database.write(work)


@pytest.mark.parametrize(
    ("controls", "low_priority"),
    [(Controls(low_priority=True), True), (Controls(rate=5.0), False), (NO_CONTROLS, False)],
)
async def test_low_priority_is_asked_of_the_engine_where_the_operation_has_it(
    database: Database, controls: Controls, low_priority: bool
) -> None:
    books = Books(database)
    await books.fail("1")
    started = await books.start()
    await give_controls(books, started, controls)
    operation = await books.take_over(started.operation_id)
    engine = Overheard()
    hand_over = HandOver(ledger=books.operations, engines={SOURCE: engine}, clock=books.clock)
    await hand_over.move(operation, await books.claim(operation))
    assert [batch.low_priority for batch in engine.asked] == [low_priority]
