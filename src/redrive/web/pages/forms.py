"""What the pages' forms send."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from redrive.domain import Controls
from redrive.web.pages.controls_form import ControlsForm
from redrive.web.pages.params import PlanQuery
from redrive.web.pages.selecting import OrNone
from redrive.wire.base import (
    NO_CONTROL,
    NO_CONTROL_BUT_LINES,
    AppIdText,
    EntryIdText,
    ReasonText,
)
from redrive.wire.requests import IdempotencyKey

LARGE = 1000
"""A bulk action over more entries than this asks for their number to be typed."""

LONGEST_NOTE = 2000
"""Characters, a broken line counting as one."""

_M = TypeVar("_M", bound=BaseModel)
_Address = Annotated[str, StringConstraints(max_length=4000, pattern=NO_CONTROL)]


class OneForm(BaseModel):
    """An action on one entry; ``back`` is the page that it was started from."""

    model_config = ConfigDict(extra="forbid")

    app_id: AppIdText
    reason: ReasonText = ""
    back: _Address = ""


class SteerForm(BaseModel):
    """Something asked of an operation; ``back`` is the page that it was asked on."""

    model_config = ConfigDict(extra="forbid")

    back: _Address = ""


class NoteForm(BaseModel):
    """A group's note; empty takes it back. Browsers break lines with two characters."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[
        str,
        BeforeValidator(lambda text: text.replace("\r\n", "\n").strip()),
        StringConstraints(max_length=LONGEST_NOTE, pattern=NO_CONTROL_BUT_LINES),
    ] = ""


class AtOnceForm(BaseModel):
    """An action that starts at once; ``count`` is the number that its button has shown."""

    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=0)]
    key: IdempotencyKey


class CancelForm(SteerForm):
    """``undo`` takes back what was moved and has not started."""

    undo: Literal["", "yes"] = ""


class PauseForm(SteerForm):
    reason: ReasonText = ""


class ChangeForm(ControlsForm):
    """Other limits for an operation; ``shown`` are the fields as the form showed them."""

    shown: Annotated[str, StringConstraints(max_length=1000)] = ""

    def changes(self, wanted: Controls) -> dict[str, Any]:
        """What was changed in the form, so that what somebody else has changed since it was shown
        stays. Raises RequestValidationError."""
        before = as_form(dict(parse_qsl(self.shown, keep_blank_values=True)), ControlsForm)
        old = before.limits().controls
        names = (field.name for field in fields(Controls))
        pairs = ((name, getattr(wanted, name)) for name in names)
        return {name: value for name, value in pairs if value != getattr(old, name)}


class BulkForm(ControlsForm):
    """A bulk action that was confirmed; ``count`` is the number that the operator was shown."""

    kind: Literal["retry", "resync"]
    app_id: Annotated[AppIdText | None, BeforeValidator(lambda value: value or None)] = None
    reason: ReasonText = ""
    count: int
    typed: Annotated[str, StringConstraints(max_length=40)] = ""
    key: IdempotencyKey

    @model_validator(mode="after")
    def _resync_is_of_one_app(self) -> BulkForm:
        if self.kind == "resync" and self.app_id is None:
            raise ValueError("a resync of many is of one app: name it")
        return self

    @property
    def is_confirmed(self) -> bool:
        """Whether a large number was typed as it was shown, with or without separators."""
        return is_typed(self.count, self.typed)


class PlanForm(PlanQuery):
    """What to plan, and the start of what was planned.

    A list sends ``rows`` with the checked rows (``entry_id``), and with ``page`` those of its page
    (``page_ids``), or ``all`` for its filter. A plan sends what it was made from, its ``token``
    and the ``count`` that it showed.
    """

    act: Literal["plan", "start"] = "plan"
    rows: bool = False
    entry_id: Annotated[tuple[EntryIdText, ...], Field(max_length=1000)] = ()
    page: bool = False
    page_ids: Annotated[str, StringConstraints(max_length=8000)] = ""
    all: bool = False
    """Instead of rows."""
    token: Annotated[str, StringConstraints(max_length=64)] = ""
    key: Annotated[IdempotencyKey | None, OrNone] = None
    count: int = 0
    typed: Annotated[str, StringConstraints(max_length=40)] = ""
    reason: ReasonText = ""
    back: _Address = ""

    @property
    def entry_ids(self) -> tuple[str, ...]:
        """The entries that were chosen by hand."""
        of_page = self.page_ids.split() if self.page else []
        return tuple(dict.fromkeys((*of_page, *self.entry_id)))

    @property
    def by_hand(self) -> bool:
        return not self.all and (self.rows or bool(self.entry_id))

    @property
    def is_confirmed(self) -> bool:
        """Whether a large number was typed as it was shown, with or without separators."""
        return is_typed(self.count, self.typed)


def is_typed(count: int, typed: str) -> bool:
    """Whether a large number was typed as it was shown, with or without separators."""
    return count <= LARGE or re.sub(r"\D", "", typed) == str(count)


async def read_form(request: Request, model: type[_M], many: Container[str] = ()) -> _M:
    """The form in the request's body; fields that are ``many`` may be there more than once. Raises
    RequestValidationError."""
    try:
        given: dict[str, Any] = {}
        body = (await request.body()).decode()
        for name, value in parse_qsl(body, keep_blank_values=True, errors="strict"):
            given[name] = (*given.get(name, ()), value) if name in many else value
    except ValueError:
        raise RequestValidationError(
            [{"loc": ("form",), "msg": "the form is not UTF-8 text"}]
        ) from None
    return as_form(given, model)


def as_form(given: Mapping[str, Any], model: type[_M]) -> _M:
    """The fields of a form. Raises RequestValidationError."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = [
            {"loc": ("form", *one["loc"]), "msg": one["msg"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
    raise RequestValidationError(problems)
