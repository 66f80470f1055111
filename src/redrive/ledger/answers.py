"""What an engine's answer about a job means for its item and its entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from redrive.domain import Answer, EntryState, ItemState, Operation


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What an answer means for the item and, if nothing came early, for the entry."""

    item: ItemState
    count: str
    entry: EntryState | None  # None: the state before the claim
    note: str = ""


def meaning_of(answer: Answer) -> Meaning:
    match answer:
        case Answer.REQUEUED | Answer.RECREATED:
            return Meaning(item=ItemState.REQUEUED, count="requeued", entry=EntryState.QUEUED)
        case Answer.ALREADY_LIVE:
            return Meaning(
                item=ItemState.SKIPPED,
                count="skipped",
                entry=EntryState.QUEUED,
                note="was in its queue already",
            )
        case Answer.SUPERSEDED:
            return Meaning(item=ItemState.SKIPPED, count="skipped", entry=EntryState.FAILED)
        case Answer.NOT_FAILED:
            return Meaning(
                item=ItemState.SKIPPED,
                count="skipped",
                entry=EntryState.RECOVERED,
                note="completed elsewhere",
            )
        case Answer.MISSING:
            return Meaning(
                item=ItemState.SKIPPED,
                count="skipped",
                entry=EntryState.VANISHED,
                note="its queue does not know the job any more",
            )
        case Answer.ERROR:
            return Meaning(item=ItemState.ERRORED, count="errored", entry=None)
        case Answer.DISMISSED:
            return Meaning(item=ItemState.DISMISSED, count="dismissed", entry=EntryState.DISMISSED)
        case Answer.WITHHELD:
            return Meaning(item=ItemState.RELEASED, count="released", entry=None)
        case _:
            assert_never(answer)


def note_of(operation: Operation, answer: Answer) -> str:
    """What an entry says of its new state."""
    if answer is not Answer.DISMISSED:
        return meaning_of(answer).note
    why = f": {operation.reason}" if operation.reason else ""
    return f"dismissed by {operation.actor}{why}"
