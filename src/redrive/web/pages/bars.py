"""Split bars: parts of a whole, in percent, for SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redrive.domain import Operation, OperationKind
from redrive.web.pages.words import waiting_outcomes


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """``start`` and ``width`` are percents of the bar."""

    tone: str
    label: str
    count: int
    start: float
    width: float


def progress(operation: Operation) -> list[Segment]:
    """What was done with the selection so far."""
    done = ("moved", "moved", operation.requeued)
    if operation.kind is OperationKind.DISMISS:
        done = ("dismissed", "dismissed", operation.dismissed)
    return _segments(
        operation.total,
        [
            done,
            ("skipped", "skipped", operation.skipped),
            ("errors", "errors", operation.errored),
        ],
    )


def outcomes(operation: Operation) -> list[Segment]:
    """What became of the jobs that were moved."""
    return _segments(
        operation.requeued,
        [
            ("recovered", "recovered", operation.recovered),
            ("errors", "failed the same way", operation.failed_same),
            ("different", "failed differently", operation.failed_again - operation.failed_same),
            ("skipped", "vanished", operation.vanished),
            ("waiting", "still waiting", waiting_outcomes(operation)),
        ],
    )


def share(part: int, largest: int) -> float:
    """The width of a bar that is compared with the largest one."""
    return round(100 * part / largest, 2) if largest > 0 else 0.0


def _segments(total: int, parts: Sequence[tuple[str, str, int]]) -> list[Segment]:
    segments: list[Segment] = []
    start = 0.0
    for tone, label, count in parts:
        width = round(min(100 * count / total, 100 - start), 3) if total else 0.0
        segments.append(Segment(tone=tone, label=label, count=count, start=start, width=width))
        start = round(start + width, 3)
    return segments
