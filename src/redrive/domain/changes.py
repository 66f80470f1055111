"""What an action changed, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 120


def changed_in_words(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """What is not as it was: ``state running → completed, rate 5 → none``; empty if nothing is."""
    was, now = before or {}, after or {}
    return ", ".join(
        f"{name} {_in_words(was[name])} → {_in_words(value)}"
        if name in was
        else f"{name} {_in_words(value)}"
        for name, value in now.items()
        if name not in was or was[name] != value
    )


def _in_words(value: Any) -> str:
    """A long text is cut: the row has the whole of it."""
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case Mapping():
            return " ".join(f"{name} {_in_words(one)}" for name, one in value.items())
        case _:
            said = " ".join(str(value).split())
            return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
