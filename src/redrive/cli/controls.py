"""The options of pace, canary and guard."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitOptions:
    """The limits of a new operation, or of a plan."""

    rate: Rate = None
    floor: Floor = None
    canary: CanaryEntries = None
    canary_percent: CanaryPercent = None
    canary_seconds: CanarySeconds = None
    guard: GuardPercent = None
    guard_outcomes: GuardOutcomes = None
    low_priority: LowPriority = False

    def controls(self) -> Controls:
        """Raises BadParameter."""
        try:
            return Controls(**self.set())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    def set(self) -> dict[str, Any]:
        """What was given, as fields of Controls. Raises BadParameter."""
        of_canary = {"percent": self.canary_percent, "seconds": self.canary_seconds}
        of_guard = {"outcomes": self.guard_outcomes}
        _refuse_alone("--canary", self.canary, of_canary)
        _refuse_alone("--guard", self.guard, of_guard)
        given: dict[str, Any] = {"rate": self.rate, "floor": self.floor}
        try:
            if self.canary is not None:
                given["canary"] = Canary(entries=self.canary, **_given(of_canary))
            if self.guard is not None:
                given["guard"] = Guard(percent=self.guard, **_given(of_guard))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        return _given(given) | ({"low_priority": True} if self.low_priority else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitChanges(LimitOptions):
    """Limits in place of those that there are."""

    without: Without = None

    def changes(self) -> dict[str, Any]:
        """What is to be set and taken away, as fields of Controls. Raises BadParameter."""
        given = self.set()
        taken_away = {
            limit.value.replace("-", "_"): False if limit is Limit.LOW_PRIORITY else None
            for limit in self.without or ()
        }
        both = ", ".join(name.replace("_", "-") for name in taken_away if name in given)
        if both:
            raise typer.BadParameter(f"{both}: set, or taken away --without it; not both")
        return taken_away | given


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse_alone(option: str, value: float | None, more: dict[str, Any]) -> None:
    if value is None and _given(more):
        further = ", ".join(f"{option}-{name}" for name in _given(more))
        raise typer.BadParameter(f"{further}: needs {option}")
