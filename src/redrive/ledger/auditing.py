"""The audit row that every action writes, in the action's own transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import Actor
from redrive.ledger.schema import audit


def that_differ(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Of two accounts of the same thing, what is not the same in both."""
    names = [name for name, value in after.items() if before[name] != value]
    return {name: before[name] for name in names}, {name: after[name] for name in names}


async def add_audit(
    connection: AsyncConnection,
    at: datetime,
    actor: Actor,
    action: str,
    scope: str,
    *,
    app_id: str | None = None,
    reason: str = "",
    result: str = "",
    operation_id: str | None = None,
    counts: Mapping[str, int] | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append who did what, to what, why, with what result, from where.

    ``before`` and ``after`` are what it changed, as values that JSON knows; None: it changed
    nothing, or there was nothing before.
    """
    await connection.execute(
        insert(audit),
        {
            "at": at,
            "actor": actor.name,
            "origin": actor.origin,
            "action": action,
            "scope": scope,
            "app_id": app_id,
            "reason": reason,
            "result": result,
            "operation_id": operation_id,
            "counts": json.dumps(dict(counts or {})),
            "before": None if before is None else json.dumps(dict(before)),
            "after": None if after is None else json.dumps(dict(after)),
        },
    )
