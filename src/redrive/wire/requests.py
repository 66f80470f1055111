"""What clients send."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

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


class BulkRetryRequest(Input):
    """What may go with the start of a bulk operation; everything is optional."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"reason": "the mail provider is back", "idempotency_key": "incident-42"}
        }
    )

    reason: ReasonText = ""
    """Why, for the audit trail."""
    idempotency_key: IdempotencyKey | None = None
    """The same key by the same user answers with the operation that it started the first time."""


class CancelRequest(Input):
    """What may go with a cancel; everything is optional."""

    model_config = ConfigDict(json_schema_extra={"example": {"undo": True}})

    undo: bool = False
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
