"""A stack trace taken apart: the team's own frames before those of libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_FRAMES = 200

_NODE_FRAME = re.compile(
    r"^\s*at (?:(?P<name>.+?) \()?"
    r"(?P<place>[^()]+?:\d+(?::\d+)?|native|<anonymous>)\)?\s*$"
)
_PYTHON_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_OTHER_FRAME = re.compile(r"^\s+at (?P<name>\S.*)$")
_LIBRARY = re.compile(
    r"node_modules|node:|internal/|site-packages|dist-packages|/lib(?:64)?/python"
    r"|<frozen |<anonymous>|^native$"
)
_SHORT = 3
_LONGEST_FRAME = 1000
"""Characters; matching a longer line would cost its square."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StackFrame:
    """``number`` is its place in the trace as it came, from 1; ``code`` the line it shows."""

    number: int
    name: str
    place: str
    code: str

    @property
    def short_place(self) -> str:
        """The end of the place, which says enough."""
        parts = self.place.split("/")
        return self.place if len(parts) <= _SHORT else "/".join(("…", *parts[-_SHORT:]))

    @property
    def is_own(self) -> bool:
        return not _LIBRARY.search(self.place or self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class StackTrace:
    """``message`` is what stands around the frames; ``more`` frames were left out."""

    message: str
    own: list[StackFrame]
    library: list[StackFrame]
    more: int
    raw: str


def take_apart(raw: str) -> StackTrace:
    """Node.js and Python traces; lines of any other kind are part of the message."""
    message: list[str] = []
    frames: list[StackFrame] = []
    for line in raw.splitlines():
        frame = _frame(line, len(frames) + 1)
        if frame is not None:
            frames.append(frame)
        elif frames and _continues(frames[-1], line):
            last = frames[-1]
            frames[-1] = StackFrame(
                number=last.number, name=last.name, place=last.place, code=line.strip()
            )
        else:
            message.append(line)
    shown = frames[:MOST_FRAMES]
    return StackTrace(
        message="\n".join(message).strip(),
        own=[frame for frame in shown if frame.is_own],
        library=[frame for frame in shown if not frame.is_own],
        more=len(frames) - len(shown),
        raw=raw,
    )


def _frame(line: str, number: int) -> StackFrame | None:
    if len(line) > _LONGEST_FRAME:
        return None
    if found := _PYTHON_FRAME.match(line):
        place = f"{found['file']}:{found['line']}"
        return StackFrame(number=number, name=found["name"] or "", place=place, code="")
    if found := _NODE_FRAME.match(line):
        return StackFrame(number=number, name=found["name"] or "", place=found["place"], code="")
    if found := _OTHER_FRAME.match(line):
        return StackFrame(number=number, name=found["name"], place="", code="")
    return None


def _continues(frame: StackFrame, line: str) -> bool:
    """Python writes a frame's source on the line below it, indented further."""
    return not frame.code and line.startswith("    ") and bool(line.strip())
