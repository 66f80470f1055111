"""What is wrong with a request's fields: which one, what was given, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from redrive import wire

_IN_ADDRESS = ("query", "path")
_QUOTED = re.compile(r"'([^']*)'")
_TOLD = re.compile(r"^([a-z_.]+): (.*)$", re.DOTALL)
"""What a check over several fields says: of which one, and what is wrong with it."""

_LONGEST = 100
_WORDS = {
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a number",
    "string_too_short": "must not be empty",
    "string_too_long": "must not be longer than {max_length} characters",
    "too_long": "must not have more than {max_length} values",
    "string_pattern_mismatch": "must not contain control characters",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "datetime_type": "must be a time such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "must be a time such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-01-31T12:00:00Z",
    "timezone_aware": "must have a time zone, as 2026-01-31T12:00:00Z has",
}
"""What a validator finds wrong, by its own name for that; what is not here is said by itself."""


def field_problems(errors: Sequence[Mapping[str, Any]]) -> list[wire.FieldProblem]:
    """A validator's errors, one per field. Of an address it is told what was given; what stands
    in a body may be a password."""
    fields: dict[str, list[Mapping[str, Any]]] = {}
    for error in errors:
        fields.setdefault(_place(error["loc"]), []).append(error)
    return [_problem(field, found) for field, found in fields.items()]


def _problem(field: str, found: Sequence[Mapping[str, Any]]) -> wire.FieldProblem:
    first = found[0]
    given = first.get("input") if first["loc"][0] in _IN_ADDRESS else None
    allowed = [word for error in found for word in _allowed(error)]
    if first.get("type") == "extra_forbidden":
        message = "there is no such field here"
    elif allowed:
        message = f"allowed is: {', '.join(allowed)}"
    else:
        message = _said(first)
    if first.get("type") == "value_error" and (told := _TOLD.match(message)):
        field, message = f"{field}.{told[1]}", told[2]
    return wire.FieldProblem(
        field=_showable(field),
        message=_showable(message),
        given=_showable(str(given)[:_LONGEST]) if isinstance(given, str) else None,
        allowed=allowed or None,
    )


def _said(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if error.get("type") == "value_error":
        return str(context["error"])
    words = _WORDS.get(error.get("type", ""))
    return str(error["msg"]) if words is None else words.format(**context)


def _allowed(error: Mapping[str, Any]) -> list[str]:
    """The values of a closed set."""
    if error.get("type") not in ("enum", "literal_error"):
        return []
    return _QUOTED.findall(str(error.get("ctx", {}).get("expected", "")))


def _place(location: Sequence[int | str]) -> str:
    """Where it stands; in an address without the validator's own names for its branches."""
    parts = location[:2] if location[0] in _IN_ADDRESS else location
    return ".".join(str(part) for part in parts)


def _showable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
