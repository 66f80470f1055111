"""What clients send."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, SecretStr, StrictBool, StringConstraints, model_validator

from redrive import domain
from redrive.wire.base import (
    NO_CONTROL,
    NO_CONTROL_BUT_LINES,
    AppIdText,
    EntryIdText,
    Input,
    ReasonText,
)

IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_CONTROL)]


class RetryRequest(Input):
    """Retry one entry."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"app_id": "acme", "entry_id": "ent_0a1b2c3d4e5f60718293a4b5"}
        }
    )

    app_id: AppIdText
    entry_id: EntryIdText
    reason: ReasonText = ""
    """Why, for the audit trail."""


class ResyncRequest(RetryRequest):
    """Run one entry again from scratch, whatever its state, unless it is claimed or live."""


Rate = Annotated[
    float, Field(strict=True, ge=domain.RATE_AT_LEAST, le=domain.RATE_AT_MOST, allow_inf_nan=False)
]
Percent = Annotated[float, Field(strict=True, ge=0, le=100, allow_inf_nan=False)]


class Canary(Input):
    """Hand over a few entries first, and go on only if enough of them recover."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"entries": 20, "percent": 80, "seconds": 300}}
    )

    entries: Annotated[int, Field(strict=True, ge=1, le=domain.CANARY_AT_MOST)]
    """How many."""
    percent: Annotated[Percent, Field(ge=0.1)] = 80.0
    """How many of a hundred have to recover."""
    seconds: Annotated[
        float, Field(strict=True, ge=1, le=domain.CANARY_SECONDS_AT_MOST, allow_inf_nan=False)
    ] = 300.0
    """How long to wait for what becomes of them; without an outcome is not recovered."""


class Guard(Input):
    """Pause by itself when too many of the last outcomes failed again."""

    model_config = ConfigDict(json_schema_extra={"example": {"percent": 50, "outcomes": 100}})

    percent: Annotated[Percent, Field(le=99.9)]
    """More than so many of a hundred are too many."""
    outcomes: Annotated[int, Field(strict=True, ge=1, le=domain.GUARD_OUTCOMES_AT_MOST)] = 100
    """How many of the last outcomes are looked at."""


class ControlsInput(Input):
    """How fast and how carefully an operation goes. What is null is not limited."""

    rate: Rate | None = None
    """Entries handed over per second, at most."""
    floor: Rate | None = None
    """Begin at this rate, and come up to ``rate`` while things go well."""
    canary: Canary | None = None
    guard: Guard | None = None
    low_priority: StrictBool = False
    """Behind live traffic, where the queue system can."""

    def limits(self) -> dict[str, Any]:
        """Every limit, as the fields of ``domain.Controls``."""
        return {
            "rate": self.rate,
            "floor": self.floor,
            "canary": self.canary and domain.Canary(**self.canary.model_dump()),
            "guard": self.guard and domain.Guard(**self.guard.model_dump()),
            "low_priority": self.low_priority,
        }

    def changes(self) -> dict[str, Any]:
        """The limits that are named."""
        return {
            name: limit for name, limit in self.limits().items() if name in self.model_fields_set
        }


class ChangeControlsRequest(ControlsInput):
    """Change the limits of an open operation, from its next batch on.

    What is not named stays; null takes a limit away.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"rate": 100, "floor": None}})

    @model_validator(mode="after")
    def _names_something(self) -> ChangeControlsRequest:
        if not self.model_fields_set:
            raise ValueError("name at least one of rate, floor, canary, guard, low_priority")
        return self


class PauseRequest(Input):
    """What may go with a pause."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "the provider is slow"}})

    reason: ReasonText = ""
    """Why, for whoever resumes it and the audit trail."""


class LimitedStart(ControlsInput):
    """What is asked of a bulk operation, with its limits."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.controls()
        return self

    def controls(self) -> domain.Controls:
        return domain.Controls(**self.limits())


class BulkRetryRequest(LimitedStart):
    """What may go with the start of a bulk operation; everything is optional."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reason": "the mail provider is back",
                "idempotency_key": "incident-42",
                "rate": 500,
                "canary": {"entries": 20, "percent": 80, "seconds": 300},
                "guard": {"percent": 50, "outcomes": 100},
            }
        }
    )

    reason: ReasonText = ""
    """Why, for the audit trail."""
    idempotency_key: IdempotencyKey | None = None
    """The same key by the same user answers with the operation that it started the first time."""


class CancelRequest(Input):
    """What may go with a cancel; everything is optional."""

    model_config = ConfigDict(json_schema_extra={"example": {"undo": True}})

    undo: StrictBool = False
    """Also take back what was moved and no worker has started; this may be asked for after the
    operation's end too, while something that it moved is waiting."""


class RenameRequest(Input):
    """Give an app a name for people."""

    model_config = ConfigDict(json_schema_extra={"example": {"display_name": "Acme Ltd"}})

    display_name: Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL)]
    """Empty takes the name back."""


class NoteRequest(Input):
    """Keep a note with a group of failures."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"note": "the relay's certificate has expired"}}
    )

    note: Annotated[str, StringConstraints(max_length=2000, pattern=NO_CONTROL_BUT_LINES)]
    """Empty takes the note back. Lines may be broken."""


class LoginRequest(Input):
    """Open a session."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"username": "admin", "password": "correct horse battery"}}
    )

    username: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_CONTROL)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)]
