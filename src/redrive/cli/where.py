"""``--where``: one condition each, all of which have to fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from redrive.domain import MOST_ENTRY_IDS, AppId, EntryFilter, EntryId, OperationId

_CONDITION = re.compile(r"^\s*([a-z-]+)\s*(>=|<=|=)(.*)$", re.DOTALL)
_AGO = re.compile(r"^(\d+)\s*([smhd])(\s+ago)?$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOST = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key of the language: the fields that its operators set, and how its value is read."""

    fields: dict[str, tuple[str, ...]]
    read: Callable[[str], Any]


def _text(value: str) -> str:
    if not value:
        raise ValueError("needs a value")
    return value


def _number(value: str) -> int:
    if not value.isdecimal() or int(value) > _MOST:
        raise ValueError(f"must be a whole number from 0 to {_MOST}")
    return int(value)


def _time(value: str) -> datetime:
    ago = _AGO.match(value)
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        told = datetime.fromisoformat(value)
        return told if told.tzinfo is not None else told.astimezone()
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a time such as 2026-01-31T12:00, or how long ago: 90s, 30m, 2h, 7d"
        ) from None


def _ids(value: str) -> tuple[EntryId, ...]:
    return tuple(EntryId(_text(one.strip())) for one in value.split(","))


def _equals(field: str, read: Callable[[str], Any] = _text) -> Key:
    return Key(fields={"=": (field,)}, read=read)


def _range(name: str) -> Key:
    least, most = f"{name}_min", f"{name}_max"
    return Key(fields={"=": (least, most), ">=": (least,), "<=": (most,)}, read=_number)


KEYS = {
    "app": _equals("app_id", lambda value: AppId(_text(value))),
    "source": _equals("source"),
    "queue": _equals("queue"),
    "job": _equals("job_name"),
    "group": _equals("group_id"),
    "type": _equals("error_type"),
    "text": _equals("query"),
    "since": _equals("failed_from", _time),
    "until": _equals("failed_before", _time),
    "attempts": _range("attempts"),
    "retried": _range("retried"),
    "same": Key(fields={">=": ("same_failures_min",)}, read=_number),
    "failed-again-in": _equals("failed_again_in", lambda value: OperationId(_text(value))),
    "entry": _equals("entry_ids", _ids),
}

ALLOWED = ", ".join(f"{name}{'|'.join(sorted(key.fields, key=len))}…" for name, key in KEYS.items())

Where = Annotated[
    list[str],
    typer.Option(
        "--where",
        metavar="KEY=VALUE",
        help=f"Only entries that fit; may be repeated, all have to fit. {ALLOWED}",
        show_default=False,
    ),
]


def filter_of(conditions: Sequence[str], **given: Any) -> EntryFilter:
    """The filter that the conditions say, beside what is ``given``.

    Raises BadParameter, which names what was wrong and what is allowed.
    """
    values: dict[str, Any] = dict(given)
    for condition in conditions:
        for field, value in _read(condition).items():
            if field == "entry_ids":
                value = tuple(dict.fromkeys((*values.get(field, ()), *value)))
            elif values.get(field) is not None:
                raise typer.BadParameter(f"--where {condition!r}: this was said before")
            values[field] = value
    if len(values.get("entry_ids", ())) > MOST_ENTRY_IDS:
        raise typer.BadParameter(f"--where entry=…: at most {MOST_ENTRY_IDS:,} entries")
    try:
        return EntryFilter(**values)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _read(condition: str) -> dict[str, Any]:
    parts = _CONDITION.match(condition)
    key = None if parts is None else KEYS.get(parts[1])
    if parts is None or key is None:
        raise typer.BadParameter(f"--where {condition!r}: not a condition; allowed: {ALLOWED}")
    name, operator, value = parts[1], parts[2], parts[3].strip()
    if operator not in key.fields:
        allowed = ", ".join(f"{name}{one}…" for one in key.fields)
        raise typer.BadParameter(f"--where {condition!r}: allowed: {allowed}")
    try:
        read = key.read(value)
    except ValueError as error:
        raise typer.BadParameter(f"--where {condition!r}: {name} {error}") from error
    return dict.fromkeys(key.fields[operator], read)
