"""From a failed job's record to a Failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from redrive.domain import (
    DATA_UNREADABLE,
    OPTIONS_UNREADABLE,
    AppId,
    Failure,
    OperationId,
    Payload,
    Stamp,
)
from redrive.engines.bullmq.text import (
    APP_LIMIT,
    MESSAGE_LIMIT,
    NAME_LIMIT,
    attempts_of,
    clean,
    error_type_of,
    finish_time,
    is_plain_id,
    job_id_of,
    json_or_none,
    json_value,
    last_stack,
    time_of,
    whole,
)
from redrive.settings import Source

FIELDS = (
    "data",
    "stacktrace",
    "failedReason",
    "name",
    "opts",
    "timestamp",
    "processedOn",
    "atm",
    "attemptsMade",
    "redrive",
    "parentKey",
    "parent",
    "rjk",
    "priority",
    "delay",
    "deid",
    "nrjid",
    "redrivePriority",
)
"""The record's fields as ``scripts/failures.lua`` gives them."""

EXTRA_FIELDS = ("timestamp", "parentKey", "parent", "rjk", "priority", "delay", "deid", "nrjid")
"""What a rebuild may need besides data and options."""

LOWEST_PRIORITY = 0x200000
"""The last that a worker takes; the library's PRIORITY_LIMIT."""

_GENERATION = re.compile(r"[0-9]{1,9}")

DATA_READ_LIMIT = 16 * 1024 * 1024
"""Data above this (bytes) is not read at all."""


@dataclass(frozen=True, slots=True)
class Record:
    """One job as ``scripts/failures.lua`` gives it."""

    raw_id: bytes
    score: bytes
    data_size: int
    kind: bytes
    plain_stack: bool
    fields: Mapping[str, bytes | None]

    @staticmethod
    def of(answer: list[Any]) -> Record:
        raw_id, score, data_size, kind, form, *values = answer
        fields = dict(zip(FIELDS, values, strict=False))
        return Record(raw_id, score, data_size, kind, form == b"text", fields)

    def __getitem__(self, field: str) -> bytes | None:
        return self.fields.get(field)


class FailureReader:
    """Reads the records of one source. A record that makes no sense becomes a defect."""

    def __init__(self, source: Source, payload_limit: int) -> None:
        self._source = source
        self._payload_limit = payload_limit

    def failure(self, queue: str, record: Record) -> Failure:
        """The failure that the record tells of; never raises, whatever it holds."""
        readable, data = json_value(record["data"])
        stack = last_stack(record["stacktrace"], plain=record.plain_stack)
        return Failure(
            source=self._source.name,
            queue=queue,
            job_id=job_id_of(record.raw_id),
            app_id=self._app_id(queue, data),
            job_name=clean(record["name"], NAME_LIMIT),
            failed_at=finish_time(record.score),
            error_type=error_type_of(stack),
            error_message=clean(record["failedReason"], MESSAGE_LIMIT),
            stacktrace=stack,
            attempts_made=attempts_of(record["atm"] or record["attemptsMade"]),
            created_at=time_of(record["timestamp"]),
            started_at=time_of(record["processedOn"]),
            payload=self._payload(record),
            data_size=record.data_size,
            stamp=_stamp(record["redrive"]),
            forgets=self._forgets(queue, record["opts"]),
            defect=_defect_of(record, readable),
        )

    def _app_id(self, queue: str, data: object) -> AppId:
        value = data
        for part in self._source.app_by_queue.get(queue, self._source.app).split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, bool):
            value = "true" if value else "false"
        text = clean(str(value), APP_LIMIT) if isinstance(value, str | int | float) else ""
        return AppId(text.strip() or queue)

    def _payload(self, record: Record) -> Payload | None:
        data, options = record["data"], record["opts"]
        if data is None or options is None or self._payload_limit == 0:
            return None
        if len(data) > self._payload_limit:
            return None
        extra = {
            field: value.decode("utf-8", "replace")
            for field in EXTRA_FIELDS
            if (value := _own(record, field)) is not None and b"\0" not in value
        }
        return Payload(data=data, options=options, extra=extra)

    def _forgets(self, queue: str, options: bytes | None) -> bool:
        if any(fnmatchcase(queue, pattern) for pattern in self._source.forgetful):
            return True
        if options is None or b"removeOnFail" not in options:
            return False
        decoded = json_or_none(options)
        keep = decoded.get("removeOnFail") if isinstance(decoded, dict) else None
        if isinstance(keep, dict):
            return keep.get("age") is not None or _is_count(keep.get("count"))
        return keep is True or _is_count(keep)


def _own(record: Record, field: str) -> bytes | None:
    """A field of the record; of the priority the job's own one, which stands beside it while the
    job is moved at the lowest (see ``scripts/queue.lua``)."""
    own = record["redrivePriority"]
    if field == "priority" and own is not None and whole(record[field]) == LOWEST_PRIORITY:
        return own or None
    return record[field]


def _defect_of(record: Record, readable: bool) -> str | None:
    if record.kind == b"none":
        return "The queue lists this job as failed but has no record of it."
    if record.kind == b"other":
        return "What is stored under this job's name is not a job."
    if not is_plain_id(record.raw_id):
        return "The job's id is not valid text; it cannot be retried from here."
    if record["data"] is None:
        if record.data_size == 0:
            return "The job has no data."
        return f"The job's data is too large to be read: {record.data_size} bytes."
    if not readable:
        return DATA_UNREADABLE
    options = record["opts"]
    return OPTIONS_UNREADABLE if options is not None and json_or_none(options) is None else None


def _is_count(value: object) -> bool:
    """Whether a number of jobs to keep is given; -1 keeps all of them."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _stamp(value: bytes | None) -> Stamp | None:
    operation_id, _, generation = clean(value, 256).rpartition(":")
    if not operation_id or not _GENERATION.fullmatch(generation):
        return None
    return Stamp(operation_id=OperationId(operation_id), generation=int(generation))
