"""The fingerprint of a failure: what all failures of one cause share, and no others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from redrive.fingerprint.lines import Frame
from redrive.fingerprint.message import codes_of, normalise, shape_of
from redrive.fingerprint.trace import own_calls, read_trace

VERSION = 1
"""Raised with every change that gives a known failure another key.

Keys hold it, so those of two versions never meet. A new version re-attaches old groups by computing
the fingerprints of the stored entries again, under both versions: the group of the new key takes
over the notes and the history of the old group that most of its entries had.
"""
MOST_FRAMES = 12
"""Own calls of one error that count, from the innermost on."""
LONGEST_TITLE = 200


class Basis(StrEnum):
    """What told a failure from others."""

    FRAMES = "frames"
    """The own frames of the stack trace."""
    MESSAGE = "message"
    """The message, where there are no own frames."""
    LIBRARY = "library"
    """The other frames, where there is no message either."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """``key`` names the group, opaque and the same in every process.

    ``title`` is the message's first line with everything that varies replaced, or the type.
    ``frames`` are those that count, innermost first.
    """

    version: int
    key: str
    basis: Basis
    title: str
    frames: tuple[Frame, ...]


def fingerprint(
    source: str, queue: str, job_name: str, error_type: str, error_message: str, stacktrace: str
) -> Fingerprint:
    """The group of a failure; deterministic, for any text.

    What counts: source, queue and job name; the error's type; then, for each error of the chain,
    its own frames, with the types of the errors that it was raised from, and the codes of the
    message (HTTP status, ``ECONNREFUSED``, ``Errno``, SQLSTATE). Without own frames it is the
    normalised message.
    """
    told = (source, queue, job_name, error_type, error_message, stacktrace)
    basis, frames, key = _identity(*told)
    words = normalise(error_message)
    return Fingerprint(
        version=VERSION,
        key=key,
        basis=basis,
        title=(words[0] if words else error_type)[:LONGEST_TITLE],
        frames=frames,
    )


def key_of(
    source: str, queue: str, job_name: str, error_type: str, error_message: str, stacktrace: str
) -> str:
    """The key of the fingerprint alone, which takes a fraction of the time where there are own
    frames: their failures need no title."""
    return _identity(source, queue, job_name, error_type, error_message, stacktrace)[2]


def _identity(
    source: str, queue: str, job_name: str, error_type: str, error_message: str, stacktrace: str
) -> tuple[Basis, tuple[Frame, ...], str]:
    sections = read_trace(stacktrace)
    own = [own_calls(section.frames, MOST_FRAMES) for section in sections]
    frames = tuple(frame for calls in own for frame in calls)
    told: list[object]
    if frames:
        basis = Basis.FRAMES
        chain = [section.error_type for section in sections[1:]]
        told = [codes_of(error_message), chain, [[str(call) for call in calls] for calls in own]]
    elif (words := normalise(error_message)) or not sections:
        basis = Basis.MESSAGE
        told = [shape_of(words)]
    else:
        basis = Basis.LIBRARY
        frames = sections[0].frames[:MOST_FRAMES]
        told = [[str(frame) for frame in frames]]
    return basis, frames, _key(source, queue, job_name, error_type, basis, *told)


def _key(*parts: object) -> str:
    """``grp_<version>_<hash>``; JSON keeps the parts apart and writes any text in ASCII."""
    digest = hashlib.sha256(json.dumps([VERSION, *parts]).encode("ascii")).hexdigest()
    return f"grp_{VERSION}_{digest[:24]}"
