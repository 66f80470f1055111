"""What failures have in common: their errors with everything that varies taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from redrive.domain import AppId, FailureSample

_VARYING = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b"
    r"|\d+(?:\.\d+)?"
    r"|[\x00-\x1f\x7f]+",
    re.IGNORECASE,
)
_LONGEST = 160


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """The failures of one type whose error holds ``fragment`` (all of the type where it is empty).

    A list that is filtered by the two shows exactly these. ``example`` is the newest one's
    message.
    """

    error_type: str
    example: str
    fragment: str
    entries: int
    apps: tuple[AppId, ...]
    last_failed_at: datetime


def group_causes(samples: Iterable[FailureSample], most: int) -> list[Cause]:
    """The ``most`` frequent causes; ``samples`` come newest first.

    Errors that differ in ids and numbers only are of one cause: what they share is its fragment.
    """
    looked_at = list(samples)
    shapes: dict[tuple[str, str], int] = {}
    for sample in looked_at:
        key = (sample.error_type, _fragment(sample.error_message))
        shapes[key] = shapes.get(key, 0) + 1
    causes: list[Cause] = []
    for error_type, fragment in sorted(shapes, key=lambda key: -shapes[key]):
        is_covered = any(
            cause.error_type == error_type and _holds(error_type, fragment, cause.fragment)
            for cause in causes
        )
        if not is_covered:
            alike = [
                sample
                for sample in looked_at
                if sample.error_type == error_type
                and _holds(error_type, sample.error_message, fragment)
            ]
            causes.append(_cause(error_type, fragment, alike))
        if len(causes) == most:
            break
    return sorted(causes, key=lambda cause: -cause.entries)


def _cause(error_type: str, fragment: str, alike: list[FailureSample]) -> Cause:
    counts: dict[AppId, int] = {}
    for sample in alike:
        counts[sample.app_id] = counts.get(sample.app_id, 0) + 1
    return Cause(
        error_type=error_type,
        example=alike[0].error_message,
        fragment=fragment,
        entries=len(alike),
        apps=tuple(sorted(counts, key=lambda app: (-counts[app], app))),
        last_failed_at=max(sample.failed_at for sample in alike),
    )


def _fragment(message: str) -> str:
    """The longest part of the first line that does not vary; empty if all of it does."""
    line = message.strip().split("\n", 1)[0]
    return max(_VARYING.sub("\0", line)[:_LONGEST].split("\0"), key=len).strip()


def _holds(error_type: str, text: str, fragment: str) -> bool:
    """Whether a search for ``fragment`` among errors of this type finds ``text``."""
    return fragment.lower() in text.lower() or fragment.lower() in error_type.lower()
