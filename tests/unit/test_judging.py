"""How outcomes over time are drawn."""

from __future__ import annotations

from datetime import timedelta

from redrive.domain import Judgement
from redrive.web.pages.chart import FEWEST_COLUMNS, STEP_WIDTH
from redrive.web.pages.formats import exact
from redrive.web.pages.judging import rate_line, verdict_chart
from tests.unit.test_verdict import judgement
from tests.unit.test_wire import AT

MINUTE = timedelta(minutes=1)


def minutes(*counts: tuple[int, int]) -> Judgement:
    """So many recoveries and new failures in each minute since the operation's start."""
    points = [(AT + at * MINUTE, *one) for at, one in enumerate(counts)]
    return judgement(*points, requeued=100)


def test_the_chart_of_an_operation_begins_with_it() -> None:
    chart = verdict_chart(minutes((3, 1), (0, 4)))
    assert [column.x for column in chart.columns] == [0, STEP_WIDTH]
    assert (chart.begins_at, chart.ends_at) == (AT, AT + (FEWEST_COLUMNS - 1) * MINUTE)
    assert chart.width == FEWEST_COLUMNS * STEP_WIDTH


def test_the_recovery_rate_is_drawn_from_the_first_outcome_on() -> None:
    found = minutes((0, 0), (3, 1), (0, 4))
    line = rate_line(found, verdict_chart(found))
    assert line is not None
    assert line.path == "M10 25H20V62.5H30"
    first, last = exact(AT + MINUTE), exact(AT + 2 * MINUTE)
    assert line.said == f"Recovery rate: 75% after {first}, 37% after {last}"


def test_without_an_outcome_there_is_no_recovery_rate() -> None:
    silent = minutes((0, 0))
    assert rate_line(silent, verdict_chart(silent)) is None
