"""Which group a failure belongs to: its fingerprint, and the row of the group."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.fingerprint import VERSION, Fingerprint, fingerprint, key_of
from redrive.ledger.database import Database, insert_or_ignore
from redrive.ledger.schema_triage import groups

_REMEMBERED = 2048
_LONGEST_REMEMBERED = 8 * 1024
"""Characters of a failure's texts: what is remembered takes 16 MiB at most."""

Compute = Callable[[str, str, str, str, str, str], Fingerprint]
ComputeKey = Callable[[str, str, str, str, str, str], str]


class Told(NamedTuple):
    """What a failure tells of its group."""

    source: str
    queue: str
    job_name: str
    error_type: str
    error_message: str
    stacktrace: str


class Fingerprints:
    """One version of the fingerprint. The same failure comes again and again: the last ones' keys
    are remembered, unless their texts are long."""

    def __init__(
        self,
        version: int = VERSION,
        compute: Compute = fingerprint,
        compute_key: ComputeKey | None = None,
    ) -> None:
        self.version = version
        self._compute = compute
        self._compute_key = compute_key or (lambda *told: compute(*told).key)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._compute_key)

    def of(self, told: Told) -> Fingerprint:
        return self._compute(*told)

    def key_of(self, told: Told) -> str:
        """The fingerprint's key."""
        length = len(told.error_type) + len(told.error_message) + len(told.stacktrace)
        is_short = length <= _LONGEST_REMEMBERED
        return self._remembered(*told) if is_short else self._compute_key(*told)


CURRENT = Fingerprints(compute_key=key_of)


async def group_pks(
    database: Database,
    connection: AsyncConnection,
    fingerprints: Fingerprints,
    wanted: Mapping[str, tuple[Told, datetime]],
) -> dict[str, int]:
    """The primary keys of groups by their keys, each with a failure of it; those that are new are
    added, without counts. A group that was taken over stands for the one that did so."""
    found = await _known(database, connection, wanted)
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        rows = [_row(fingerprints.of(wanted[key][0]), *wanted[key]) for key in missing]
        await connection.execute(insert_or_ignore(connection, groups), rows)
        found |= await _known(database, connection, missing)
    return found


async def _known(database: Database, connection: AsyncConnection, ids: Any) -> dict[str, int]:
    rows = await connection.execute(
        select(groups.c.group_id, func.coalesce(groups.c.merged_into, groups.c.group_pk)).where(
            database.any_of(groups.c.group_id, "ids")
        ),
        {"ids": database.listed(ids)},
    )
    return {group_id: int(pk) for group_id, pk in rows.all()}


def _row(found: Fingerprint, told: Told, failed_at: datetime) -> dict[str, Any]:
    return {
        "group_id": found.key,
        "version": found.version,
        "source": told.source,
        "queue": told.queue,
        "job_name": told.job_name,
        "error_type": told.error_type,
        "title": found.title,
        "basis": found.basis.value,
        "frames": json.dumps([[one.module, one.function, one.is_own] for one in found.frames]),
        "first_seen_at": failed_at,
        "last_failed_at": failed_at,
    }
