"""Which failures are the same: a fingerprint made of what does not vary between them.

Pure functions. They read texts of any size and content, never raise, and their work grows with the
length of what they read, which is capped.
"""

from __future__ import annotations

from redrive.fingerprint.identity import VERSION, Basis, Fingerprint, fingerprint, key_of
from redrive.fingerprint.lines import Frame
from redrive.fingerprint.message import normalise
from redrive.fingerprint.trace import Call, Section, calls_of, read_trace

__all__ = [
    "VERSION",
    "Basis",
    "Call",
    "Fingerprint",
    "Frame",
    "Section",
    "calls_of",
    "fingerprint",
    "key_of",
    "normalise",
    "read_trace",
]
