"""How fast and how carefully an operation goes: pace, canary, guard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

RATE_AT_LEAST, RATE_AT_MOST = 0.01, 100_000.0
CANARY_AT_MOST = 10_000
CANARY_SECONDS_AT_MOST = 86_400.0
GUARD_OUTCOMES_AT_MOST = 10_000

_PROPOSED_OVER = 1_000


class CanaryState(StrEnum):
    """How far the canary of an operation is; ``stopped``: it has paused the operation."""

    PENDING = "pending"
    WAITING = "waiting"
    PASSED = "passed"
    STOPPED = "stopped"


class Limit(StrEnum):
    """What keeps an operation from going faster."""

    NONE = "none"
    RATE = "rate"
    RAMP = "ramp"
    GUARD = "guard"
    CANARY = "canary"
    PAUSED = "paused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """Hand over ``entries``, and go on only if ``percent`` of them recover in ``seconds``."""

    entries: int
    percent: float = 80.0
    seconds: float = 300.0

    def __post_init__(self) -> None:
        _within("canary.entries", self.entries, 1, CANARY_AT_MOST)
        _within("canary.percent", self.percent, 0.1, 100)
        _within("canary.seconds", self.seconds, 1, CANARY_SECONDS_AT_MOST)


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Pause when more than ``percent`` of the last ``outcomes`` outcomes failed again."""

    percent: float
    outcomes: int = 100

    def __post_init__(self) -> None:
        _within("guard.percent", self.percent, 0, 99.9)
        _within("guard.outcomes", self.outcomes, 1, GUARD_OUTCOMES_AT_MOST)


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """The limits of an operation; one that is None is not set. Raises ValueError.

    ``rate`` and ``floor`` are in entries per second: with a floor the operation begins at it and
    comes up to the rate while things go well.
    """

    rate: float | None = None
    floor: float | None = None
    canary: Canary | None = None
    guard: Guard | None = None
    low_priority: bool = False

    def __post_init__(self) -> None:
        if self.rate is not None:
            _within("rate", self.rate, RATE_AT_LEAST, RATE_AT_MOST)
        if self.floor is None:
            return
        _within("floor", self.floor, RATE_AT_LEAST, RATE_AT_MOST)
        if self.rate is None:
            raise ValueError("floor: needs a rate to come up to")
        if self.floor > self.rate:
            raise ValueError(f"floor: {self.floor:g} is over the rate of {self.rate:g}")

    def __str__(self) -> str:
        said = []
        if self.rate is not None:
            ramp = "" if self.floor is None else f", from {self.floor:g}/s"
            said.append(f"rate {self.rate:g}/s{ramp}")
        if self.canary is not None:
            one = self.canary
            said.append(f"canary {one.entries}, {one.percent:g} % within {one.seconds:g} s")
        if self.guard is not None:
            said.append(f"guard {self.guard.percent:g} % of {self.guard.outcomes}")
        if self.low_priority:
            said.append("low priority")
        return "; ".join(said) or "no limits"

    def said(self) -> dict[str, Any]:
        """Every limit by its name, also those that are not set."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def changed(self, changes: Mapping[str, Any]) -> Controls:
        """These with some replaced; None takes a limit away. Raises ValueError."""
        return replace(self, **changes)


NO_CONTROLS = Controls()


def proposed_controls(total: int) -> Controls:
    """What is proposed for an operation over so many entries."""
    if total <= _PROPOSED_OVER:
        return NO_CONTROLS
    return Controls(canary=Canary(entries=20), guard=Guard(percent=50.0))


def controls_as_text(controls: Controls) -> str:
    """As a ledger keeps them."""
    return json.dumps(asdict(controls))


def controls_from_text(text: str | None) -> Controls:
    """What :func:`controls_as_text` was given; no limits where a ledger keeps none."""
    if text is None:
        return NO_CONTROLS
    kept = json.loads(text)
    canary, guard = kept.pop("canary"), kept.pop("guard")
    return Controls(
        canary=None if canary is None else Canary(**canary),
        guard=None if guard is None else Guard(**guard),
        **kept,
    )


def _within(name: str, value: float, least: float, most: float) -> None:
    # Said this way round, "not a number" is refused too.
    if not least <= value <= most:
        raise ValueError(f"{name}: must be from {least:g} to {most:,g}, and is {value:g}")
