"""What is said of an operation that was started, or that stands in the way of another.

It stays on the operation's page while that goes on, so that it speaks of nothing that changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from redrive.domain import NO_CONTROLS, Actor, Operation, OperationState, Plan, ReasonCount
from redrive.web.pages.formats import ago, counted, number
from redrive.web.pages.limits import controls_said
from redrive.web.pages.naming import Titles, scope_words, title_of
from redrive.web.pages.words import left_out, what_happened

_SAID_OTHERWISE = ("repeated", "overlap")
"""Warnings of a plan that the entries left out, and what is in the way, are said by."""


def started(
    operation: Operation,
    reasons: Sequence[ReasonCount],
    titles: Titles,
    *,
    new: bool,
    asked: int,
    now: datetime,
) -> str:
    """What this action, or an earlier click, has started; ``asked`` is the count that the operator
    was shown. Of an operation that has ended already, what became of it."""
    then = "" if operation.total == asked else f" ({number(asked)} when asked)"
    begun = f"Started: {_what(operation, titles)}{then}"
    if not new:
        begun = f"Nothing new was started: you have started this {ago(operation.created_at, now)}"
    if operation.state.terminal:
        return f"{begun}. {what_happened(operation, reasons)}"
    if operation.state is OperationState.PAUSED:
        return f"{begun}. It is paused: {operation.pause_reason}."
    return f"{begun}. Failures from then on are not among them."


def started_at_once(
    operation: Operation, plan: Plan, titles: Titles, *, asked: int, now: datetime
) -> str:
    """What was started from a plan that nobody has seen, with what that would have told."""
    expected = operation.total + sum(one.entries for one in plan.left_out)
    shown = operation.total if expected == asked else asked
    said = [started(operation, [], titles, new=True, asked=shown, now=now), *_left_out(plan)]
    if operation.controls != NO_CONTROLS:
        said.append(f"It was started with {controls_said(operation.controls)}.")
    said += [one.message for one in plan.warnings if one.code not in _SAID_OTHERWISE]
    said.append(
        "While it goes on it can be cancelled, and what no worker has started can be taken back."
    )
    return " ".join(said)


def nothing_selected(plan: Plan) -> str:
    """Why nothing was started from a plan that selects nothing."""
    why = _left_out(plan) or ["No entry that can be taken is left."]
    return " ".join(["Nothing was started.", *why])


def _left_out(plan: Plan) -> list[str]:
    return [
        f"{counted(one.entries, 'entry was', 'entries were')} left out: {left_out(one.reason)}."
        for one in plan.left_out
    ]


def _what(operation: Operation, titles: Titles) -> str:
    """``412 entries of app acme``, ``3 entries chosen by hand``."""
    scope = scope_words(operation, titles)
    entries = counted(operation.total, "entry", "entries")
    return scope if scope.startswith(entries) else f"{entries} of {scope}"


def in_the_way(running: Operation, titles: Titles, actor: Actor, now: datetime) -> str:
    """Why nothing was started: who is doing what to these entries, since when."""
    whose = "your" if running.actor == actor.name else f"{running.actor}'s"
    return (
        f"Nothing new was started: {whose} {_lowered(title_of(running, titles))}, started "
        f"{ago(running.created_at, now)}, had these entries already."
    )


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]
