"""What a plan tells, as tables and lines."""

from __future__ import annotations

from collections.abc import Iterator

from redrive import wire
from redrive.cli.output import Output, say
from redrive.cli.tables import Column
from redrive.domain import NO_CONTROLS
from redrive.planning import Forecast

_COLUMNS = ("WHAT", Column("WHICH", least=20), "ENTRIES", "GROUP")
_SAMPLE_COLUMNS = (
    "SAMPLE",
    Column("APP", rank=2),
    Column("FAILED AT", rank=1),
    Column("ERROR", least=20),
)
_TELLS_WHOLE_OVER = 10


def show(output: Output, forecast: Forecast) -> None:
    """A plan as what was asked for: on stdout, as JSON or as tables."""
    model = _model(forecast)
    output.table(model, _COLUMNS, _rows(model))
    if model.samples and not output.as_json:
        output.rows(_SAMPLE_COLUMNS, _samples(model))
    _say_lines(forecast)


def show_aside(output: Output, forecast: Forecast) -> None:
    """A plan that is told before something else is: on stderr."""
    model = _model(forecast)
    output.rows(_COLUMNS, _rows(model), aside=True)
    if model.samples:
        output.rows(_SAMPLE_COLUMNS, _samples(model), aside=True)
    _say_lines(forecast)


def _model(forecast: Forecast) -> wire.Plan:
    return wire.Plan.of(forecast.plan, forecast.rate, forecast.seconds)


def _rows(model: wire.Plan) -> Iterator[tuple[object, ...]]:
    yield "selected", model.filter_in_words, model.total, ""
    for name, told in (("app", model.apps), ("group", model.groups), ("queue", model.queues)):
        for part in told.parts:
            group_id = part.key if name == "group" else ""
            yield name, part.title or part.key or "without a group", part.entries, group_id
        if told.others:
            yield name, f"{told.others:,} others", told.other_entries, ""
    for left in model.left_out:
        yield "left out", left.reason, left.entries, ""


def _samples(model: wire.Plan) -> Iterator[tuple[object, ...]]:
    for entry in model.samples:
        error = f"{entry.error_type}: {entry.error_message}" if entry.error_type else None
        yield entry.entry_id, entry.app_id, entry.failed_at, error or entry.error_message


def _say_lines(forecast: Forecast) -> None:
    plan = forecast.plan
    seconds, rate = _number(forecast.seconds), _number(forecast.rate)
    entries = "1 entry" if plan.total == 1 else f"{plan.total:,} entries"
    say(f"{entries}, in about {seconds} s at {rate}/s.")
    if plan.controls != NO_CONTROLS:
        say(f"Limits: {plan.controls}.")
    if plan.controls.canary is not None:
        waits = _number(plan.controls.canary.seconds)
        say(f"Up to {waits} s more for the outcomes of the canary.")
    for warning in plan.warnings:
        say(warning.message)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _TELLS_WHOLE_OVER else f"{value:g}"
