"""JSON text laid out for reading, with every number and every key as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

LONGEST_STRING = 240
MOST_LINES = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of a line: ``key``, ``string``, ``number``, ``literal``, ``mark`` or ``long``, a
    string of so many ``characters`` that is folded."""

    kind: str
    text: str
    characters: int = 0


Line = tuple[int, list[Part]]
"""Depth, and what stands there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonView:
    """``problem`` says why the text is shown as it is, in place of lines."""

    lines: list[Line]
    raw: str
    problem: str | None = None
    cut: bool = False


class _Number(str):
    """A number's own text: no digit is lost, whatever its size."""

    __slots__ = ()


class _Members(list[tuple[str, Any]]):
    """An object with its members in order, doubled keys included."""


def lay_out(text: str) -> JsonView:
    """Text that is not JSON, or is nested too deep to be read, is shown as it is."""
    try:
        value = json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
            object_pairs_hook=_Members,
        )
        lines = list(islice(_lines(value, 0, [], ""), MOST_LINES + 1))
    except ValueError:
        return JsonView(lines=[], raw=text, problem="This is not valid JSON; shown as it is.")
    except RecursionError:
        return JsonView(lines=[], raw=text, problem="Nested too deep; shown as it is.")
    return JsonView(lines=lines[:MOST_LINES], raw=text, cut=len(lines) > MOST_LINES)


def _lines(value: Any, depth: int, before: list[Part], after: str) -> Iterator[Line]:
    """The lines of a value; ``before`` stands in front of the first, ``after`` behind the last."""
    if isinstance(value, _Members) and value:
        yield depth, [*before, _mark("{")]
        for at, (key, member) in enumerate(value):
            name = [Part(kind="key", text=_quoted(key)), _mark(": ")]
            yield from _lines(member, depth + 1, name, "," if at + 1 < len(value) else "")
        yield depth, [_mark("}" + after)]
    elif isinstance(value, list) and value and not isinstance(value, _Members):
        yield depth, [*before, _mark("[")]
        for at, member in enumerate(value):
            yield from _lines(member, depth + 1, [], "," if at + 1 < len(value) else "")
        yield depth, [_mark("]" + after)]
    else:
        end = [_mark(after)] if after else []
        yield depth, [*before, _plain(value), *end]


def _plain(value: Any) -> Part:
    """A value without members."""
    if isinstance(value, _Number):
        return Part(kind="number", text=str(value))
    if isinstance(value, str):
        kind = "long" if len(value) > LONGEST_STRING else "string"
        return Part(kind=kind, text=_quoted(value), characters=len(value))
    if isinstance(value, list):
        return _mark("{}" if isinstance(value, _Members) else "[]")
    return Part(kind="literal", text=json.dumps(value))


def _mark(text: str) -> Part:
    return Part(kind="mark", text=text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
