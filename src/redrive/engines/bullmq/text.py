"""Bytes from a queue, made into text that any store takes.

Job records are written by workers in any language and may hold anything: control characters,
NUL, invalid UTF-8, lone surrogates, numbers that are none. Nothing here raises.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

from redrive.domain import JobId, from_millis

MESSAGE_LIMIT = 8 * 1024
STACK_LIMIT = 64 * 1024
APP_LIMIT = 256
NAME_LIMIT = 512
TYPE_LIMIT = 200
LAST_MILLIS = 253_402_300_799_999
"""The end of the year 9999; times outside of the calendar are moved to its ends."""

_ERROR_LINE = re.compile(r"([^\W\d][\w.$]*)(?::|$)")


def clean(value: bytes | str | None, limit: int) -> str:
    """Text without NUL and lone surrogates, at most ``limit`` characters."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value[: 4 * limit].decode("utf-8", "replace")
    else:
        value = value[:limit].encode("utf-8", "replace").decode("utf-8")
    return value.replace("\0", "")[:limit]


def job_id_of(raw: bytes) -> JobId:
    """The id as text; one that is not valid text is shown with escapes, and names no job."""
    return JobId(raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00"))


def is_plain_id(raw: bytes) -> bool:
    """Whether the id, as text, still names the job."""
    return job_id_of(raw).encode() == raw


def cut_middle(text: str, limit: int) -> str:
    """At most ``limit`` characters: the beginning, a mark, the end."""
    if len(text) <= limit:
        return text
    mark = f"\n… {len(text) - limit} characters left out …\n"
    head = (limit - len(mark)) * 3 // 4
    return text[:head] + mark + text[len(text) - (limit - len(mark) - head) :]


def whole(value: bytes | None) -> int | None:
    """A whole number that is written as one, else None."""
    try:
        return None if value is None or len(value) > 32 else int(value)
    except ValueError:
        return None


def attempts_of(value: bytes | None) -> int:
    """How often a job was tried, as a number that any store takes."""
    return max(0, min(whole(value) or 0, 2**31 - 1))


def time_of(value: bytes | None) -> datetime | None:
    """The time of a millisecond field; None where it holds no time."""
    millis = whole(value)
    return from_millis(millis) if millis and 0 < millis <= LAST_MILLIS else None


def finish_time(score: bytes) -> datetime:
    """The time of a finished set's score, moved into the calendar; the scripts do the same."""
    millis = float(score)
    if math.isnan(millis):
        return from_millis(0)
    return from_millis(math.floor(max(0, min(LAST_MILLIS, millis))))


def json_value(text: bytes | None) -> tuple[bool, Any]:
    """Whether the text is JSON, and its value; None where it is not."""
    try:
        return (False, None) if text is None else (True, json.loads(text))
    except (ValueError, RecursionError):
        return False, None


def json_or_none(text: bytes | None) -> Any:
    """The value of a JSON text; None for null and for text that is none."""
    return json_value(text)[1]


def last_stack(field: bytes | None, *, plain: bool) -> str:
    """The newest stack trace of a job's ``stacktrace`` field, cut to its limit."""
    if not field:
        return ""
    traces = None if plain else json_or_none(field)
    if isinstance(traces, list):
        text = next((trace for trace in reversed(traces) if isinstance(trace, str)), "")
    else:
        text = field.decode("utf-8", "replace")
    return cut_middle(clean(text, len(text)), STACK_LIMIT)


def error_type_of(stack: str) -> str:
    """The error's class, from the first line of a JavaScript stack or the end of a Python one."""
    lines = stack.splitlines()
    if lines and lines[0].startswith("Traceback (most recent call last)"):
        frames = [at for at, line in enumerate(lines) if line.startswith("  File ")]
        after = lines[frames[-1] + 1 :] if frames else lines[1:]
        lines = [line for line in after if line and not line[0].isspace()]
    match = _ERROR_LINE.match(lines[0]) if lines else None
    return match[1][:TYPE_LIMIT] if match else "Error"
