"""Pace, canary, guard and pause in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from redrive.domain import CanaryState, Controls, Limit, Operation
from redrive.ports import Tried
from redrive.web.pages.formats import counted, duration, number, rate

LIMIT_WORDS: Mapping[Limit, str] = {
    Limit.NONE: "nothing: it goes as fast as its queues take it",
    Limit.RATE: "the wanted rate",
    Limit.RAMP: "the ramp: it comes up to the wanted rate while things go well",
    Limit.GUARD: "the guard: it went slower, as too many have failed again",
    Limit.CANARY: "the canary: nothing else is handed over before it has passed",
    Limit.PAUSED: "the pause",
}

_BY_ITSELF = {"canary": "the canary", "guard": "the guard"}


def controls_said(controls: Controls) -> str:
    """``50 entries a second, a canary of 20 (80% within 5 min)``; ``no limits``."""
    said = []
    if controls.rate is not None:
        ramp = "" if controls.floor is None else f" (from {controls.floor:g})"
        said.append(f"{controls.rate:,g} entries a second{ramp}")
    if controls.canary is not None:
        one = controls.canary
        said.append(
            f"a canary of {one.entries:,} ({one.percent:g}% within {duration(one.seconds)})"
        )
    if controls.guard is not None:
        last = counted(controls.guard.outcomes, "outcome")
        said.append(f"a guard at {controls.guard.percent:g}% of the last {last}")
    if controls.low_priority:
        said.append("behind live traffic")
    return ", ".join(said) or "no limits"


def canary_first(controls: Controls) -> str:
    """``a canary of 20 first``; empty without one."""
    return f"a canary of {controls.canary.entries:,} first" if controls.canary else ""


def at_once_said(controls: Controls) -> str:
    """How something goes that starts with one click."""
    canary = controls.canary
    if canary is None:
        return "starts at once"
    rest = controls_said(replace(controls, canary=None))
    return (
        f"starts at once, {canary_first(controls)}: {canary.percent:g}% of it must recover "
        f"within {duration(canary.seconds)} before the rest follows, with {rest}"
    )


def wanted_said(controls: Controls) -> str:
    """``50 a second, from 5``; without a rate, ``as fast as it goes``."""
    if controls.rate is None:
        return rate_said(None)
    ramp = "" if controls.floor is None else f", from {controls.floor:,g}"
    return f"{controls.rate:,g} a second{ramp}"


def rate_said(entries: float | None) -> str:
    """``50 a second``; without a limit, ``as fast as it goes``."""
    return "as fast as it goes" if entries is None else f"{rate(entries)} a second"


def canary_said(operation: Operation, tried: Tried) -> str:
    """How far the canary is, with its figures."""
    canary = operation.controls.canary
    if canary is None or operation.canary is None:
        return "none"
    if operation.canary is CanaryState.PASSED:
        return f"passed: at least {canary.percent:g}% recovered"
    moved = number(tried.handed_over)
    if operation.canary is CanaryState.PENDING:
        return f"pending: {moved} of {canary.entries:,} handed over"
    needed = f"({canary.percent:g}% are needed)"
    if operation.canary is CanaryState.STOPPED:
        return f"stopped it: {number(tried.recovered)} of {moved} recovered {needed}"
    known = number(tried.handed_over - tried.without_outcome)
    return f"waiting for outcomes: {known} of {moved}, {number(tried.recovered)} recovered {needed}"


def paused_by(operation: Operation, user: str) -> str:
    """``the canary``, ``you``, ``grace``."""
    by = operation.paused_by or "somebody"
    return "you" if by == user else _BY_ITSELF.get(by, by)


def paused_by_said(operation: Operation, user: str) -> str:
    """``Paused by the canary``, ``Paused by you``, ``Waits for approval``."""
    if operation.awaits_approval:
        return "Waits for approval"
    who = paused_by(operation, user)
    return f"Paused by {who}" if operation.state == "paused" else f"Being paused by {who}"


def pause_reason_said(operation: Operation) -> str:
    """Why, with the figures."""
    said = operation.why_paused
    return said[:1].upper() + said[1:]


def begins_with_canary(operation: Operation) -> bool:
    """Whether a resume tries a few first again."""
    return operation.controls.canary is not None and operation.paused_by in _BY_ITSELF
