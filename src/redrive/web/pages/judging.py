"""What became of an operation's work, in a sentence and over time."""

from __future__ import annotations

from redrive.domain import ActivityPoint, Judgement, Verdict, follow_ups_of
from redrive.web.pages.chart import Chart, chart_over
from redrive.web.pages.formats import number

__all__ = ["follow_ups_of", "verdict_chart", "verdict_said"]


def verdict_said(verdict: Verdict) -> str:
    """``392 of 400 recovered; 8 failed again the same way.``"""
    if not verdict.moved:
        return "Nothing was moved." if verdict.is_final else "Nothing has been moved yet."
    if not verdict.judged and not verdict.is_final:
        return f"{number(verdict.moved)} moved; no outcome yet."
    moved, recovered = number(verdict.moved), number(verdict.recovered)
    parts = [f"{recovered if verdict.recovered else 'None'} of {moved} recovered"]
    if verdict.all_recovered:
        parts = [f"All {moved} recovered" if verdict.moved > 1 else "It recovered"]
    waiting = "were not heard of again" if verdict.is_final else "have no outcome yet"
    for count, what in (
        (verdict.failed_same, "failed again the same way"),
        (verdict.failed_differently, "failed again differently"),
        (verdict.vanished, "vanished"),
        (verdict.waiting, waiting),
    ):
        if count:
            parts.append(f"{number(count)} {what}")
    return "; ".join(parts) + "."


def verdict_chart(judgement: Judgement) -> Chart:
    """The outcomes over time."""
    points = [
        ActivityPoint(at=one.at, failed=one.failed_again, recovered=one.recovered)
        for one in judgement.points
    ]
    return chart_over(points, judgement.step)
