"""Stack traces of any runtime, as the errors that they chain and the frames of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from redrive.fingerprint.lines import (
    LONGEST_LINE,
    Frame,
    frame_of,
    go_frame,
    python_call,
    python_frame,
)

LONGEST_TRACE = 64 * 1024
"""Characters that are read: of a longer trace its first and its last half of these."""
MOST_SECTIONS = 8
"""Chained errors that are looked at, the raised one first."""

_PYTHON_START = "Traceback (most recent call last):"
_CAUSES = ("[cause]:", "Caused by:", "[errors]:")
_ERROR_NAME = re.compile(r"(?>(?:Uncaught |\[)?)([^\W\d][\w.$]*+)(?>(?: \[\w++\])?)(?::|\Z|\])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One error of a chain. ``error_type`` is empty where the trace does not tell it."""

    error_type: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A frame for reading; ``code`` is the line that it shows, where the trace has it."""

    frame: Frame
    code: str


@dataclass(slots=True)
class _Open:
    """A section while its lines are read; ``python`` ones are written with the raise last."""

    python: bool = False
    error_type: str = ""
    frames: list[Frame] = field(default_factory=list)

    def closed(self) -> Section:
        frames = reversed(self.frames) if self.python else self.frames
        return Section(error_type=self.error_type.rpartition(".")[2], frames=tuple(frames))


def read_trace(raw: str) -> list[Section]:
    """The raised error first, then what it was raised from; each with its innermost call first.

    Python writes the first error of a chain first, everybody else the last one: the sections are
    brought into one order. The members of an ExceptionGroup come last, each once and sorted: the
    order in which they happened says nothing. Lines of no known form are passed over; a trace
    without frames may give sections without frames, or none.
    """
    sections: list[_Open] = [_Open()]
    members: list[_Open] = []
    lines = [
        line for line in _capped(raw).splitlines() if line.strip() and len(line) <= LONGEST_LINE
    ]
    for line, following in pairwise([*lines, ""]):
        body, in_group = _body(line)
        if body.endswith(_PYTHON_START):
            is_member = line.lstrip(" ").startswith("|")
            (members if is_member else sections).append(_Open(python=True))
            continue
        latest = members[-1] if members and in_group else sections[-1]
        if latest.python:
            _take_python(latest, body)
        else:
            _take_other(sections, line.strip(), following.strip())
    ordered = [section for section in sections if section.error_type or section.frames]
    if any(section.python for section in ordered):
        ordered.reverse()
    together = sorted({section.closed() for section in members}, key=repr)
    return [*(section.closed() for section in ordered), *together][:MOST_SECTIONS]


def calls_of(raw: str) -> list[Call]:
    """Every frame of a trace in the order in which it came, comprehensions and repeats too.

    Python writes a frame's source on the line below it.
    """
    calls: list[Call] = []
    lines = [line for line in raw.splitlines() if len(line) <= LONGEST_LINE]
    below_python = False
    for line, following in pairwise([*lines, ""]):
        bare = _body(line)[0].strip()
        python = python_call(bare)
        frame = python or go_frame(bare, following.strip()) or frame_of(bare)
        if frame is not None:
            calls.append(Call(frame=frame, code=""))
        elif below_python and bare:
            calls[-1] = Call(frame=calls[-1].frame, code=bare)
        below_python = python is not None
    return calls


def own_calls(frames: Iterable[Frame], most: int) -> list[Frame]:
    """The team's own frames, each once; a recursion ends them.

    How deep a recursion went, and so what is seen of its callers, depends on the data.
    """
    calls: list[Frame] = []
    for frame in frames:
        if not frame.is_own:
            continue
        if frame in calls or len(calls) == most:
            break
        calls.append(frame)
    return calls


def _body(line: str) -> tuple[str, bool]:
    """A line without what Python draws around the exceptions of a group, and whether it did."""
    stripped = line.lstrip(" ")
    if stripped[:1] not in ("|", "+"):
        return line, False
    return stripped[1:].removeprefix(" "), True


def _take_python(section: _Open, body: str) -> None:
    if frame := python_frame(body.lstrip()):
        section.frames.append(frame)
    elif not section.error_type and not body[:1].isspace():
        found = _ERROR_NAME.match(body)
        section.error_type = found[1] if found else ""


def _take_other(sections: list[_Open], bare: str, following: str) -> None:
    if bare.startswith(_CAUSES):
        found = _ERROR_NAME.match(bare.partition(":")[2].lstrip(" [\t"))
        sections.append(_Open(error_type=found[1] if found else ""))
        return
    frame = go_frame(bare, following) or frame_of(bare)
    if frame is not None:
        sections[-1].frames.append(frame)


def _capped(raw: str) -> str:
    if len(raw) <= LONGEST_TRACE:
        return raw
    return raw[: LONGEST_TRACE // 2] + "\n" + raw[-(LONGEST_TRACE // 2) :]
