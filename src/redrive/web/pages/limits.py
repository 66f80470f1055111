"""Pace, canary and guard in words."""

from __future__ import annotations

from redrive.domain import Controls
from redrive.web.pages.formats import counted, duration


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
