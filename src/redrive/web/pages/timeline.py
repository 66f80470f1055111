"""An entry's story: added, failed, retried by whom, failed again the same way, recovered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from redrive.domain import (
    Chapter,
    Entry,
    EntryDetail,
    EntryState,
    ItemState,
    OperationId,
    Outcome,
    Reason,
)
from redrive.web.pages.words import DONE_WORDS, ITEM_WORDS, OUTCOME_WORDS, REASON_WORDS, tone

_UNSAID = (Reason.REQUEUED, Reason.DISMISSED)
"""What the title says already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """``why`` is the reason that an operator gave."""

    at: datetime
    title: str
    detail: str
    tone: str
    operation_id: OperationId | None = None
    why: str = ""


def timeline_of(detail: EntryDetail) -> list[Moment]:
    """Everything that is known to have happened, newest first.

    Of what has the same time, what comes of the other stands above it.
    """
    entry, chapters = detail.entry, detail.story[::-1]
    told_apart = [*_failed_again(entry, chapters), *_last_recovery(entry, chapters)]
    moments = [
        *_added(entry),
        *_failures(entry, chapters),
        *(_of_chapter(chapter, chapter in told_apart) for chapter in chapters),
        *_recovered(entry),
    ]
    return sorted(moments, key=lambda moment: moment.at)[::-1]


def _added(entry: Entry) -> Iterator[Moment]:
    if entry.created_at is not None:
        yield Moment(at=entry.created_at, title="Added to its queue", detail="", tone="quiet")


def _failures(entry: Entry, chapters: Sequence[Chapter]) -> Iterator[Moment]:
    """The first failure, those that were handed over, and the newest one."""
    handed = {chapter.item.failed_at for chapter in chapters}
    for at in sorted({entry.first_failed_at, entry.failed_at} | handed):
        told = []
        if at == entry.failed_at and entry.failures > 1:
            told.append(f"failure {entry.failures} in all")
        if at == entry.failed_at and entry.attempts_made > 1:
            told.append(f"after {entry.attempts_made} attempts")
        title = _how_it_failed(at, chapters)
        yield Moment(at=at, title=title, detail=", ".join(told), tone="danger")


def _how_it_failed(at: datetime, chapters: Sequence[Chapter]) -> str:
    """``Failed``; of what failed after a hand-over, how it compares with the failure before."""
    before = [chapter.item for chapter in chapters if chapter.item.failed_at < at]
    latest = max((item.failed_at for item in before), default=None)
    for item in before:
        if item.failed_at == latest and item.outcome is Outcome.FAILED_AGAIN:
            if item.same_way is None:
                return "Failed again"
            return "Failed again the same way" if item.same_way else "Failed again in another way"
    return "Failed"


def _recovered(entry: Entry) -> Iterator[Moment]:
    if entry.recovered_at is not None:
        recovered = entry.state is EntryState.RECOVERED
        title = "Recovered" if recovered else "Recovered, before it failed again"
        yield Moment(at=entry.recovered_at, title=title, detail="", tone="ok")


def _of_chapter(chapter: Chapter, is_told_apart: bool) -> Moment:
    """What an operation did with the entry, and what came of it unless that is told apart."""
    item = chapter.item
    said = []
    if item.reason is not None and item.reason not in _UNSAID:
        said.append(REASON_WORDS[item.reason])
    if item.detail:
        said.append(item.detail)
    if item.outcome is not None and not is_told_apart:
        said.append(OUTCOME_WORDS[item.outcome])
    return Moment(
        at=item.settled_at or chapter.started_at,
        title=_title(chapter),
        detail="; ".join(said),
        tone=tone(item.state),
        operation_id=item.operation_id,
        why=chapter.why,
    )


def _title(chapter: Chapter) -> str:
    """``Retried by ada``, ``Retry by ada: skipped``."""
    if chapter.item.state in (ItemState.REQUEUED, ItemState.DISMISSED):
        return f"{DONE_WORDS[chapter.kind]} by {chapter.actor}"
    return f"{chapter.kind.capitalize()} by {chapter.actor}: {ITEM_WORDS[chapter.item.state]}"


def _failed_again(entry: Entry, chapters: Sequence[Chapter]) -> Iterator[Chapter]:
    """Those whose outcome is a failure with a moment of its own."""
    for chapter in chapters:
        item = chapter.item
        if item.outcome is Outcome.FAILED_AGAIN and item.failed_at < entry.failed_at:
            yield chapter


def _last_recovery(entry: Entry, chapters: Sequence[Chapter]) -> Sequence[Chapter]:
    """The one that ended in the entry's last recovery: of earlier ones the time is not known."""
    if entry.recovered_at is None:
        return ()
    return [one for one in chapters if one.item.outcome is Outcome.RECOVERED][-1:]
