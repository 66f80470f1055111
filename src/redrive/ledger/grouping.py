"""Which group a failure belongs to: its fingerprint, and the row of the group."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.fingerprint import VERSION, Fingerprint, fingerprint
from redrive.ledger.database import Database, insert_or_ignore
from redrive.ledger.schema_triage import groups

_REMEMBERED = 2048
_LONGEST_REMEMBERED = 8 * 1024
"""Characters of a failure's texts: what is remembered takes 16 MiB at most."""

Compute = Callable[[str, str, str, str, str, str], Fingerprint]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a failure tells of its group."""

    source: str
    queue: str
    job_name: str
    error_type: str
    error_message: str
    stacktrace: str


class Fingerprints:
    """One version of the fingerprint. The same failure comes again and again: the last ones'
    fingerprints are remembered, unless their texts are long."""

    def __init__(self, version: int = VERSION, compute: Compute = fingerprint) -> None:
        self.version = version
        self._compute = compute
        self._remembered = lru_cache(maxsize=_REMEMBERED)(compute)

    def of(self, told: Told) -> Fingerprint:
        texts = (told.error_type, told.error_message, told.stacktrace)
        is_short = sum(map(len, texts)) <= _LONGEST_REMEMBERED
        compute = self._remembered if is_short else self._compute
        return compute(told.source, told.queue, told.job_name, *texts)


CURRENT = Fingerprints()


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouped:
    """A failure's group, and what a new row of it begins with."""

    fingerprint: Fingerprint
    told: Told
    failed_at: datetime


async def group_pks(
    database: Database, connection: AsyncConnection, wanted: Mapping[str, Grouped]
) -> dict[str, int]:
    """The primary keys of groups by their ids; those that are new are added, without counts. A
    group that was taken over stands for the one that did so."""
    found = await _known(database, connection, wanted)
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        await connection.execute(
            insert_or_ignore(connection, groups), [_row(wanted[key]) for key in missing]
        )
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


def _row(grouped: Grouped) -> dict[str, Any]:
    found, told = grouped.fingerprint, grouped.told
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
        "first_seen_at": grouped.failed_at,
        "last_failed_at": grouped.failed_at,
    }
