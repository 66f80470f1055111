"""How far behind its queues the ledger is, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redrive.domain import QueueCounts
from redrive.standing import FollowerLag
from redrive.web.pages.formats import duration
from redrive.web.pages.frame import is_late


@dataclass(frozen=True, kw_only=True, slots=True)
class Following:
    """``value`` is the lag or a word in its place; ``note`` says what that means."""

    source: str
    value: str
    note: str
    is_late: bool

    @property
    def said(self) -> str:
        """``4 s behind the queues``, ``unknown: the queue system does not answer``."""
        return f"{self.value}{' ' if self.note == _BEHIND else ': '}{self.note}"


_BEHIND = "behind the queues"


def following_of(follower: FollowerLag, queues: Sequence[QueueCounts] | None) -> Following:
    """``queues`` as they were just read, None where a queue system did not answer: of a source
    that cannot be reached, an earlier report says nothing about now."""
    value, note = _words(follower, queues)
    late = is_late(follower) or value == "unknown"
    return Following(source=follower.source, value=value, note=note, is_late=late)


def _words(follower: FollowerLag, queues: Sequence[QueueCounts] | None) -> tuple[str, str]:
    if not follower.is_known:
        return "unknown", "Redrive's Redis does not answer"
    if queues is None or any(one.source == follower.source and _is_away(one) for one in queues):
        return "unknown", "the queue system does not answer"
    if follower.lag_seconds is None:
        return "silent", "no report within an hour"
    return duration(follower.lag_seconds), _BEHIND


def _is_away(queue: QueueCounts) -> bool:
    return queue.problem is not None and not queue.counts
