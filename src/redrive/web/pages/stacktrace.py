"""A stack trace taken apart: the team's own frames before those of libraries."""

from __future__ import annotations

from dataclasses import dataclass

from redrive.fingerprint import calls_of

MOST_FRAMES = 200

_SHORT = 3
_NAMELESS = "<anonymous>"


@dataclass(frozen=True, kw_only=True, slots=True)
class StackFrame:
    """``number`` is its place in the trace as it came, from 1; ``code`` the line it shows."""

    number: int
    name: str
    place: str
    code: str
    is_own: bool

    @property
    def short_place(self) -> str:
        """The end of the place, which says enough."""
        parts = self.place.split("/")
        return self.place if len(parts) <= _SHORT else "/".join(("…", *parts[-_SHORT:]))


@dataclass(frozen=True, kw_only=True, slots=True)
class StackTrace:
    """``more`` frames were left out."""

    own: list[StackFrame]
    library: list[StackFrame]
    more: int
    raw: str


def take_apart(raw: str) -> StackTrace:
    """A trace as its fingerprint reads it: of any runtime that is known there, and own or of a
    library by the same rules."""
    frames = [
        StackFrame(
            number=number,
            name="" if call.frame.function == _NAMELESS else call.frame.function,
            place=call.frame.place,
            code=call.code,
            is_own=call.frame.is_own,
        )
        for number, call in enumerate(calls_of(raw), 1)
    ]
    shown = frames[:MOST_FRAMES]
    return StackTrace(
        own=[frame for frame in shown if frame.is_own],
        library=[frame for frame in shown if not frame.is_own],
        more=len(frames) - len(shown),
        raw=raw,
    )
