"""What became of an operation's work, in a sentence and over time."""

from __future__ import annotations

from dataclasses import dataclass

from redrive.domain import ActivityPoint, Judgement, Verdict
from redrive.web.pages.chart import STEP_WIDTH, Chart, chart_over
from redrive.web.pages.formats import exact, number, percent


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
    """The outcomes over time, from the operation's start on."""
    points = [
        ActivityPoint(at=one.at, failed=one.failed_again, recovered=one.recovered)
        for one in judgement.points
    ]
    return chart_over(points, judgement.step, from_start=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLine:
    """How the recovery rate went: a line in a drawing of 100 units' height, and what it says."""

    path: str
    said: str


def rate_line(judgement: Judgement, chart: Chart) -> RateLine | None:
    """The recovery rate after each step; None without an outcome that has one."""
    known = [
        (column, rate)
        for column, rate in zip(chart.columns, judgement.rates, strict=True)
        if rate is not None
    ]
    if not known:
        return None
    steps = [f"{100 - 100 * rate:g}H{column.x + STEP_WIDTH}" for column, rate in known]
    (first, began), (last, rate) = known[0], known[-1]
    said = (
        f"Recovery rate: {percent(began, 1)} after {exact(first.at)}, "
        f"{percent(rate, 1)} after {exact(last.at)}"
    )
    return RateLine(path=f"M{first.x} " + "V".join(steps), said=said)
