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
    r"|\d+(?:\.\d+)?",
    re.IGNORECASE,
)
_LONGEST = 160


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """Failures whose errors differ in ids and numbers only.

    ``example`` is the newest one's message; ``fragment`` is the longest part that all of them
    share, good for finding them again.
    """

    error_type: str
    example: str
    fragment: str
    entries: int
    apps: tuple[AppId, ...]
    first_failed_at: datetime
    last_failed_at: datetime


def group_causes(samples: Iterable[FailureSample], most: int) -> list[Cause]:
    """The ``most`` frequent causes; ``samples`` come newest first."""
    groups: dict[tuple[str, str], list[FailureSample]] = {}
    for sample in samples:
        groups.setdefault((sample.error_type, _shape(sample.error_message)), []).append(sample)
    frequent = sorted(groups.items(), key=lambda group: -len(group[1]))[:most]
    return [_cause(error_type, shape, alike) for (error_type, shape), alike in frequent]


def _cause(error_type: str, shape: str, alike: list[FailureSample]) -> Cause:
    counts: dict[AppId, int] = {}
    for sample in alike:
        counts[sample.app_id] = counts.get(sample.app_id, 0) + 1
    return Cause(
        error_type=error_type,
        example=alike[0].error_message,
        fragment=max(shape.split("\0"), key=len).strip() or error_type,
        entries=len(alike),
        apps=tuple(sorted(counts, key=lambda app: (-counts[app], app))),
        first_failed_at=min(sample.failed_at for sample in alike),
        last_failed_at=max(sample.failed_at for sample in alike),
    )


def _shape(message: str) -> str:
    """The first line with NUL for whatever varies."""
    line = message.strip().split("\n", 1)[0]
    return _VARYING.sub("\0", line.replace("\0", ""))[:_LONGEST]
