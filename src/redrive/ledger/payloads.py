"""What is kept to run a job again, compressed, apart from the rows that change often."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import EntryId, Failure, Payload
from redrive.ledger.rows import pack, unpack
from redrive.ledger.schema import payloads


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The payload, if it was kept, and the stack trace of the newest failure."""

    payload: Payload | None
    stacktrace: str


def payload_row(failure: Failure) -> dict[str, Any]:
    """The row of a failure that came with all that the engine knew."""
    payload = failure.payload
    return {
        "entry_id": failure.entry_id,
        "data": None if payload is None else pack(payload.data),
        "options": None if payload is None else pack(payload.options),
        "extra": None if payload is None else json.dumps(dict(payload.extra)),
        "stacktrace": pack(failure.stacktrace.encode()),
    }


async def read_payload(connection: AsyncConnection, entry_id: EntryId) -> Kept:
    """What was kept of an entry."""
    row = (
        await connection.execute(select(payloads).where(payloads.c.entry_id == entry_id))
    ).first()
    if row is None:
        return Kept(payload=None, stacktrace="")
    payload = None
    if row.data is not None:
        payload = Payload(
            data=unpack(row.data), options=unpack(row.options), extra=json.loads(row.extra)
        )
    return Kept(payload=payload, stacktrace=unpack(row.stacktrace).decode())
