"""What is said of an operation that was started, or that stands in the way of another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from redrive.domain import Actor, Operation, ReasonCount
from redrive.web.pages.formats import ago, counted, number
from redrive.web.pages.words import title_of, what_happened


def started(
    operation: Operation, reasons: Sequence[ReasonCount], *, new: bool, asked: int, now: datetime
) -> str:
    """What came of an operation that this action, or an earlier click, has started; ``asked`` is
    the count that the operator was shown. How far it is, its page shows: a message stays."""
    entries = counted(operation.total, "entry", "entries")
    then = "" if operation.total == asked else f" ({number(asked)} when asked)"
    begun = f"Started: {entries} of {operation.scope}{then}"
    if not new:
        begun = f"Nothing new was started: you have started this {ago(operation.created_at, now)}"
    return f"{begun}. {_standing(operation, reasons)}"


def in_the_way(running: Operation, actor: Actor, now: datetime) -> str:
    """Why nothing was started: who is doing what to these entries, since when."""
    whose = "your" if running.actor == actor.name else f"{running.actor}'s"
    return (
        f"Nothing new was started: {whose} {_lowered(title_of(running))}, started "
        f"{ago(running.created_at, now)}, takes these entries."
    )


def _standing(operation: Operation, reasons: Sequence[ReasonCount]) -> str:
    if operation.state.terminal:
        return what_happened(operation, reasons)
    return "Failures from now on are not among them."


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]
