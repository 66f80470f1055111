"""How fast and how carefully a bulk action goes, as forms and addresses have it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel

from redrive.domain import (
    NO_CONTROLS,
    Canary,
    Controls,
    Guard,
    OperationKind,
    proposed_controls,
)
from redrive.web.pages.selecting import OrNone

_Number = Annotated[float | None, OrNone]
_Whole = Annotated[int | None, OrNone]


class Pace(BaseModel):
    """``paced`` says that the operator has seen the fields: what is empty then is not limited.
    Before, what is proposed for so many entries counts."""

    paced: bool = False
    rate: _Number = None
    floor: _Number = None
    canary: _Whole = None
    canary_percent: _Number = None
    canary_seconds: _Number = None
    guard: _Number = None
    guard_outcomes: _Whole = None
    low_priority: bool = False

    @property
    def pace(self) -> dict[str, Any]:
        """What was set, as an address has it."""
        if not self.paced:
            return {}
        said = self.model_dump(mode="json", include=set(Pace.model_fields))
        return {name: _said(value) for name, value in said.items() if value not in (None, False)}

    def controls(self, kind: OperationKind, total: int) -> Controls:
        """The limits of an action on so many entries. Raises ValueError."""
        if kind is OperationKind.DISMISS:
            return NO_CONTROLS
        if not self.paced:
            return proposed_controls(total)
        canary = guard = None
        if self.canary is not None:
            said = {"percent": self.canary_percent, "seconds": self.canary_seconds}
            canary = Canary(entries=self.canary, **_set(said))
        if self.guard is not None:
            outcomes = {} if self.guard_outcomes is None else {"outcomes": self.guard_outcomes}
            guard = Guard(percent=self.guard, **outcomes)
        return Controls(
            rate=self.rate,
            floor=self.floor,
            canary=canary,
            guard=guard,
            low_priority=self.low_priority,
        )


def _set(said: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in said.items() if value is not None}


def _said(value: Any) -> Any:
    return "true" if value is True else value
