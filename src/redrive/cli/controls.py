"""The options of pace, canary and guard."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from redrive.domain import Canary, Controls, Guard

_PANEL = "Pace"


def _option(name: str, text: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=text, metavar=metavar, rich_help_panel=_PANEL)


Rate = Annotated[
    float | None, _option("--rate", "Hand over at most so many entries a second.", "N")
]
Floor = Annotated[
    float | None,
    _option("--floor", "Begin at this rate; come up to --rate while things go well.", "N"),
]
CanaryEntries = Annotated[
    int | None, _option("--canary", "Hand over K first; go on only if enough recover.", "K")
]
CanaryPercent = Annotated[
    float | None,
    _option("--canary-percent", "How many of a hundred have to recover; default 80.", "P"),
]
CanarySeconds = Annotated[
    float | None,
    _option("--canary-seconds", "How long the canary waits for outcomes; default 300.", "S"),
]
GuardPercent = Annotated[
    float | None,
    _option("--guard", "Pause when more than P % of the last outcomes failed again.", "P"),
]
GuardOutcomes = Annotated[
    int | None, _option("--guard-outcomes", "How many outcomes the guard looks at.", "N")
]
LowPriority = Annotated[
    bool, _option("--low-priority", "Behind live traffic, where the queue system can.")
]


class Limit(StrEnum):
    """What can be taken away."""

    RATE = "rate"
    FLOOR = "floor"
    CANARY = "canary"
    GUARD = "guard"
    LOW_PRIORITY = "low-priority"


Without = Annotated[
    list[Limit] | None,
    _option("--without", "Take a limit away; may be given repeatedly."),
]


def changes_of(
    *,
    rate: float | None,
    floor: float | None,
    canary: int | None,
    canary_percent: float | None,
    canary_seconds: float | None,
    guard: float | None,
    guard_outcomes: int | None,
    low_priority: bool,
) -> dict[str, Any]:
    """The given options as fields of Controls. Raises BadParameter."""
    of_canary = {"percent": canary_percent, "seconds": canary_seconds}
    _refuse_alone("--canary", canary, of_canary)
    _refuse_alone("--guard", guard, {"outcomes": guard_outcomes})
    changes: dict[str, Any] = {"rate": rate, "floor": floor}
    try:
        if canary is not None:
            changes["canary"] = Canary(entries=canary, **_given(of_canary))
        if guard is not None:
            changes["guard"] = Guard(percent=guard, **_given({"outcomes": guard_outcomes}))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return _given(changes) | ({"low_priority": True} if low_priority else {})


def controls_of(**options: Any) -> Controls:
    """The given options as limits of a new operation. Raises BadParameter."""
    changes = changes_of(**options)
    try:
        return Controls(**changes)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def taken_away(limits: list[Limit]) -> dict[str, Any]:
    """The changes that take limits away."""
    return {
        limit.value.replace("-", "_"): False if limit is Limit.LOW_PRIORITY else None
        for limit in limits
    }


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse_alone(option: str, value: float | None, more: dict[str, Any]) -> None:
    if value is None and _given(more):
        further = ", ".join(f"{option}-{name}" for name in _given(more))
        raise typer.BadParameter(f"{further}: needs {option}")
