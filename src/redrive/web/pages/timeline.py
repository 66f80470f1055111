"""An entry's story: added, failed, retried by whom, failed again the same way, recovered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    What comes of the other stands above it, whatever the clocks say: a fast worker may have failed
    before the ledger has noted that the job was put back.
    """
    entry, chapters = detail.entry, detail.story[::-1]
    times = _failure_times(entry, chapters)
    recovery = _last_recovery(entry, chapters, times)
    moments = [*_added(entry)]
    for at, following in zip(times, [*times[1:], None], strict=True):
        moments.append(_failure(entry, at, chapters))
        for chapter in chapters:
            if chapter.item.failed_at == at:
                moments.append(_of_chapter(chapter, following, chapter is recovery))
                moments += _recovered(entry) if chapter is recovery else ()
    if recovery is None:
        moments = _inserted(moments, _recovered(entry))
    return moments[::-1]


def _added(entry: Entry) -> Iterator[Moment]:
    if entry.created_at is not None:
        yield Moment(at=entry.created_at, title="Added to its queue", detail="", tone="quiet")


def _failure_times(entry: Entry, chapters: Sequence[Chapter]) -> list[datetime]:
    """When it failed first, the failures that were handed over, and the newest one."""
    handed = {chapter.item.failed_at for chapter in chapters}
    return sorted({entry.first_failed_at, entry.failed_at} | handed)


def _failure(entry: Entry, at: datetime, chapters: Sequence[Chapter]) -> Moment:
    told = []
    if at == entry.failed_at and entry.failures > 1:
        told.append(f"failure {entry.failures} in all")
    if at == entry.failed_at and entry.attempts_made > 1:
        told.append(f"after {entry.attempts_made} attempts")
    title = _how_it_failed(at, chapters)
    return Moment(at=at, title=title, detail=", ".join(told), tone="danger")


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


def _inserted(moments: list[Moment], more: Iterable[Moment]) -> list[Moment]:
    """With ``more`` where their times belong."""
    for one in more:
        earlier = sum(1 for moment in moments if moment.at <= one.at)
        moments = [*moments[:earlier], one, *moments[earlier:]]
    return moments


def _of_chapter(chapter: Chapter, following: datetime | None, recovered_last: bool) -> Moment:
    """What an operation did with the entry, and what came of it unless that is told apart: it is
    the ``following`` failure, or the entry's last recovery."""
    item = chapter.item
    at = item.settled_at or chapter.started_at
    failed_again = item.outcome is Outcome.FAILED_AGAIN and following is not None
    if failed_again and following is not None:
        at = min(at, following)
    is_told_apart = failed_again or recovered_last
    said = []
    if item.reason is not None and item.reason not in _UNSAID:
        said.append(REASON_WORDS[item.reason])
    if item.detail:
        said.append(item.detail)
    if item.outcome is not None and not is_told_apart:
        said.append(OUTCOME_WORDS[item.outcome])
    return Moment(
        at=at,
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


def _last_recovery(
    entry: Entry, chapters: Sequence[Chapter], times: Sequence[datetime]
) -> Chapter | None:
    """The operation that led to the entry's last recovery; of earlier ones the time is not known.
    None where the job was run elsewhere."""
    led = [one for one in chapters if one.item.outcome is Outcome.RECOVERED][-1:]
    if not led or entry.recovered_at is None:
        return None
    later = [at for at in times if at > led[0].item.failed_at]
    return led[0] if not later or entry.recovered_at <= later[0] else None
