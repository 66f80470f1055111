"""What the proof reads from a ledger, on one that is wrong."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, update

from proof.looking import LedgerView
from redrive.ledger import Database
from redrive.ledger.schema import apps
from redrive.ledger.schema_triage import groups
from tests.support.books import Books


@pytest.mark.parametrize(("table", "of"), [(apps, "app"), (groups, "group")])
async def test_a_counter_that_went_wrong_is_seen(
    database: Database, ledger_url: str, table: Table, of: str
) -> None:
    await Books(database).fail("1", "2")
    view = LedgerView(ledger_url)
    assert await view.miscounts() == []
    await database.write(
        lambda connection: connection.execute(update(table).values(failed=table.c.failed + 1))
    )
    (said,) = await view.miscounts()
    assert said.startswith(of)
    await view.close()
