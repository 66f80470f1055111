"""An entry's life in order: added, failed, moved, recovered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from redrive.domain import Entry, EntryDetail, EntryState, Item, ItemState, OperationId
from redrive.web.pages.words import ITEM_WORDS, OUTCOME_WORDS, REASON_WORDS, tone


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    at: datetime
    title: str
    detail: str
    tone: str
    operation_id: OperationId | None = None


def timeline_of(detail: EntryDetail) -> list[Moment]:
    """Everything that is known to have happened, newest first.

    Of what has the same time, what comes of the other stands above it.
    """
    items = [_of_item(item) for item in reversed(detail.history)]
    entry = detail.entry
    moments = [*_until_failed(entry), *items, *_recovered(entry)]
    return sorted(moments, key=lambda moment: moment.at)[::-1]


def _until_failed(entry: Entry) -> Iterator[Moment]:
    if entry.created_at is not None:
        yield Moment(at=entry.created_at, title="Added to its queue", detail="", tone="quiet")
    if entry.first_failed_at != entry.failed_at:
        yield Moment(at=entry.first_failed_at, title="First failure", detail="", tone="danger")
    attempts = f"after {entry.attempts_made} attempts" if entry.attempts_made > 1 else ""
    title = "Failed" if entry.failures <= 1 else f"Failed (failure {entry.failures})"
    yield Moment(at=entry.failed_at, title=title, detail=attempts, tone="danger")


def _recovered(entry: Entry) -> Iterator[Moment]:
    if entry.recovered_at is not None:
        recovered = entry.state is EntryState.RECOVERED
        title = "Recovered" if recovered else "Recovered, before it failed again"
        yield Moment(at=entry.recovered_at, title=title, detail="", tone="ok")


def _of_item(item: Item) -> Moment:
    """What an operation did with the entry, and what came of it."""
    said = "" if item.reason is None else REASON_WORDS[item.reason]
    if item.detail:
        said = f"{said}: {item.detail}" if said else item.detail
    if item.outcome is not None:
        said = f"{said}; {OUTCOME_WORDS[item.outcome]}"
    title = ITEM_WORDS[item.state].capitalize()
    if item.state is ItemState.CLAIMED:
        title = "Taken by an operation"
    return Moment(
        at=item.settled_at or item.failed_at,
        title=title,
        detail=said,
        tone=tone(item.state if item.outcome is None else item.outcome),
        operation_id=item.operation_id,
    )
