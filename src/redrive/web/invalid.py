"""What is wrong with a request's fields: which one, what was given, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from redrive import wire

_IN_ADDRESS = ("query", "path")
_QUOTED = re.compile(r"'([^']*)'")
_LONGEST = 100


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
        message = str(first["msg"])
    return wire.FieldProblem(
        field=_showable(field),
        message=_showable(message),
        given=_showable(str(given)[:_LONGEST]) if isinstance(given, str) else None,
        allowed=allowed or None,
    )


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
