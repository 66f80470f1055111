"""The fields of an operation's limits, as they stand in a form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from redrive.domain import NO_CONTROLS, Canary, Controls, Guard

_Typed = Annotated[str, StringConstraints(max_length=40, strip_whitespace=True)]
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a form asks for. ``problems`` says by field what is wrong; with any, ``controls`` are
    not to be used."""

    controls: Controls
    problems: Mapping[str, str]


class ControlsForm(BaseModel):
    """Every field as it was typed. A field that is left empty sets no limit: an empty number of
    canary entries is no canary, an empty percent of the guard no guard."""

    model_config = ConfigDict(extra="forbid")

    rate: _Typed = ""
    floor: _Typed = ""
    canary_entries: _Typed = ""
    canary_percent: _Typed = "80"
    canary_seconds: _Typed = "300"
    guard_percent: _Typed = ""
    guard_outcomes: _Typed = "100"
    low_priority: Literal["", "on"] = ""

    @property
    def is_blank(self) -> bool:
        """Whether no limit is asked for."""
        asked = (self.rate, self.floor, self.canary_entries, self.guard_percent, self.low_priority)
        return not any(asked)

    def limits(self) -> Limits:
        """The limits that the fields ask for, or what is wrong with them."""
        reading = _Reading(self)
        rate, floor = reading.decimal("rate"), reading.decimal("floor")
        low_priority = self.low_priority != ""
        if "rate" in reading.problems:
            floor = None
        canary = reading.canary() if self.canary_entries else None
        guard = reading.guard() if self.guard_percent else None
        controls = NO_CONTROLS
        try:
            controls = Controls(
                rate=rate, floor=floor, canary=canary, guard=guard, low_priority=low_priority
            )
        except ValueError as error:
            reading.refuse(error)
        return Limits(controls=controls, problems=reading.problems)


def filled(controls: Controls) -> ControlsForm:
    """The fields of a form that shows these limits."""
    fields: dict[str, float | None] = {"rate": controls.rate, "floor": controls.floor}
    if controls.canary is not None:
        fields["canary_entries"] = controls.canary.entries
        fields["canary_percent"] = controls.canary.percent
        fields["canary_seconds"] = controls.canary.seconds
    if controls.guard is not None:
        fields["guard_percent"] = controls.guard.percent
        fields["guard_outcomes"] = controls.guard.outcomes
    texts = {name: _text(value) for name, value in fields.items() if value is not None}
    return ControlsForm(**texts, low_priority="on" if controls.low_priority else "")


class _Reading:
    """The reading of one form, with what is wrong so far."""

    def __init__(self, form: ControlsForm) -> None:
        self._form = form
        self.problems: dict[str, str] = {}

    def decimal(self, name: str, *, needed: bool = False) -> float | None:
        typed: str = getattr(self._form, name)
        if _THOUSANDS.fullmatch(typed):
            typed = typed.replace(",", "")
        if typed and not _DECIMAL.fullmatch(typed):
            self.problems[name] = "must be a number, such as 50 or 0.5"
        elif needed and not typed:
            self.problems[name] = "is needed with this"
        return float(typed) if typed and name not in self.problems else None

    def whole(self, name: str) -> int | None:
        value = self.decimal(name, needed=True)
        if value is None or value == int(value):
            return None if value is None else int(value)
        self.problems[name] = "must be a whole number"
        return None

    def canary(self) -> Canary | None:
        entries = self.whole("canary_entries")
        percent = self.decimal("canary_percent", needed=True)
        seconds = self.decimal("canary_seconds", needed=True)
        if entries is None or percent is None or seconds is None:
            return None
        try:
            return Canary(entries=entries, percent=percent, seconds=seconds)
        except ValueError as error:
            self.refuse(error)
            return None

    def guard(self) -> Guard | None:
        percent = self.decimal("guard_percent")
        outcomes = self.whole("guard_outcomes")
        if percent is None or outcomes is None:
            return None
        try:
            return Guard(percent=percent, outcomes=outcomes)
        except ValueError as error:
            self.refuse(error)
            return None

    def refuse(self, error: ValueError) -> None:
        """``canary.percent: must be from …`` belongs to the field ``canary_percent``; what was
        found wrong with the field before stays."""
        name, _, said = str(error).partition(": ")
        self.problems.setdefault(name.replace(".", "_"), said)


def _text(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
