"""What is said of an operation that was started, or that stands in the way of another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from redrive.domain import Actor, Operation, OperationState, ReasonCount
from redrive.web.pages.formats import ago, counted, number, percent
from redrive.web.pages.words import outcome_said, title_of, what_happened


def started(
    operation: Operation, reasons: Sequence[ReasonCount], *, new: bool, asked: int, now: datetime
) -> str:
    """How far an operation is that this action, or an earlier click, has started; ``asked`` is
    the count that the operator was shown."""
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
        f"{ago(running.created_at, now)}, is at {percent(running.completed, running.total)} "
        "and takes these entries."
    )


def _standing(operation: Operation, reasons: Sequence[ReasonCount]) -> str:
    if operation.state.terminal:
        return f"{what_happened(operation, reasons)} {outcome_said(operation)}".strip()
    if operation.state is OperationState.QUEUED:
        return "It waits for a runner; none is moved yet. Failures from now on are not among them."
    moved = f"{number(operation.requeued)} of {number(operation.total)} moved so far"
    return f"Moving now: {moved}. Failures from now on are not among them."


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]
