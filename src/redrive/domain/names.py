"""Ids and times."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import NewType

AppId = NewType("AppId", str)


EntryId = NewType("EntryId", str)


JobId = NewType("JobId", str)


OperationId = NewType("OperationId", str)


GroupId = NewType("GroupId", str)


def entry_id_of(source: str, queue: str, job_id: str) -> EntryId:
    """The deterministic id of a job's entry: ``ent_`` and 96 bits of SHA-256, in hex."""
    digest = hashlib.sha256(f"{source}\0{queue}\0{job_id}".encode("utf-8", "surrogatepass"))
    return EntryId("ent_" + digest.hexdigest()[:24])


def from_millis(value: float) -> datetime:
    """An aware UTC datetime from milliseconds since 1970."""
    return datetime.fromtimestamp(value / 1000, tz=UTC)


def to_millis(value: datetime) -> int:
    """Whole milliseconds since 1970 of an aware datetime."""
    return round(value.timestamp() * 1000)
